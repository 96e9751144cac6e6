"""From records to a line a row: medians of processes, ratios within blocks, and ranking."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_runs import FAST, SLOW, mixed_run, noisy, right, run_of, summary_of, table_of
from scipy.stats import norm
from support import a_block, a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.frame import process_frame
from bench.analysis.stats import ASSUMED_SD, LEVEL
from bench.errors import BadChoice, UserError
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal, Record, Row, Turns


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return mixed_run(tmp_path)


def lines_of(run: Run) -> pd.DataFrame:
    return summary_of(run).set_index("backend")


# Rows


def test_the_time_of_a_row_is_that_of_the_fastest_times_the_ratio_to_it(mixed: Run) -> None:
    slow = lines_of(mixed).loc["slow"]
    assert slow["processes"] == 2
    fast_s = math.sqrt(0.1 * 0.3)
    assert lines_of(mixed).loc["fast", "pass_s"] == pytest.approx(fast_s)
    assert slow["pass_s"] == pytest.approx(3 * fast_s)
    assert (slow["pass_min_s"], slow["pass_max_s"]) == pytest.approx((0.3, 0.9))


@pytest.mark.parametrize("name", ["import_s", "checks_s", "wall_s", "cpu_s", "first_call_s", "product_flops_per_s"])
def test_what_else_is_told_of_a_row_is_a_median_too(name: str, tmp_path: Path) -> None:
    records = [
        a_record(FAST, block, 1.0 + value, 1.0, timing={} if name == "first_call_s" else {name: value})
        for block, value in enumerate((5.0, 1.0, 2.0))
    ]
    assert summary_of(run_of(tmp_path, records))[name][0] == 2.0


def test_rows_that_agree_are_ranked_and_the_others_are_shown_below(mixed: Run) -> None:
    lines = lines_of(mixed)
    assert list(lines.index) == ["fast", "slow", "wrong", "gone"]
    assert list(lines["ranked"]) == [True, True, False, False]
    assert lines.loc["fast", "ratio"] == 1.0
    assert lines.loc["slow", "ratio"] == pytest.approx(3.0)
    assert pd.isna(lines.loc["wrong", "ratio"])  # it would be ten times as fast as the fastest
    assert list(lines["fastest"]) == ["fast x", "fast x", "", ""]


def test_the_last_verdict_on_a_row_counts(mixed: Run) -> None:
    assert lines_of(mixed).loc["fast", "agrees"]


def test_a_row_whose_times_are_not_fair_is_shown_and_not_ranked(tmp_path: Path) -> None:
    unfinished = [a_record(FAST, block, 1.0, 0.25, timing={"read_s": (0.125, 0.125)}) for block in range(2)]
    run = run_of(tmp_path, [*unfinished, *right({SLOW: {0: 0.5, 1: 0.5}}), a_parity_result(FAST)])
    assert list(process_frame([run])["fair"]) == [False, False, True, True]
    lines = summary_of(run).set_index("backend")
    assert list(lines.index) == ["slow", "fast"]
    assert list(lines["ranked"]) == [True, False]
    assert lines.loc["slow", "ratio"] == 1.0
    assert pd.isna(lines.loc["fast", "ratio"])
    assert lines.loc["fast", "pass_s"] == 0.25
    table = table_of(run).set_index("backend")
    sentence = "does not wait: 50% of a pass was left to do when train returned"
    assert table.loc["fast", ["× fastest", "verdict", "pass", "agrees", "note"]].tolist() == [
        *("", "not ranked: unfair", "250 ms", "yes", sentence)
    ]
    assert table.loc["slow", "note"] == ""


def test_a_row_without_a_verdict_is_not_ranked(tmp_path: Path) -> None:
    lines = summary_of(run_of(tmp_path, [a_record(FAST, 0, 1.0, 0.25), *right({SLOW: {0: 0.5}})]))
    assert list(lines["backend"]) == ["slow", "fast"]
    assert list(lines["ranked"]) == [True, False]


def test_only_rows_of_one_task_and_precision_are_held_against_each_other(tmp_path: Path) -> None:
    others = [
        a_row("line_fit", "fast", "x"),
        a_row("linear_fit", "fast", "x", precision="float64"),
        a_row("linear_fit", "fast", "x", device="gpu"),
    ]
    lines = summary_of(run_of(tmp_path, right({row: {0: 2.0**i} for i, row in enumerate((*others, FAST))})))
    ratios = {(line["task"], line["precision"], line["device"]): line["ratio"] for _, line in lines.iterrows()}
    assert ratios == {
        ("line_fit", "float32", "cpu"): 1.0,
        ("linear_fit", "float64", "cpu"): 1.0,
        ("linear_fit", "float32", "gpu"): 1.0,
        ("linear_fit", "float32", "cpu"): pytest.approx(2.0),
    }


def test_runs_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / folder / "run.jsonl", a_header(), right({FAST: {0: fast_s}, SLOW: {0: slow_s}})))
        for folder, fast_s, slow_s in (("x", 1.0, 2.0), ("y", 9.0, 36.0))
    ]
    lines = summary_of(*runs)
    assert list(lines["pass_s"]) == pytest.approx([1.0, 2.0, 9.0, 36.0])
    assert list(lines["ratio"]) == pytest.approx([1.0, 2.0, 1.0, 4.0])
    assert list(table_of(*runs)["run"]) == [str(run.path) for run in runs for _ in range(2)]


def test_a_noisy_round_counts_as_any_other(tmp_path: Path) -> None:
    lines = right({FAST: {0: 1.0, 1: 2.0, 2: 3.0}})
    quiet, disturbed_ = run_of(tmp_path, lines), run_of(tmp_path, [*lines, a_block("linear_fit", 2, 1.0)])
    assert summary_of(quiet)["pass_s"][0] == summary_of(disturbed_)["pass_s"][0] == pytest.approx(6 ** (1 / 3))


# Intervals and verdicts


def test_one_round_has_intervals_by_what_is_assumed_of_processes(tmp_path: Path) -> None:
    lines = summary_of(run_of(tmp_path, right({FAST: {0: 0.1}, SLOW: {0: 0.3}})))
    assert lines["ratio"][1] == pytest.approx(3.0)
    for name in ("pass_low_s", "pass_high_s"):
        assert lines[name].isna().all()
    reach = math.exp(norm.ppf(1 - LEVEL / 2) * math.sqrt(2) * ASSUMED_SD)
    assert lines["ratio_low"][1] == pytest.approx(3.0 / reach, rel=1e-3)
    assert lines["ratio_high"][1] == pytest.approx(3.0 * reach, rel=1e-3)
    assert list(lines["verdict"]) == ["fastest", "slower"]
    near = summary_of(run_of(tmp_path, right({FAST: {0: 0.1}, SLOW: {0: 0.12}})))
    assert list(near["verdict"]) == ["among the fastest", "inconclusive"]


@pytest.mark.parametrize("rounds", [2, 6])
def test_from_two_rounds_on_there_are_intervals_and_a_verdict(rounds: int, tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, rounds, 0.001), SLOW: noisy(0.3, rounds, 0.001, seed=1)}
    lines = summary_of(run_of(tmp_path, right(times)))
    fast, slow = (line for _, line in lines.iterrows())
    assert fast["pass_low_s"] < 0.1 < fast["pass_high_s"] < 1.05 * fast["pass_low_s"]
    assert slow["ratio_low"] < 3.0 < slow["ratio_high"] < 1.1 * slow["ratio_low"]
    assert slow["ratio_low"] < slow["ratio"] < slow["ratio_high"]
    assert slow["pass_low_s"] < slow["pass_s"] < slow["pass_high_s"]
    assert (fast["verdict"], slow["verdict"]) == ("fastest", "slower")
    assert slow["shared_rounds"] == rounds
    assert 0 < slow["detectable"] < 0.15


@pytest.mark.parametrize("seed", range(12))
def test_times_ratios_and_order_agree_whatever_the_rounds_are(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = [a_row("linear_fit", f"backend{place}", "x") for place in range(6)]
    times = {
        row: {number: float(np.exp(rng.normal(0, 0.5))) for number in range(8) if number == 0 or rng.random() < 0.7}
        for row in rows
    }
    lines = summary_of(run_of(tmp_path, right(times)))
    assert list(lines["ratio"]) == sorted(lines["ratio"])
    assert list(lines["pass_s"]) == sorted(lines["pass_s"])
    fastest = lines[lines["backend"] + " x" == lines["fastest"]].iloc[0]
    assert fastest["ratio"] == 1.0
    assert list(lines["pass_s"] / fastest["pass_s"]) == pytest.approx(list(lines["ratio"]))
    assert list(lines["rows_per_s"] * lines["pass_s"]) == pytest.approx([3200] * 6)


def test_cpu_time_and_its_ratio_stand_beside_wall_time(tmp_path: Path) -> None:
    def record(row: Row, number: int, cpu_s: float) -> Record:
        turns = Turns(passes=(2, 2), wall_s=(0.2, 0.2), cpu_s=(cpu_s, cpu_s))
        return a_record(row, number, 1.0, 0.1, timing={"turns": turns})

    records = [record(row, number, cpu_s) for row, cpu_s in ((FAST, 0.2), (SLOW, 0.4)) for number in range(2)]
    run = run_of(tmp_path, [*records, *map(a_parity_result, (FAST, SLOW))])
    lines = summary_of(run).set_index("backend")
    assert lines["pass_cpu_s"].to_dict() == pytest.approx({"fast": 0.1, "slow": 0.2})
    assert lines["cpu_ratio"].to_dict() == pytest.approx({"fast": 1.0, "slow": 2.0})
    assert lines["ratio"].to_dict() == pytest.approx({"fast": 1.0, "slow": 1.0})
    table = table_of(run).set_index("backend")
    assert table.loc["slow", ["CPU", "× CPU"]].tolist() == ["200 ms", "2.00"]


def test_without_turns_there_is_no_cpu_time_of_a_pass(mixed: Run) -> None:
    assert lines_of(mixed)["pass_cpu_s"].isna().all()
    assert set(table_of(mixed)["× CPU"]) == {""}


def test_a_first_call_that_cannot_be_measured_is_about_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path, [a_record(FAST, 0, 0.05, 0.1, 0.1), a_record(SLOW, 0, 1.1, 0.1, 0.1)])
    assert dict(zip(*table_of(run)[["backend", "first call"]].to_numpy().T, strict=True)) == {
        "fast": "~0",
        "slow": "1 s",
    }


def test_the_same_file_gives_the_same_intervals(tmp_path: Path) -> None:
    run = run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.05), SLOW: noisy(0.3, 6, 0.05, seed=1)}))
    pd.testing.assert_frame_equal(summary_of(run), summary_of(run))


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
    assert list(summary_of(run_of(tmp_path, right(times)))["verdict"]) == verdicts


def test_the_size_of_a_difference_that_counts_is_that_of_the_run(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 8, 0.001), SLOW: noisy(0.103, 8, 0.001, seed=1)}
    goals = [Goal(workers=None, effect=effect, time_s=60.0) for effect in (0.05, 0.01)]
    runs = [run_of(tmp_path, right(times), goal=goal) for goal in goals]
    assert [summary_of(run)["verdict"][1] for run in runs] == ["equivalent", "slower"]


def test_a_row_that_is_alone_is_called_nothing(tmp_path: Path) -> None:
    (line,) = summary_of(run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01)}))).to_dict("records")
    assert (line["ratio"], line["verdict"]) == (1.0, "")
    assert line["pass_low_s"] < line["pass_high_s"]


def test_a_ratio_is_the_geometric_mean_of_those_in_each_round(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 5, 0.3), SLOW: noisy(0.3, 5, 0.3, seed=1)}
    logs = [math.log(times[SLOW][number] / times[FAST][number]) for number in range(5)]
    assert summary_of(run_of(tmp_path, right(times)))["ratio"][1] == pytest.approx(math.exp(sum(logs) / 5))


def test_a_round_that_is_far_off_moves_no_ratio_of_six_or_more(tmp_path: Path) -> None:
    times = {FAST: dict.fromkeys(range(6), 0.1), SLOW: {**dict.fromkeys(range(5), 0.3), 5: 30.0}}
    assert summary_of(run_of(tmp_path, right(times)))["ratio"][1] == pytest.approx(3.0)


def test_a_drift_of_the_machine_cancels(tmp_path: Path) -> None:
    drift = [2.0**block for block in range(8)]
    times = {row: {block: pass_s * drift[block] for block in range(8)} for row, pass_s in ((FAST, 1.0), (SLOW, 1.1))}
    fast, slow = (line for _, line in summary_of(run_of(tmp_path, right(times))).iterrows())
    assert fast["pass_high_s"] > 4 * fast["pass_low_s"]
    assert (slow["ratio_low"], slow["ratio_high"]) == pytest.approx((1.1, 1.1))
    assert slow["verdict"] == "slower"


def test_a_row_that_ran_while_the_machine_was_fast_is_not_the_faster_for_it(tmp_path: Path) -> None:
    # By the times of each row alone, 1.1 s and 1.7 s, the slow one would be the fastest.
    times = {SLOW: dict.fromkeys(range(6), 1.1), FAST: {block: 1.0 if block < 6 else 3.0 for block in range(12)}}
    lines = summary_of(run_of(tmp_path, right(times))).set_index("backend")
    assert list(lines.index) == ["fast", "slow"]
    assert lines["ratio"].to_dict() == pytest.approx({"fast": 1.0, "slow": 1.1})
    assert lines.loc["slow", "pass_s"] == pytest.approx(1.1 * lines.loc["fast", "pass_s"])
    assert lines["verdict"].to_dict() == {"fast": "fastest", "slow": "slower"}
    assert lines.loc["slow", "shared_rounds"] == 6


def test_rows_that_share_no_round_are_compared_by_the_times_of_each(tmp_path: Path) -> None:
    times = {FAST: noisy(1.0, 6, 0.01), SLOW: {number + 6: each for number, each in noisy(3.0, 6, 0.01, 1).items()}}
    lines = summary_of(run_of(tmp_path, right(times))).set_index("backend")
    assert lines.loc["slow", "ratio"] == pytest.approx(3.0, rel=0.02)
    assert lines.loc["slow", "verdict"] == "slower"
    assert lines.loc["slow", "ratio_low"] < 3.0 < lines.loc["slow", "ratio_high"]


# A baseline


BASELINE_COLUMNS = ["baseline_ratio", "baseline_ratio_low", "baseline_ratio_high", "baseline_verdict"]


def test_without_a_baseline_there_are_no_columns_of_one(mixed: Run) -> None:
    assert not [name for name in lines_of(mixed).columns if name.startswith("baseline")]
    assert "× baseline" not in table_of(mixed)


def test_rows_are_compared_with_the_baseline_beside_the_fastest(tmp_path: Path) -> None:
    middle = a_row("linear_fit", "middle", "x")
    times = {FAST: noisy(0.1, 6, 0.01), middle: noisy(0.2, 6, 0.01, seed=1), SLOW: noisy(0.4, 6, 0.01, seed=2)}
    lines = summary_of(run_of(tmp_path, right(times)), baseline="middle").set_index("backend")
    assert lines["ratio"].to_dict() == pytest.approx({"fast": 1.0, "middle": 2.0, "slow": 4.0}, rel=0.05)
    assert lines["baseline_ratio"].to_dict() == pytest.approx({"fast": 0.5, "middle": 1.0, "slow": 2.0}, rel=0.05)
    assert list(lines["baseline_verdict"]) == ["faster", "baseline", "slower"]
    assert list(lines["verdict"]) == ["fastest", "slower", "slower"]
    for name, ratio in (("fast", 0.5), ("slow", 2.0)):
        assert lines.loc[name, "baseline_ratio_low"] < ratio < lines.loc[name, "baseline_ratio_high"]
    assert lines.loc["middle", ["baseline_ratio_low", "baseline_ratio_high"]].isna().all()


def test_a_baseline_that_is_wrong_is_compared_with_nothing(mixed: Run) -> None:
    lines = summary_of(mixed, baseline="wrong")
    assert lines["baseline_ratio"].isna().all()
    assert set(lines["baseline_verdict"]) == {""}
    assert list(lines["ratio"].dropna()) == pytest.approx([1.0, 3.0])


def test_rows_that_are_not_ranked_have_no_ratio_to_the_baseline(mixed: Run) -> None:
    lines = summary_of(mixed, baseline="slow:x").set_index("backend")
    assert lines.loc[["wrong", "gone"], BASELINE_COLUMNS[:3]].isna().all(axis=None)
    assert lines.loc["fast", "baseline_ratio"] == pytest.approx(1 / 3)


def test_a_baseline_is_one_of_each_task_that_has_it(tmp_path: Path) -> None:
    other = a_row("line_fit", "other", "x")
    lines = summary_of(run_of(tmp_path, right({FAST: {0: 1.0}, SLOW: {0: 2.0}, other: {0: 4.0}})), baseline="slow")
    assert lines.set_index("backend")["baseline_ratio"].to_dict() == pytest.approx(
        {"fast": 0.5, "slow": 1.0, "other": np.nan}, nan_ok=True
    )


@pytest.mark.parametrize("name", ["numpy", "fast:y", "x", ":x", "FAST"])
def test_a_baseline_that_is_not_there_is_refused_with_those_that_are(name: str, mixed: Run) -> None:
    with pytest.raises(BadChoice) as caught:
        summary_of(mixed, baseline=name)
    assert str(caught.value) == f"no row of baseline {name!r}; choose from fast:x, gone:x, slow:x, wrong:x"
    assert isinstance(caught.value, UserError)
