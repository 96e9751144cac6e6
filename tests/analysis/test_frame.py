"""Run files as frames: a line a process."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import FAST, SLOW, mixed_run, right, run_of, summary_of
from support import a_block, a_parity_result, a_record, a_row

import bench
from bench.analysis.frame import process_frame
from bench.records.runfile import Run
from bench.records.schema import Steady, Turns
from bench.report.export import render


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return mixed_run(tmp_path)


def test_load_gives_a_line_a_sample(mixed: Run) -> None:
    frame = bench.load([mixed.path])
    assert len(frame) == 7
    first = frame.iloc[0]
    assert first["pass_s"] == pytest.approx(0.3)  # the median of its steady passes, not their mean with the first
    assert first["first_pass_s"] == 9.0
    assert first["first_call_s"] == pytest.approx(8.7)
    assert first["steady_passes_s"] == pytest.approx(0.9)
    assert first["rows_per_s"] == pytest.approx(3200 / 0.3)
    assert first["cores_busy"] == pytest.approx(2.0)
    assert first["passes_s"] == (9.0, 0.2, 0.4, 0.3)
    assert (first["round"], first["threads"], first["effect"]) == (0, 2, 0.05)


def test_what_was_recorded_of_a_process_is_in_its_line(tmp_path: Path) -> None:
    record = a_record(
        FAST, 0, 1.0, 0.25,
        timing={
            "checks_s": 0.625, "cpu_s": 7.0, "wall_s": 99.0, "peak_device_memory_bytes": 12, "flops_per_pass": 10**9,
            "product_flops_per_s": 5e9, "steady": Steady(window_s=4.0, cpu_s=6.0, vanished_cpu_s=0.0, waited_s=None),
        },
    )  # fmt: skip
    (line,) = process_frame([run_of(tmp_path, [record])]).to_dict("records")
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
    assert list(process_frame([run_of(tmp_path, records)])["flops_share"]) == [0.025, 0.025, 0.00002, 0.2]


def test_the_turns_of_a_process_are_in_its_line(tmp_path: Path) -> None:
    turns = Turns(passes=(4, 0, 2), wall_s=(0.4, 0.0, 0.2), cpu_s=(0.8, 0.0, 0.4))
    records = [a_record(FAST, 0, 1.0, 0.25, timing={"turns": turns}), a_record(FAST, 1, 1.0, 0.25)]
    with_turns, without = process_frame([run_of(tmp_path, records)]).to_dict("records")
    assert (with_turns["turn_passes"], with_turns["turn_wall_s"]) == ((4, 0, 2), (0.4, 0.0, 0.2))
    assert with_turns["turn_cpu_s"] == (0.8, 0.0, 0.4)
    assert with_turns["pass_s"] == pytest.approx(0.1)  # of its turns, not of its first training
    assert with_turns["pass_cpu_s"] == pytest.approx(0.2)
    assert without["turn_wall_s"] is None
    assert without["pass_s"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("passes_s", "first_call_s"),
    [
        ((9.0, 1.0, 2.0), 7.5),
        ((2.6, 1.0, 2.0), 1.1),
        ((2.4, 1.0, 2.0), 0.0),  # within what the others differ by
        ((0.5, 1.0, 2.0), 0.0),
        ((0.5, 1.0), 0.0),
    ],
)
def test_a_first_call_inside_its_own_noise_is_none_and_never_negative(
    passes_s: tuple[float, ...], first_call_s: float, tmp_path: Path
) -> None:
    run = run_of(tmp_path, [a_record(FAST, 0, *passes_s)])
    assert process_frame([run])["first_call_s"][0] == pytest.approx(first_call_s)
    assert summary_of(run)["first_call_s"][0] == pytest.approx(first_call_s)


def test_a_sample_that_failed_has_no_times(tmp_path: Path) -> None:
    lines = [a_record(FAST, 0, 1.0, 0.25), a_record(FAST, 1, status="crashed", reason="killed")]
    frame = process_frame([run_of(tmp_path, lines)])
    assert list(frame["status"]) == ["ok", "crashed"]
    assert list(frame["reason"]) == ["", "killed"]
    times = ["pass_s", "wall_s", "flops_share", "first_call_s", "peak_memory_bytes"]
    assert frame.loc[0, times].notna().all()
    assert frame.loc[1, times].isna().all()


def test_a_job_that_was_tried_again_counts_as_it_ended_last(tmp_path: Path) -> None:
    lines = [a_record(FAST, status="timeout", reason="too slow"), a_record(FAST, 0, 1.0, 0.25), a_parity_result(FAST)]
    (line,) = process_frame([run_of(tmp_path, lines)]).to_dict("records")
    assert line["status"] == "ok"
    assert line["pass_s"] == 0.25


def test_samples_can_be_written_as_parquet(mixed: Run, tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(render(bench.load(mixed.path), "parquet"))
    assert list(pd.read_parquet(tmp_path / "samples")["settings"].unique()) == ["{}"]


def test_a_sample_says_what_disturbed_its_round(tmp_path: Path) -> None:
    blocks = [a_block("linear_fit", block, foreign_cores=1.0 if block == 1 else 0.0) for block in range(3)]
    times = {row: dict.fromkeys(range(3), 0.1) for row in (FAST, SLOW)}
    run = run_of(tmp_path, [*right(times), *blocks, a_block("line_fit", 0, foreign_cores=2.0)])
    sentence = "other processes kept 1.0 cores busy"
    assert list(process_frame([run])["noise"]) == ["", sentence, ""] * 2
    assert list(summary_of(run)["noisy_rounds"]) == [1, 1]
