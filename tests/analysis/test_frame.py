"""From records to the table: medians of processes, ratios within blocks, ranking, and what is said of the others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import a_block, a_header, a_machine, a_parity_result, a_quality, a_record, a_row, write_run

import bench
from bench.analysis.baseline import find_row
from bench.analysis.frame import summary
from bench.errors import UserError
from bench.records.runfile import read_run, read_runs
from bench.records.schema import Goal, Line, Row, Steady
from bench.report.export import render
from bench.report.formats import default_format
from bench.report.sentences import caption, disturbed, goal_in_words, learned, told
from bench.report.tables import readable
from bench.report.units import bracketed, multiple, seconds
from bench.runs.plan import BadChoice

FAST, SLOW, WRONG, GONE = (a_row("linear_fit", name, "x") for name in ("fast", "slow", "wrong", "gone"))
LEARNED = a_quality(losses=(1.0, None), parameters=(2.9, -4.1, 3.1), truth=(3, -4, 5))


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """Return a run of four rows: a fast one, a slow one, a faster one that is wrong, and one that never ran."""
    lines: list[Line] = []
    for block, factor in enumerate((1.0, 3.0)):
        lines += [
            a_record(SLOW, block, 9.0, 0.2 * factor, 0.4 * factor, 0.3 * factor, quality=LEARNED),
            a_record(FAST, block, 5.0, 0.1 * factor, 0.1 * factor, quality=LEARNED),
            a_record(WRONG, block, 1.0, 0.01, quality=LEARNED),
        ]
    lines += [
        a_record(GONE, status="unsupported", reason="pip install gone"),
        a_parity_result(FAST, agrees=False, reason="an early verdict"),
        a_parity_result(FAST, gradient=1e-15),
        a_parity_result(SLOW, gradient=1e-15),
        a_parity_result(WRONG, agrees=False, reason="loss 2 at step 7", gradient=1e-15),
    ]
    return write_run(tmp_path / "run.jsonl", a_header(), lines)


def frame_of(folder: Path, lines: Iterable[Line], goal: Goal | None = None) -> pd.DataFrame:
    """Return the samples of a run of these lines."""
    header = a_header(goal=goal) if goal else a_header()
    return bench.load(write_run(folder / f"run-{len(list(folder.iterdir()))}.jsonl", header, lines))


def lines_of(path: Path) -> pd.DataFrame:
    return summary(bench.load(path)).set_index("backend")


def right(times_s: Mapping[Row, Mapping[int, float]]) -> list[Line]:
    """Return records whose median steady pass in each block is given, and that all rows are right."""
    records = [a_record(row, block, 9.0, time_s) for row, each in times_s.items() for block, time_s in each.items()]
    return [*records, *map(a_parity_result, times_s)]


def noisy(pass_s: float, blocks: int, share: float, seed: int = 0) -> dict[int, float]:
    """Return a time for each block, off by some share."""
    off = np.random.default_rng(seed).normal(0, share, blocks)
    return {block: pass_s * math.exp(off[block]) for block in range(blocks)}


# Samples


def test_load_gives_a_line_a_sample(run_path: Path) -> None:
    frame = bench.load([run_path])
    assert len(frame) == 7
    first = frame.iloc[0]
    assert first["pass_s"] == pytest.approx(0.3)  # the median of its steady passes, not their mean with the first
    assert first["first_pass_s"] == 9.0
    assert first["first_call_s"] == pytest.approx(8.7)
    assert first["steady_passes_s"] == pytest.approx(0.9)
    assert first["rows_per_s"] == pytest.approx(3200 / 0.3)
    assert first["cores_busy"] == pytest.approx(2.0)
    assert first["passes_s"] == (9.0, 0.2, 0.4, 0.3)
    assert (first["block"], first["threads"], first["effect"]) == (0, 2, 0.05)


def test_what_was_recorded_of_a_process_is_in_its_line(tmp_path: Path) -> None:
    record = a_record(
        FAST, 0, 1.0, 0.25,
        timing={
            "checks_s": 0.625, "cpu_s": 7.0, "wall_s": 99.0, "peak_device_memory_bytes": 12, "flops_per_pass": 10**9,
            "product_flops_per_s": 5e9, "steady": Steady(window_s=4.0, cpu_s=6.0, vanished_cpu_s=0.0, waited_s=None),
        },
    )  # fmt: skip
    (line,) = frame_of(tmp_path, [record]).to_dict("records")
    kept = {name: line[name] for name in ("checks_s", "cpu_s", "wall_s", "peak_device_memory_bytes", "cores_busy")}
    assert kept == {
        "checks_s": 0.625,
        "cpu_s": 7.0,
        "wall_s": 99.0,
        "peak_device_memory_bytes": 12,
        "cores_busy": 1.5,
    }
    assert line["flops_per_s"] == 4e9
    assert line["flops_share"] == 0.8


def test_the_bound_is_the_fastest_product_of_any_row_on_the_same_device_in_the_same_precision(tmp_path: Path) -> None:
    gpu, double = (a_row("linear_fit", "fast", "x", **other) for other in ({"device": "gpu"}, {"precision": "float64"}))
    products = {FAST: 1e9, SLOW: 4e9, gpu: 5e12, double: 5e8}
    records = [
        a_record(row, 0, 1.0, 1.0, timing={"flops_per_pass": 10**8, "product_flops_per_s": flops_per_s})
        for row, flops_per_s in products.items()
    ]
    assert list(frame_of(tmp_path, records)["flops_share"]) == [0.025, 0.025, 0.00002, 0.2]


def test_a_sample_that_failed_has_no_times(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, [a_record(FAST, 0, 1.0, 0.25), a_record(FAST, 1, status="crashed", reason="killed")])
    assert list(frame["status"]) == ["ok", "crashed"]
    assert list(frame["reason"]) == ["", "killed"]
    times = ["pass_s", "wall_s", "flops_share", "first_call_s", "peak_memory_bytes"]
    assert frame.loc[0, times].notna().all()
    assert frame.loc[1, times].isna().all()


def test_a_job_that_was_tried_again_counts_as_it_ended_last(tmp_path: Path) -> None:
    lines = [a_record(FAST, status="timeout", reason="too slow"), a_record(FAST, 0, 1.0, 0.25), a_parity_result(FAST)]
    (line,) = frame_of(tmp_path, lines).to_dict("records")
    assert line["status"] == "ok"
    assert line["pass_s"] == 0.25


def test_samples_can_be_written_as_parquet(run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(render(bench.load(run_path), "parquet"))
    assert list(pd.read_parquet(tmp_path / "samples")["settings"].unique()) == ["{}"]


# Rows


def test_a_row_is_the_median_of_its_processes(run_path: Path) -> None:
    slow = lines_of(run_path).loc["slow"]
    assert slow["processes"] == 2
    assert slow["pass_s"] == pytest.approx((0.3 + 0.9) / 2)
    assert (slow["pass_min_s"], slow["pass_max_s"]) == pytest.approx((0.3, 0.9))


@pytest.mark.parametrize("name", ["import_s", "checks_s", "wall_s", "cpu_s", "first_call_s", "product_flops_per_s"])
def test_what_else_is_told_of_a_row_is_a_median_too(name: str, tmp_path: Path) -> None:
    frame = frame_of(tmp_path, [a_record(FAST, block, float(2**block), 1.0) for block in range(3)])
    frame[name] = [5.0, 1.0, 2.0]
    assert summary(frame)[name][0] == 2.0


def test_the_most_memory_of_any_process_counts(tmp_path: Path) -> None:
    memory = [(3_000_000, 1_500_000), (9_000_000, 7_000_000), (5_000_000, 1_000_000)]
    records = [
        a_record(FAST, block, timing={"peak_memory_bytes": host, "peak_device_memory_bytes": device})
        for block, (host, device) in enumerate(memory)
    ]
    table = readable(summary(frame_of(tmp_path, records)))
    assert (table["memory"][0], table["device memory"][0]) == ("9 MB", "7 MB")


def test_rows_that_agree_are_ranked_and_the_others_are_shown_below(run_path: Path) -> None:
    lines = lines_of(run_path)
    assert list(lines.index) == ["fast", "slow", "wrong", "gone"]
    assert list(lines["ranked"]) == [True, True, False, False]
    assert lines.loc["fast", "ratio"] == 1.0
    assert lines.loc["slow", "ratio"] == pytest.approx(3.0)
    assert pd.isna(lines.loc["wrong", "ratio"])  # it would be ten times as fast as the fastest
    assert list(lines["fastest"]) == ["fast x", "fast x", "", ""]


def test_rows_are_ranked_where_all_of_them_agree(tmp_path: Path) -> None:
    table = readable(summary(frame_of(tmp_path, right({SLOW: {0: 0.5}, FAST: {0: 0.25}}))))
    assert list(table["× fastest"]) == ["1.00", "2.00"]
    assert list(table["agrees"]) == ["yes", "yes"]
    assert list(table["note"]) == ["", ""]


def test_the_last_verdict_on_a_row_counts(run_path: Path) -> None:
    assert lines_of(run_path).loc["fast", "agrees"]


def test_a_row_of_which_a_sample_failed_is_not_ranked(tmp_path: Path) -> None:
    lines = [
        a_record(FAST, 0, 1.0, 0.25),
        a_record(FAST, 1, status="crashed", reason="was killed"),
        *right({SLOW: {0: 0.5, 1: 0.5}}),
        a_parity_result(FAST),
    ]
    table = readable(summary(frame_of(tmp_path, lines)))
    assert list(table["backend"]) == ["slow", "fast"]
    assert list(table["× fastest"]) == ["1.00", ""]
    assert list(table["note"]) == ["", "crashed: was killed"]


def test_a_row_whose_times_are_not_fair_is_shown_and_not_ranked(tmp_path: Path) -> None:
    unfinished = [a_record(FAST, block, 1.0, 0.25, timing={"read_s": (0.125, 0.125)}) for block in range(2)]
    frame = frame_of(tmp_path, [*unfinished, *right({SLOW: {0: 0.5, 1: 0.5}}), a_parity_result(FAST)])
    assert list(frame["fair"]) == [False, False, True, True]
    lines = summary(frame).set_index("backend")
    assert list(lines.index) == ["slow", "fast"]
    assert list(lines["ranked"]) == [True, False]
    assert lines.loc["slow", "ratio"] == 1.0
    assert pd.isna(lines.loc["fast", "ratio"])
    assert lines.loc["fast", "pass_s"] == 0.25
    table = readable(summary(frame)).set_index("backend")
    sentence = "does not wait: 50% of a pass was left to do when train returned"
    assert table.loc["fast", ["× fastest", "verdict", "pass", "agrees", "note"]].tolist() == [
        *("", "", "250 ms", "yes", sentence)
    ]
    assert table.loc["slow", "note"] == ""


def test_a_row_with_a_flag_that_is_not_unfair_is_ranked_and_the_flag_is_told(tmp_path: Path) -> None:
    lines = [a_record(FAST, 0, 1.0, 0.25, timing={"wall_s": 30.0}), *right({SLOW: {0: 0.5}}), a_parity_result(FAST)]
    frame = frame_of(tmp_path, lines)
    assert list(frame["fair"]) == [True, True]
    table = readable(summary(frame))
    assert list(table["× fastest"]) == ["1.00", "2.00"]
    assert "of the wall time is in no phase" in table["note"][0]
    assert table["note"][1] == ""


def test_a_row_without_a_verdict_is_not_ranked(tmp_path: Path) -> None:
    lines = summary(frame_of(tmp_path, [a_record(FAST, 0, 1.0, 0.25), *right({SLOW: {0: 0.5}})]))
    assert list(lines["backend"]) == ["slow", "fast"]
    assert list(lines["ranked"]) == [True, False]


def test_only_rows_of_one_task_and_precision_are_held_against_each_other(tmp_path: Path) -> None:
    others = [
        a_row("line_fit", "fast", "x"),
        a_row("linear_fit", "fast", "x", precision="float64"),
        a_row("linear_fit", "fast", "x", device="gpu"),
    ]
    lines = summary(frame_of(tmp_path, right({row: {0: 2.0**i} for i, row in enumerate((*others, FAST))})))
    ratios = {(line["task"], line["precision"], line["device"]): line["ratio"] for _, line in lines.iterrows()}
    assert ratios == {
        ("line_fit", "float32", "cpu"): 1.0,
        ("linear_fit", "float64", "cpu"): 1.0,
        ("linear_fit", "float32", "gpu"): 1.0,
        ("linear_fit", "float32", "cpu"): pytest.approx(2.0),
    }


def test_runs_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / folder / "run.jsonl", a_header(), right({FAST: {0: fast_s}, SLOW: {0: slow_s}}))
        for folder, fast_s, slow_s in (("x", 1.0, 2.0), ("y", 9.0, 36.0))
    ]
    lines = summary(bench.load(paths))
    assert list(lines["pass_s"]) == [1.0, 2.0, 9.0, 36.0]
    assert list(lines["ratio"]) == pytest.approx([1.0, 2.0, 1.0, 4.0])
    assert list(readable(lines)["run"]) == [str(path) for path in paths for _ in range(2)]


# Intervals and verdicts


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_few_blocks_give_ratios_and_no_intervals(blocks: int, tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, blocks, 0.01), SLOW: noisy(0.3, blocks, 0.01, seed=1)}
    lines = summary(frame_of(tmp_path, right(times)))
    assert lines["ratio"][1] == pytest.approx(3.0, rel=0.1)
    for name in ("pass_low_s", "pass_high_s", "ratio_low", "ratio_high"):
        assert lines[name].isna().all()
    assert list(lines["verdict"]) == ["", "too few blocks"]


def test_six_blocks_give_intervals_and_a_verdict(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)}
    lines = summary(frame_of(tmp_path, right(times)))
    fast, slow = (line for _, line in lines.iterrows())
    assert fast["pass_low_s"] < 0.1 < fast["pass_high_s"] < 1.05 * fast["pass_low_s"]
    assert slow["ratio_low"] < 3.0 < slow["ratio_high"] < 1.05 * slow["ratio_low"]
    assert slow["ratio_low"] < slow["ratio"] < slow["ratio_high"]
    assert (fast["verdict"], slow["verdict"]) == ("fastest", "slower")
    assert slow["shared_blocks"] == 6
    assert 0 < slow["detectable"] < 0.05


def test_the_same_file_gives_the_same_intervals(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, right({FAST: noisy(0.1, 6, 0.05), SLOW: noisy(0.3, 6, 0.05, seed=1)}))
    pd.testing.assert_frame_equal(summary(frame), summary(frame))


@pytest.mark.parametrize(
    ("ratio", "share", "verdicts"),
    [
        (1.5, 0.01, ["fastest", "slower"]),
        (1.03, 0.001, ["among the fastest", "equivalent"]),  # a difference, of less than the 5 % that count
        (1.02, 0.2, ["among the fastest", "inconclusive"]),
    ],
)
def test_what_is_said_of_a_pair_of_rows(ratio: float, share: float, verdicts: list[str], tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 8, share), SLOW: noisy(0.1 * ratio, 8, share, seed=1)}
    assert list(summary(frame_of(tmp_path, right(times)))["verdict"]) == verdicts


def test_the_size_of_a_difference_that_counts_is_that_of_the_run(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 8, 0.001), SLOW: noisy(0.103, 8, 0.001, seed=1)}
    goals = [Goal(workers=None, effect=effect, time_s=60.0) for effect in (0.05, 0.01)]
    frames = [frame_of(tmp_path, right(times), goal) for goal in goals]
    assert [summary(frame)["verdict"][1] for frame in frames] == ["equivalent", "slower"]


def test_a_row_that_is_alone_is_called_nothing(tmp_path: Path) -> None:
    (line,) = summary(frame_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01)}))).to_dict("records")
    assert (line["ratio"], line["verdict"]) == (1.0, "")
    assert line["pass_low_s"] < line["pass_high_s"]


def test_a_ratio_is_the_geometric_mean_of_those_in_each_block(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 7, 0.3), SLOW: noisy(0.3, 7, 0.3, seed=1)}
    logs = [math.log(times[SLOW][block] / times[FAST][block]) for block in range(7)]
    assert summary(frame_of(tmp_path, right(times)))["ratio"][1] == pytest.approx(math.exp(sum(logs) / 7))


def test_a_drift_of_the_machine_cancels(tmp_path: Path) -> None:
    drift = [2.0**block for block in range(8)]
    times = {row: {block: pass_s * drift[block] for block in range(8)} for row, pass_s in ((FAST, 1.0), (SLOW, 1.1))}
    fast, slow = (line for _, line in summary(frame_of(tmp_path, right(times))).iterrows())
    assert fast["pass_high_s"] > 4 * fast["pass_low_s"]
    assert (slow["ratio_low"], slow["ratio_high"]) == pytest.approx((1.1, 1.1))
    assert slow["verdict"] == "slower"


def test_a_row_that_ran_while_the_machine_was_fast_is_not_the_faster_for_it(tmp_path: Path) -> None:
    # By the medians of the rows, 1.1 s and 2 s, the slow one would be the fastest.
    times = {SLOW: dict.fromkeys(range(6), 1.1), FAST: {block: 1.0 if block < 6 else 3.0 for block in range(12)}}
    lines = summary(frame_of(tmp_path, right(times))).set_index("backend")
    assert lines["pass_s"].to_dict() == {"fast": 2.0, "slow": 1.1}
    assert list(lines.index) == ["fast", "slow"]
    assert lines["ratio"].to_dict() == pytest.approx({"fast": 1.0, "slow": 1.1})
    assert lines["verdict"].to_dict() == {"fast": "fastest", "slow": "slower"}
    assert lines.loc["slow", "shared_blocks"] == 6


def test_rows_that_share_no_block_are_not_compared(tmp_path: Path) -> None:
    times = {FAST: dict.fromkeys(range(6), 1.0), SLOW: dict.fromkeys(range(6, 12), 3.0)}
    lines = summary(frame_of(tmp_path, right(times))).set_index("backend")
    assert pd.isna(lines.loc["slow", "ratio"])
    assert lines.loc["slow", "verdict"] == "too few blocks"


# A baseline


BASELINE_COLUMNS = ["baseline_ratio", "baseline_ratio_low", "baseline_ratio_high", "baseline_verdict"]


def test_without_a_baseline_there_are_no_columns_of_one(run_path: Path) -> None:
    assert not [name for name in lines_of(run_path).columns if name.startswith("baseline")]
    assert "× baseline" not in readable(summary(bench.load(run_path)))


def test_rows_are_compared_with_the_baseline_beside_the_fastest(tmp_path: Path) -> None:
    middle = a_row("linear_fit", "middle", "x")
    times = {FAST: noisy(0.1, 6, 0.01), middle: noisy(0.2, 6, 0.01, seed=1), SLOW: noisy(0.4, 6, 0.01, seed=2)}
    lines = summary(frame_of(tmp_path, right(times)), "middle").set_index("backend")
    assert lines["ratio"].to_dict() == pytest.approx({"fast": 1.0, "middle": 2.0, "slow": 4.0}, rel=0.05)
    assert lines["baseline_ratio"].to_dict() == pytest.approx({"fast": 0.5, "middle": 1.0, "slow": 2.0}, rel=0.05)
    assert list(lines["baseline_verdict"]) == ["faster", "baseline", "slower"]
    assert list(lines["verdict"]) == ["fastest", "slower", "slower"]
    for name, ratio in (("fast", 0.5), ("slow", 2.0)):
        assert lines.loc[name, "baseline_ratio_low"] < ratio < lines.loc[name, "baseline_ratio_high"]
    assert lines.loc["middle", ["baseline_ratio_low", "baseline_ratio_high"]].isna().all()


def test_a_person_is_shown_the_ratio_to_the_baseline(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, right({FAST: {0: 0.25}, SLOW: {0: 0.5}}))
    assert list(readable(summary(frame, "slow"))["× baseline"]) == ["0.50", "1.00"]


def test_a_baseline_that_is_wrong_is_compared_with_nothing(run_path: Path) -> None:
    lines = summary(bench.load(run_path), "wrong")
    assert lines["baseline_ratio"].isna().all()
    assert set(lines["baseline_verdict"]) == {""}
    assert list(lines["ratio"].dropna()) == pytest.approx([1.0, 3.0])


def test_rows_that_are_not_ranked_have_no_ratio_to_the_baseline(run_path: Path) -> None:
    lines = summary(bench.load(run_path), "slow:x").set_index("backend")
    assert lines.loc[["wrong", "gone"], BASELINE_COLUMNS[:3]].isna().all(axis=None)
    assert lines.loc["fast", "baseline_ratio"] == pytest.approx(1 / 3)


def test_a_baseline_is_one_of_each_task_that_has_it(tmp_path: Path) -> None:
    other = a_row("line_fit", "other", "x")
    lines = summary(frame_of(tmp_path, right({FAST: {0: 1.0}, SLOW: {0: 2.0}, other: {0: 4.0}})), "slow")
    assert lines.set_index("backend")["baseline_ratio"].to_dict() == pytest.approx(
        {"fast": 0.5, "slow": 1.0, "other": np.nan}, nan_ok=True
    )


@pytest.mark.parametrize("name", ["numpy", "fast:y", "x", ":x", "FAST"])
def test_a_baseline_that_is_not_there_is_refused_with_those_that_are(name: str, run_path: Path) -> None:
    with pytest.raises(BadChoice) as caught:
        summary(bench.load(run_path), name)
    assert str(caught.value) == f"no row of baseline {name!r}; choose from fast:x, gone:x, slow:x, wrong:x"
    assert isinstance(caught.value, UserError)


TORCH = [a_row("linear_fit", "torch", mode) for mode in ("compile", "eager")]
ALL = [a_row("linear_fit"), *TORCH, a_row("linear_fit", "theirs", "b"), a_row("linear_fit", "theirs", "a")]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("torch", TORCH[1]),  # the plain mode, though it stands behind the other
        ("torch:compile", TORCH[0]),
        ("torch:eager", TORCH[1]),
        ("torch:", TORCH[1]),
        ("numpy", ALL[0]),
        ("theirs", ALL[3]),  # of a backend that is not installed here: the first
        ("theirs:a", ALL[4]),
        ("jax", None),
        ("torch:graph", None),
        ("", None),
    ],
)
def test_a_backend_alone_names_its_plain_mode(name: str, row: Row | None) -> None:
    assert find_row(name, ALL) == row


def test_a_backend_whose_plain_mode_is_not_there_is_named_by_the_next() -> None:
    assert find_row("torch", TORCH[:1]) == TORCH[0]


# Noise


def test_a_sample_says_what_disturbed_its_block(tmp_path: Path) -> None:
    blocks = [a_block("linear_fit", block, foreign_cores=1.0 if block == 1 else 0.0) for block in range(3)]
    times = {row: dict.fromkeys(range(3), 0.1) for row in (FAST, SLOW)}
    frame = frame_of(tmp_path, [*right(times), *blocks, a_block("line_fit", 0, foreign_cores=2.0)])
    sentence = "other processes kept 1.0 cores busy"
    assert list(frame["noise"]) == ["", sentence, ""] * 2
    assert list(summary(frame)["noisy_blocks"]) == [1, 1]


def test_a_noisy_block_counts_as_any_other(tmp_path: Path) -> None:
    lines = right({FAST: {0: 1.0, 1: 2.0, 2: 3.0}})
    quiet, disturbed_ = frame_of(tmp_path, lines), frame_of(tmp_path, [*lines, a_block("linear_fit", 2, 1.0)])
    assert summary(quiet)["pass_s"][0] == summary(disturbed_)["pass_s"][0] == 2.0


def test_what_disturbed_a_run_is_told_by_block_with_the_count(tmp_path: Path) -> None:
    slower = [a_block("linear_fit", block, 2e-3 if block else 3e-3) for block in range(4)]
    stolen = a_block("line_fit", 2, stolen_cores=0.5)
    paths = [write_run(tmp_path / name, a_header(), lines) for name, lines in (("a", [*slower, stolen]), ("b", slower))]
    assert disturbed(read_runs(paths)) == [
        "noisy: 2 of 5 blocks. linear_fit block 1: the calibration loop took 1.50 times its usual time; "
        "line_fit block 3: the hypervisor gave 0.5 cores to others. None is left out.",
        "noisy: 1 of 4 blocks. linear_fit block 1: the calibration loop took 1.50 times its usual time. "
        "None is left out.",
    ]


def test_of_many_noisy_blocks_a_few_are_shown(tmp_path: Path) -> None:
    blocks = [a_block("linear_fit", block, foreign_cores=1.0) for block in range(7)]
    (sentence,) = disturbed([read_run(write_run(tmp_path / "run", a_header(), blocks))])
    assert sentence.startswith("noisy: 7 of 7 blocks. linear_fit block 1: ")
    assert sentence.count("other processes") == 5
    assert "; and 2 more. None is left out." in sentence


def test_a_quiet_run_is_not_called_noisy(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", a_header(), [a_block("linear_fit", block) for block in range(3)])
    assert disturbed([read_run(path)]) == []


# What a run could have seen


def test_it_is_told_what_would_have_been_seen(tmp_path: Path) -> None:
    lines = summary(frame_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)})))
    seen = f"{lines['detectable'][1]:.1%}"
    assert told(lines) == [f"linear_fit: a difference of {seen} would have been seen; less than 5% counts as none"]


def test_where_rows_are_not_alike_it_is_told_from_where_to_where(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 6, 0.001), SLOW: noisy(0.3, 6, 0.01, seed=1), WRONG: noisy(0.3, 6, 0.05, seed=2)}
    lines = summary(frame_of(tmp_path, right(times)))
    (sentence,) = told(lines)
    low, high = lines["detectable"].min(), lines["detectable"].max()
    assert f"would have been seen ({low:.1%} to {high:.1%}, by row); less than 5% counts as none" in sentence


def test_rows_that_cannot_be_told_apart_are_named_with_the_blocks_that_would(tmp_path: Path) -> None:
    lines = summary(frame_of(tmp_path, right({FAST: noisy(0.1, 6, 0.2), SLOW: noisy(0.1, 6, 0.2, seed=1)})))
    _, sentence = told(lines)
    between = bracketed(lines["ratio"][1], None)
    first, second = lines["backend"]
    assert sentence.startswith(f"linear_fit: cannot tell {second} x from {first} x: {between} [")
    assert f"] times as long; about {int(lines['blocks_needed'][1])} blocks would, this run has 6" in sentence
    assert lines["blocks_needed"][1] > 6


@pytest.mark.parametrize("blocks", [1, 5])
def test_too_few_blocks_are_told_as_such(blocks: int, tmp_path: Path) -> None:
    times = {FAST: dict.fromkeys(range(blocks), 0.1), SLOW: dict.fromkeys(range(blocks), 0.2)}
    lines = summary(frame_of(tmp_path, right(times)))
    number = "1 block" if blocks == 1 else "5 blocks"
    assert told(lines) == [f"linear_fit: no intervals from {number}; they begin at 6"]


def test_each_task_of_each_run_is_told_of(tmp_path: Path) -> None:
    rows = [a_row(task, name, "x") for task in ("line_fit", "linear_fit") for name in ("fast", "slow")]
    times = {row: noisy(0.1 * (i + 1), 6, 0.01, seed=i) for i, row in enumerate(rows)}
    frames = [frame_of(tmp_path, right(times)), frame_of(tmp_path, right(dict(itertools.islice(times.items(), 2))))]
    assert [sentence.partition(":")[0] for sentence in told(summary(pd.concat(frames)))] == [
        *("line_fit", "linear_fit", "line_fit")
    ]


def test_of_a_row_alone_nothing_is_told(tmp_path: Path) -> None:
    assert told(summary(frame_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01)})))) == []


# In words


def test_a_person_is_told_why_a_row_is_not_ranked(run_path: Path) -> None:
    table = readable(summary(bench.load(run_path))).set_index("backend")
    assert table.loc["wrong", "agrees"] == "NO"
    assert table.loc["wrong", "note"] == "loss 2 at step 7"
    assert table.loc["gone", "note"] == "unsupported: pip install gone"
    assert table.loc["fast", "note"] == ""
    assert table.loc["slow", "× fastest"] == "3.00"
    assert table.loc["slow", "95 %"] == "(300 ms – 900 ms)"  # a range: two blocks have no interval
    assert table.loc["slow", "blocks"] == "2"


def test_a_person_is_shown_intervals_from_six_blocks_on(tmp_path: Path) -> None:
    times = {FAST: dict.fromkeys(range(6), 0.1), SLOW: {block: 0.25 * (1 + 0.02 * (block % 2)) for block in range(6)}}
    table = readable(summary(frame_of(tmp_path, right(times)))).set_index("backend")
    assert table.loc["fast", ["95 %", "× fastest", "verdict"]].tolist() == ["100 ms – 100 ms", "1.00", "fastest"]
    assert table.loc["slow", ["95 %", "× fastest"]].tolist() == ["250 ms – 255 ms", "2.52 [2.50, 2.55]"]
    assert table.loc["slow", "verdict"] == "slower"


def test_a_person_is_shown_what_it_cost(tmp_path: Path) -> None:
    records = [a_record(FAST, 0, 1.0, 0.25, timing={"flops_per_pass": 10**9, "product_flops_per_s": 8e9})]
    (line,) = readable(summary(frame_of(tmp_path, records))).to_dict("records")
    assert {name: line[name] for name in ("GFLOP/s", "of bound", "cores", "first call", "import", "95 %")} == {
        "GFLOP/s": "4",
        "of bound": "50.0%",
        "cores": "2.00",
        "first call": "750 ms",
        "import": "1 s",
        "95 %": "",
    }
    assert (line["rows/s"], line["memory"], line["device memory"]) == ("12,800", "5 MB", "")


def test_a_bias_that_has_not_converged_is_made_visible(run_path: Path) -> None:
    (sentence,) = learned(summary(bench.load(run_path)))
    assert "made with w = (3, -4), b = 5" in sentence
    assert "learned: w = (2.9, -4.1), b = 3.1" in sentence


def test_a_caption_says_where_how_and_in_which_order() -> None:
    machine = a_machine(cpu="a Xeon", gpus=("H200",), load=0.25)
    goal = Goal(workers=None, effect=0.05, time_s=90.0)
    text = caption(a_header(machine=machine, versions={"numpy": "2.3"}, commit="abc", goal=goal, schedule_seed=17))
    for part in ("a Xeon, 2 cores, 8 GiB, H200", "load 0.25 before", "2 threads a process", "numpy 2.3; commit abc"):
        assert part in text
    assert text.endswith("; until a difference of 5% would be seen or 1.5 min are over, schedule seed 17.")


def test_a_number_of_processes_is_a_goal_too() -> None:
    assert goal_in_words(Goal(workers=5, effect=0.05, time_s=60.0)) == "5 processes a row"


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(12.345, "12.3 s"), (0.36, "360 ms"), (0.0005, "500 µs"), (-0.002, "-2 ms"), (float("nan"), "")],
)
def test_a_time_has_three_digits_and_a_unit_that_suits_it(time_s: float, text: str) -> None:
    assert seconds(time_s) == text


@pytest.mark.parametrize(("ratio", "text"), [(1.0, "1.00"), (0.123, "0.12"), (99.994, "99.99"), (1234.5, "1,234")])
def test_a_ratio_has_two_decimals_or_as_many_digits_as_it_deserves(ratio: float, text: str) -> None:
    assert multiple(ratio) == text


@pytest.mark.parametrize(("style", "part"), [("markdown", "| fast"), ("latex", "fast &"), ("html", "<td>fast</td>")])
def test_tables_for_people(style: str, part: str, run_path: Path) -> None:
    assert part in render(readable(summary(bench.load(run_path))), style)


@pytest.mark.parametrize("baseline", ["", "slow"])
@pytest.mark.parametrize("style", ["csv", "json", "parquet"])
def test_tables_for_programs_can_be_read_back(style: str, baseline: str, run_path: Path, tmp_path: Path) -> None:
    frame = summary(bench.load(run_path), baseline)
    text = render(frame, style)
    path = tmp_path / "table"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[style](path)
    assert list(read["backend"]) == list(frame["backend"])
    assert read["pass_s"][0] == pytest.approx(frame["pass_s"][0])
    assert list(read.columns) == list(frame.columns)


@pytest.mark.parametrize(
    ("name", "style"), [("a.csv", "csv"), ("a.parquet", "parquet"), ("a.md", "markdown"), ("a", "markdown")]
)
def test_the_format_is_told_by_the_name(name: str, style: str) -> None:
    assert default_format(Path(name)) == style
