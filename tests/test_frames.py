"""From records to the table: medians of processes, ranking, and what is said of a row that failed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support import a_row

import bench
from bench.frames import summary
from bench.records import Header, Job, Machine, Quality, Record, Resources, Row, Timing, Verdict
from bench.store import RunFile
from bench.tables import learned, readable, render, seconds

MACHINE = Machine(system="Linux", cpu="a CPU", cores=2, memory_bytes=1, governor="unknown", gpus=(), load=0.0)


def header() -> Header:
    return Header(
        created="2026-01-01T00:00:00Z",
        command="bench run",
        machine=MACHINE,
        versions={},
        commit="unknown",
        workers=2,
        threads=2,
        schedule_seed=0,
        tasks={},
        jobs=(),
    )


def record(row: Row, block: int, *passes_s: float, value: float = 0.9) -> Record:
    timing = Timing(
        start_s=0.1,
        import_s=1.0,
        data_s=0.0,
        setup_s=0.5,
        passes_s=passes_s,
        resets_s=0.0,
        evaluation_s=0.25,
        wall_s=10.0,
        steps_per_pass=100,
        rows_per_step=32,
        passes_cpu_s=2 * sum(passes_s),
        peak_memory_bytes=5_000_000,
    )
    quality = Quality(losses=(1.0, None), metric="rmse", value=value, parameters=(2.9, -4.1, 3.1), truth=(3, -4, 5))
    return Record(
        job=Job(row=row, threads=2, block=block),
        status="ok",
        timing=timing,
        quality=quality,
        resources=Resources(cores=2, dtype="float32", framework="1.0"),
    )


FAST, SLOW, WRONG, GONE = (a_row("linear_fit", name, "x") for name in ("fast", "slow", "wrong", "gone"))


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """Return a run of four rows: a fast one, a slow one, a faster one that is wrong, and one that never ran."""
    path = tmp_path / "run.jsonl"
    with RunFile.create(path, header()) as run_file:
        for block, factor in enumerate((1.0, 3.0)):
            run_file.append(record(SLOW, block, 9.0, 0.2 * factor, 0.4 * factor, 0.3 * factor))
            run_file.append(record(FAST, block, 5.0, 0.1 * factor, 0.1 * factor))
            run_file.append(record(WRONG, block, 1.0, 0.01))
        run_file.append(Record(job=Job(row=GONE, threads=2, block=0), status="unsupported", reason="pip install gone"))
        run_file.append(Verdict(row=FAST, status="ok", agrees=False, reason="an early verdict"))
        for row, agrees in ((FAST, True), (SLOW, True), (WRONG, False)):
            reason = "" if agrees else "loss 2 at step 7"
            run_file.append(Verdict(row=row, status="ok", agrees=agrees, reason=reason, gradient=1e-15))
    return path


def lines_of(path: Path) -> pd.DataFrame:
    return summary(bench.load(path)).set_index("backend")


def test_load_gives_a_line_a_sample(run_path: Path) -> None:
    frame = bench.load([run_path])
    assert len(frame) == 7
    first = frame.iloc[0]
    assert first["pass_s"] == pytest.approx(0.3)  # the median of its steady passes, not their mean with the first
    assert first["first_call_s"] == pytest.approx(8.7)
    assert first["samples_per_s"] == pytest.approx(3200 / 0.3)
    assert first["cpu_per_wall"] == pytest.approx(2.0)
    assert first["passes_s"] == (9.0, 0.2, 0.4, 0.3)


def test_a_row_is_the_median_of_its_processes(run_path: Path) -> None:
    slow = lines_of(run_path).loc["slow"]
    assert slow["samples"] == 2
    assert slow["pass_s"] == pytest.approx((0.3 + 0.9) / 2)
    assert (slow["pass_min_s"], slow["pass_max_s"]) == pytest.approx((0.3, 0.9))


def test_rows_that_agree_are_ranked_and_the_others_are_shown_below(run_path: Path) -> None:
    lines = lines_of(run_path)
    assert list(lines.index) == ["fast", "slow", "wrong", "gone"]
    assert list(lines["ranked"]) == [True, True, False, False]
    assert lines.loc["fast", "ratio"] == 1.0
    assert lines.loc["slow", "ratio"] == pytest.approx(3.0)
    assert pd.isna(lines.loc["wrong", "ratio"])  # it would be ten times as fast as the fastest


def test_rows_are_ranked_where_all_of_them_agree(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "run.jsonl", header()) as run_file:
        for row, time_s in ((SLOW, 0.5), (FAST, 0.25)):
            run_file.append(record(row, 0, 1.0, time_s))
            run_file.append(Verdict(row=row, status="ok", agrees=True))
    table = readable(summary(bench.load(tmp_path / "run.jsonl")))
    assert list(table["× fastest"]) == ["1.00", "2.00"]
    assert list(table["agrees"]) == ["yes", "yes"]
    assert list(table["note"]) == ["", ""]


def test_the_last_verdict_on_a_row_counts(run_path: Path) -> None:
    assert lines_of(run_path).loc["fast", "agrees"]


def test_a_person_is_told_why_a_row_is_not_ranked(run_path: Path) -> None:
    table = readable(summary(bench.load(run_path))).set_index("backend")
    assert table.loc["wrong", "agrees"] == "NO"
    assert table.loc["wrong", "note"] == "loss 2 at step 7"
    assert table.loc["gone", "note"] == "unsupported: pip install gone"
    assert table.loc["fast", "note"] == ""
    assert table.loc["slow", "× fastest"] == "3.00"
    assert table.loc["slow", "range"] == "300 ms – 900 ms"


def test_a_bias_that_has_not_converged_is_made_visible(run_path: Path) -> None:
    (sentence,) = learned(summary(bench.load(run_path)))
    assert "made with w = (3, -4), b = 5" in sentence
    assert "learned: w = (2.9, -4.1), b = 3.1" in sentence


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(12.345, "12.3 s"), (0.36, "360 ms"), (0.0005, "500 µs"), (-0.002, "-2 ms"), (float("nan"), "")],
)
def test_a_time_has_three_digits_and_a_unit_that_suits_it(time_s: float, text: str) -> None:
    assert seconds(time_s) == text


@pytest.mark.parametrize(("style", "part"), [("markdown", "| fast"), ("latex", "fast &"), ("html", "<td>fast</td>")])
def test_tables_for_people(style: str, part: str, run_path: Path) -> None:
    assert part in render(readable(summary(bench.load(run_path))), style)


@pytest.mark.parametrize("style", ["csv", "json", "parquet"])
def test_tables_for_programs_can_be_read_back(style: str, run_path: Path, tmp_path: Path) -> None:
    frame = summary(bench.load(run_path))
    text = render(frame, style)
    path = tmp_path / "table"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[style](path)
    assert list(read["backend"]) == list(frame["backend"])
    assert read["pass_s"][0] == pytest.approx(frame["pass_s"][0])


def test_a_job_that_was_tried_again_counts_as_it_ended_last(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "run.jsonl", header()) as run_file:
        run_file.append(Record(job=Job(row=FAST, threads=2, block=0), status="timeout", reason="too slow"))
        run_file.append(record(FAST, 0, 1.0, 0.25))
        run_file.append(Verdict(row=FAST, status="ok", agrees=True))
    (line,) = bench.load(tmp_path / "run.jsonl").to_dict("records")
    assert line["status"] == "ok"
    assert line["pass_s"] == 0.25


def test_a_row_of_which_a_sample_failed_is_not_ranked(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "run.jsonl", header()) as run_file:
        run_file.append(record(FAST, 0, 1.0, 0.25))
        run_file.append(Record(job=Job(row=FAST, threads=2, block=1), status="crashed", reason="was killed"))
        run_file.append(Verdict(row=FAST, status="ok", agrees=True))
    table = readable(summary(bench.load(tmp_path / "run.jsonl")))
    assert table["× fastest"][0] == ""
    assert table["note"][0] == "crashed: was killed"


def test_runs_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    paths = []
    for folder, time_s in (("x", 1.0), ("y", 9.0)):
        paths.append(tmp_path / folder / "run.jsonl")
        with RunFile.create(paths[-1], header()) as run_file:
            run_file.append(record(FAST, 0, 1.0, time_s))
    lines = summary(bench.load(paths))
    assert list(lines["pass_s"]) == [1.0, 9.0]
    assert list(readable(lines)["run"]) == [str(path) for path in paths]


def test_samples_can_be_written_as_parquet(run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(render(bench.load(run_path), "parquet"))
    assert list(pd.read_parquet(tmp_path / "samples")["settings"].unique()) == ["{}"]
