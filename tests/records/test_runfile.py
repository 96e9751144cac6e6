"""Run files: what is written is read back, what was cut off is told and mended, and what is no run file is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ROOT, a_block, a_header, a_machine, a_parity_result, a_quality, a_record, a_row, a_timing, write_run

from bench.errors import UserError
from bench.records.lines import BYTE_ORDER_MARK, NotARunFile
from bench.records.runfile import read_run, read_with_numbers
from bench.records.schema import (
    SCHEMA,
    Calibration,
    Goal,
    Inference,
    Job,
    Learned,
    Lesson,
    Line,
    Record,
    Settings,
    Snapshot,
    Steady,
    Turns,
    run_file_schema,
)
from bench.records.writing import RunFile
from bench.tasks.definition import Metric

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]
ROW = a_row("linear_fit")
SETTINGS: Settings = {"epochs": "5", "optimizer.learning_rate": 0.1}
JOB = Job(row=ROW, threads=2, block=1, settings=SETTINGS)
STEADY = Steady(window_s=0.40000000000000002, cpu_s=0.7, vanished_cpu_s=1e-9, waited_s=0.3)
TIMING = a_timing(
    *(0.5, 0.1, 0.30000000000000004),
    data_s=1 / 3,
    setup_s=1e-7,
    read_s=(1e-5, 2 / 3),
    reread_s=(1.1e-5,),
    steady=STEADY,
    peak_memory_bytes=10**10,
    peak_device_memory_bytes=2**40,
    product_flops_per_s=1e15 / 3,
)
QUALITY = a_quality(losses=(1.5, 0.1, None), value=0.057, parameters=(3.0, -4.0, 5.0), truth=(3.0, -4.0, 5.0))
RECORD = a_record(ROW, job=JOB, started="2025-01-01T00:00:00Z", quality=QUALITY)
RECORD = msgspec.structs.replace(RECORD, timing=TIMING)
FAILED = a_record(
    ROW, job=JOB, status="crashed", reason='killed by "signal" 9', output="line one\nline two\t– ünïcödé ☃\n\x1b[0m"
)
VERDICT = a_parity_result(
    ROW, settings=SETTINGS, gradient=1e-16, losses=2e-12, parameters=0.0, envelope=1e-7, metric=1e-9
)
BLOCK = a_block("linear_fit", 1, 1 / 3, foreign_cores=0.1, stolen_cores=1e-9)
HEADER = a_header(
    *(ROW, *(a_row("linear_fit", mode=mode) for mode in ("a", "b", "c", "other")), a_row("line_fit")),
    command="bench run 'linear fit'",
    machine=a_machine(gpus=("H200",), load=0.5),
    versions={"numpy": "2.3.5"},
    environment={"OMP_PROC_BIND": "close"},
    goal=Goal(workers=None, effect=0.025, time_s=90.5),
    schedule_seed=123456,
    settings=SETTINGS,
    tasks={"linear_fit": {"metric": "rmse", "epochs": 5, "data.weights": [3.0, -4.0], "batch_size": "all"}},
)
PLAIN = msgspec.structs.replace(HEADER, settings={})  # of a run in which no setting was changed


def write(path: Path, *lines: Line) -> Path:
    return write_run(path, HEADER, lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# What is written is read


def test_every_kind_of_line_is_read_as_it_was_written(path: Path) -> None:
    run = read_run(write(path, RECORD, BLOCK, VERDICT, FAILED))
    assert run.path == path
    assert run.header == HEADER
    assert run.records == (RECORD, FAILED)
    assert run.blocks == (BLOCK,)
    assert run.parity_results == (VERDICT,)
    assert run.remarks == ()


def test_a_run_file_of_a_header_alone_is_one(path: Path) -> None:
    run = read_run(write(path))
    assert (run.header, run.records, run.blocks, run.parity_results, run.remarks) == (HEADER, (), (), (), ())


@pytest.mark.parametrize("status", ["unsupported", "no data", "failed", "crashed", "timeout"])
def test_a_record_of_every_outcome_is_read_as_it_was_written(path: Path, status: Any) -> None:
    record = a_record(ROW, job=JOB, status=status, reason="why")
    assert read_run(write(path, record)).records == (record,)


@pytest.mark.parametrize("name", ["before", "after", "foreign_cores", "stolen_cores"])
def test_what_could_not_be_told_of_a_block_is_read_as_it_was_written(path: Path, name: str) -> None:
    block = a_block("linear_fit", **{name: None})
    assert read_run(write(path, block)).blocks == (block,)


def test_waiting_that_the_system_does_not_tell_is_read_as_it_was_written(path: Path) -> None:
    timing = msgspec.structs.replace(TIMING, steady=msgspec.structs.replace(STEADY, waited_s=None))
    record = msgspec.structs.replace(RECORD, timing=timing)
    assert read_run(write(path, record)).records == (record,)


@pytest.mark.parametrize("workers", [None, 1, 20])
def test_a_goal_is_read_as_it_was_written(path: Path, workers: int | None) -> None:
    goal = Goal(workers=workers, effect=1 / 3, time_s=0.0)
    write_run(path, msgspec.structs.replace(HEADER, goal=goal))
    assert read_run(path).header.goal == goal


def test_records_and_blocks_keep_their_order(path: Path) -> None:
    records = [a_record(a_row("linear_fit", mode=mode), block) for block in (1, 0) for mode in ("b", "c", "a")]
    blocks = [a_block("linear_fit", block) for block in (1, 0)]
    run = read_run(write_run(path, PLAIN, (*records[:3], blocks[0], *records[3:], blocks[1])))
    assert run.records == tuple(records)
    assert run.blocks == tuple(blocks)


def test_every_line_is_json_of_its_own_and_says_what_it_is(path: Path) -> None:
    lines = write(path, RECORD, FAILED, BLOCK, VERDICT).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["header", "record", "record", "block", "verdict"]


def test_the_schema_stands_in_the_header(path: Path) -> None:
    assert json.loads(write(path).read_text())["schema"] == SCHEMA == 3


def test_floats_keep_every_digit(path: Path) -> None:
    (record,) = read_run(write(path, RECORD)).records
    assert record.timing is not None
    assert record.timing.data_s == 1 / 3
    assert record.timing.passes_s == (0.5, 0.1, 0.30000000000000004)
    assert record.timing.read_s == (1e-5, 2 / 3)
    assert record.timing.product_flops_per_s == 1e15 / 3
    assert record.timing.steady == STEADY


def test_the_loops_of_a_calibration_keep_every_digit(path: Path) -> None:
    calibration = Calibration(loops_s=(1 / 3, 0.1, 2e-3 / 7))
    (block,) = read_run(write(path, a_block("linear_fit", before=calibration))).blocks
    assert block.before == calibration


PHASES = ("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s")


@pytest.mark.parametrize("name", PHASES)
def test_each_phase_is_a_part_of_the_wall_time(name: str) -> None:
    longer = msgspec.structs.replace(TIMING, **{name: getattr(TIMING, name) + 64})
    assert longer.phases_s == pytest.approx(TIMING.phases_s + 64, rel=1e-12)


def test_the_phases_are_all_passes_and_what_is_around_them() -> None:
    around = {name: 2.0**number for number, name in enumerate(PHASES)}
    timing = a_timing(1024.0, 2048.0, **around, wall_s=1e9, cpu_s=1e9, read_s=(1e9,), reread_s=(1e9,))
    assert timing.phases_s == 1024 + 2048 + 127


def test_the_steady_passes_are_those_after_the_first() -> None:
    assert TIMING.steady_s == (0.1, 0.30000000000000004)


def test_a_row_is_shown_by_all_that_it_is() -> None:
    assert str(ROW) == "linear_fit numpy loop cpu float32"


# What counts


def test_a_job_that_was_tried_again_counts_as_it_ended_last(path: Path) -> None:
    other = a_record(ROW, job=msgspec.structs.replace(JOB, block=2))
    assert read_run(write(path, FAILED, other, RECORD)).last_records == (RECORD, other)
    assert read_run(write(path.with_name("again"), RECORD, other, FAILED)).last_records == (FAILED, other)


def test_jobs_of_other_rows_and_blocks_all_count(path: Path) -> None:
    records = [a_record(a_row("linear_fit", mode=mode), block) for block in (0, 1) for mode in ("a", "b")]
    assert read_run(write_run(path, PLAIN, records)).last_records == tuple(records)


def test_the_last_verdict_on_a_row_replaces_those_before_it(path: Path) -> None:
    first, last = a_parity_result(ROW, agrees=False, reason="an early one"), a_parity_result(ROW)
    other = a_parity_result(a_row("line_fit"), agrees=None)
    assert read_run(write_run(path, PLAIN, (first, other, last))).parity == {ROW: last, other.row: other}


# Numbers that are not finite


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_number_that_is_not_finite_becomes_null(path: Path, number: float) -> None:
    quality = msgspec.structs.replace(QUALITY, losses=(1.0, number), value=number)
    verdict = msgspec.structs.replace(VERDICT, gradient=number, losses=number, envelope=number, metric=number)
    content = write(path, msgspec.structs.replace(RECORD, quality=quality), verdict).read_text()
    for line in content.splitlines():
        json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    run = read_run(path)
    assert run.records[0].quality is not None
    assert run.records[0].quality.losses == (1.0, None)
    assert run.records[0].quality.value is None
    (read,) = run.parity_results
    assert (read.gradient, read.losses, read.envelope, read.metric) == (None, None, None, None)
    assert read.parameters == 0.0


@pytest.mark.parametrize("number", NOT_FINITE)
def test_the_parameters_of_a_model_that_diverged_are_read_back(path: Path, number: float) -> None:
    quality = msgspec.structs.replace(QUALITY, parameters=(number, 1.0))
    (record,) = read_run(write(path, msgspec.structs.replace(RECORD, quality=quality))).records
    assert record.quality is not None
    assert record.quality.parameters == (None, 1.0)


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_setting_that_is_not_finite_is_read_back(path: Path, number: float) -> None:
    settings: Settings = {"optimizer.learning_rate": number}
    job = msgspec.structs.replace(JOB, settings=settings)
    header = msgspec.structs.replace(HEADER, settings=settings)
    (record,) = read_run(write_run(path, header, (msgspec.structs.replace(FAILED, job=job),))).records
    assert record.job.settings == {"optimizer.learning_rate": None}


# While it is written


def test_a_line_is_in_the_file_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr("bench.records.writing.os.fsync", lambda file: synced.append(os.fstat(file).st_size))
    with RunFile.create(path, HEADER) as run_file:
        for count, line in enumerate((RECORD, VERDICT), start=2):
            run_file.append(line)
            assert len(path.read_bytes().splitlines()) == count
            assert len(synced) == count
            assert synced[-1] == path.stat().st_size


def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    path = write(tmp_path / "results" / "new" / "run.jsonl")
    assert read_run(path).header == HEADER


@pytest.mark.parametrize("content", [b"", b"precious\n"])
def test_create_refuses_an_existing_file_and_leaves_it_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FileExistsError):
        RunFile.create(path, HEADER)
    assert path.read_bytes() == content


def test_create_refuses_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        RunFile.create(tmp_path / "file" / "run.jsonl", HEADER)


def test_a_file_is_closed_even_after_an_error(path: Path) -> None:
    run_file = RunFile.create(path, HEADER)
    with pytest.raises(RuntimeError, match="interrupted"), run_file:
        raise RuntimeError("interrupted")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(run_file.file)


# Going on


def test_a_resumed_file_goes_on_after_its_last_line(path: Path) -> None:
    run = read_run(write(path, RECORD))
    with RunFile.resume(run) as run_file:
        run_file.append(VERDICT)
    again = read_run(path)
    assert (again.header, again.records, again.parity_results) == (HEADER, (RECORD,), (VERDICT,))


FULL_LINE = msgspec.json.encode(FAILED)


@pytest.mark.parametrize("length", [1, 20, FULL_LINE.index("☃".encode()) + 1, len(FULL_LINE) - 1])
def test_a_torn_last_line_is_reported_and_left_out(path: Path, length: int) -> None:
    whole = write(path, RECORD, VERDICT).read_bytes()
    path.write_bytes(whole + FULL_LINE[:length])
    run = read_run(path)
    assert (run.header, run.records, run.parity_results) == (HEADER, (RECORD,), (VERDICT,))
    assert [remark.partition(" while")[0] for remark in run.remarks] == [f"{path}: line 4 was cut off"]
    assert path.read_bytes() == whole + FULL_LINE[:length]  # reading changes nothing


@pytest.mark.parametrize("length", [1, 20, len(FULL_LINE) - 1])
def test_a_torn_last_line_is_cut_on_resume(path: Path, length: int) -> None:
    whole = write(path, RECORD).read_bytes()
    path.write_bytes(whole + FULL_LINE[:length])
    with RunFile.resume(read_run(path)) as run_file:
        assert path.read_bytes() == whole
        run_file.append(VERDICT)
    again = read_run(path)
    assert (again.records, again.parity_results, again.remarks) == ((RECORD,), (VERDICT,), ())


def test_a_whole_file_loses_nothing_on_resume(path: Path) -> None:
    whole = write(path, RECORD, FAILED).read_bytes()
    with RunFile.resume(read_run(path)):
        pass
    assert path.read_bytes() == whole


def test_a_last_line_without_a_line_break_is_whole_and_stays_on_resume(path: Path) -> None:
    whole = write(path, RECORD).read_bytes() + FULL_LINE
    path.write_bytes(whole)
    run = read_run(path)
    assert (run.records, run.remarks) == ((RECORD, FAILED), ())
    with RunFile.resume(run) as run_file:
        run_file.append(VERDICT)
    assert path.read_bytes() == whole + b"\n" + msgspec.json.encode(VERDICT) + b"\n"


@pytest.mark.parametrize("content", [b"", b"{"])
def test_what_an_editor_or_another_system_makes_of_a_file_changes_nothing(path: Path, content: bytes) -> None:
    lines = write(path, RECORD, BLOCK).read_bytes().splitlines()
    path.write_bytes(b"\n" + BYTE_ORDER_MARK + b"\r\n\r\n".join(lines) + b"\r\n \t\n" + content)
    run = read_run(path)
    assert (run.header, run.records, run.blocks, len(run.remarks)) == (HEADER, (RECORD,), (BLOCK,), len(content))
    with RunFile.resume(run) as run_file:
        run_file.append(VERDICT)
    assert read_run(path).parity_results == (VERDICT,)


def test_a_torn_line_after_the_header_leaves_the_header(path: Path) -> None:
    whole = write(path).read_bytes()
    path.write_bytes(whole + b"{")
    assert read_run(path).remarks[0].startswith(f"{path}: line 2 was cut off")


# What is no run file

RECORD_LINE = msgspec.json.encode(RECORD) + b"\n"
HEADER_LINE = msgspec.json.encode(HEADER) + b"\n"
FOREIGN = {
    "empty": b"",
    "blank": b"\n",
    "text": b"Dear reader,\nthis is a letter.\n",
    "text of one line": b"no end",
    "a number": b"42\n",
    "a list": b"[1, 2]\n",
    "JSON of another kind": b'{"name": "levelfield", "version": 1}\n',
    "tagged JSON of another kind": b'{"type": "invoice"}\n',
    "JSON on many lines": json.dumps({"a": 1}, indent=2).encode() + b"\n",
    "a header that lacks everything": b'{"type": "header", "schema": 2}\n',
    "binary": bytes(range(256)) * 4,
    "invalid UTF-8 in a text": b'{"type": "header", "commit": "\xff\xfe"}\n',
    "zeros": bytes(1000) + b"\n",
    "UTF-16": "{}\n".encode("utf-16"),
    "a record first": RECORD_LINE + HEADER_LINE,
    "a header of this schema and of the form of another": json.dumps(
        {"type": "header", "schema": SCHEMA, "jobs": [], "workers": 3, "threads": 2, "schedule_seed": 0}
    ).encode()
    + b"\n",
    "a torn header": HEADER_LINE[:-30],
    "deep nesting": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_run_file_is_refused_with_a_reason_in_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotARunFile) as caught:
        read_run(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not a run file: ")
    assert len(message) > len(f"{path} is not a run file: ")
    assert len(message.splitlines()) == 1
    assert path.read_bytes() == content


def test_a_directory_is_no_run_file(tmp_path: Path) -> None:
    with pytest.raises(NotARunFile) as caught:
        read_run(tmp_path)
    assert str(caught.value) == f"cannot read {tmp_path}: Is a directory"


def test_a_missing_file_is_no_run_file(path: Path) -> None:
    with pytest.raises(NotARunFile) as caught:
        read_run(path)
    assert str(caught.value) == f"cannot read {path}: No such file or directory"


def test_that_a_file_is_none_is_the_users_to_mend() -> None:
    assert issubclass(NotARunFile, UserError)


@pytest.mark.parametrize(
    "line",
    [
        *(b"damaged", b'{"type":"record"}', b'{"type":"chapter"}', RECORD_LINE[:50], b"\xff\xfe", b"null"),
        RECORD_LINE.strip() * 2,
        RECORD_LINE.strip() + b" " + RECORD_LINE.strip(),
        RECORD_LINE.strip().replace(b"},", b"}\n,", 1),
        RECORD_LINE.strip().replace(b":{", b":\n{", 1),
        RECORD_LINE.strip()
        + RECORD_LINE
        + RECORD_LINE.strip().replace(b"},", b"}\n,", 1),  # three lines, three records
    ],
)
def test_a_damaged_line_in_the_middle_is_refused_by_its_number(path: Path, line: bytes) -> None:
    path.write_bytes(HEADER_LINE + RECORD_LINE + line + b"\n" + RECORD_LINE)
    with pytest.raises(NotARunFile, match="line 3: ") as caught:
        read_run(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("schema", [1, SCHEMA + 1, 99])
def test_another_schema_is_refused_and_both_are_named(path: Path, schema: int) -> None:
    other = json.loads(HEADER_LINE) | {"schema": schema, "surprise": {"new": [1]}}
    path.write_text(json.dumps(other) + '\n{"type":"chapter"}\n')
    with pytest.raises(NotARunFile) as caught:
        read_run(path)
    assert str(caught.value) == f"{path} has schema {schema}; this version reads schemas 2 and 3"


@pytest.mark.parametrize("schema", [1, SCHEMA + 1])
@pytest.mark.parametrize("changes", [{"rows": "renamed"}, {"machine": None}, {"tasks": []}, {"goal": 5}])
def test_another_schema_is_refused_as_such_where_its_header_is_of_another_form(
    path: Path, changes: dict[str, Any], schema: int
) -> None:
    path.write_text(json.dumps(json.loads(HEADER_LINE) | {"schema": schema} | changes) + "\n")
    with pytest.raises(NotARunFile, match=f"has schema {schema}"):
        read_run(path)


# Lines that make no sense


def altered(part: str, **changes: Any) -> Record:
    """Return the good sample with another timing, quality, resources or job; `steady` and `turns` are in its timing."""
    whole = getattr(RECORD, part)
    return msgspec.structs.replace(RECORD, **{part: msgspec.structs.replace(whole, **changes)})


TURNS = Turns(passes=(2, 0, 3), wall_s=(0.1, 0.0, 0.2), cpu_s=(0.1, 0.0, 0.2))
LESSON = Lesson(task="linear_fit", targets=(1.0, 2.5), inputs=((0.5,), (1.0,)))
NONSENSE: dict[str, tuple[Line, str]] = {
    "a second header": (HEADER, "line 3 is a second header: here another run begins"),
    "a row of another run": (a_record(a_row("mnist_mlp")), "a result of mnist_mlp numpy loop cpu float32, which"),
    "a verdict of another run": (a_parity_result(a_row("mnist_mlp")), "a result of mnist_mlp numpy loop cpu float32"),
    "a round of another run": (a_block("mnist_mlp", 0), "a round of mnist_mlp, which the header does not name"),
    "a negative time": (altered("timing", import_s=-0.1), r">= 0.*`\$.timing.import_s`"),
    "a negative pass": (altered("timing", passes_s=(0.1, -0.1)), r">= 0.*`\$.timing.passes_s\[1\]`"),
    "a negative round": (altered("job", block=-1), r">= 0.*`\$.job.block`"),
    "no thread": (altered("job", threads=0), r">= 1.*`\$.job.threads`"),
    "memory of 10^30 bytes": (altered("timing", peak_memory_bytes=10**30), r"line 3: .*peak_memory_bytes"),
    "a nested setting": (altered("job", settings={"epochs": {"a": 1}}), r"line 3: .*settings"),
    "an unknown metric": (altered("quality", metric="luck"), r"Invalid enum value 'luck'"),
    "no pass": (altered("timing", passes_s=()), "times have no steady pass"),
    "one pass": (altered("timing", passes_s=(0.1,)), "times have no steady pass"),
    "no reading": (altered("timing", read_s=()), "times have no readings"),
    "no later reading": (altered("timing", reread_s=()), "times have no readings"),
    "no times": (msgspec.structs.replace(RECORD, timing=None), "a good sample without timing"),
    "no result": (msgspec.structs.replace(RECORD, quality=None, resources=None), "without quality and resources"),
    "another precision": (altered("resources", dtype="float16"), "float32 that was trained in float16"),
    "turns of other lengths": (
        altered("timing", turns=msgspec.structs.replace(TURNS, took_s=(0.1,))),
        "turns have lists that differ in length: passes 3, wall_s 3, cpu_s 3, took_s 1",
    ),
    "inference of other lengths": (
        msgspec.structs.replace(RECORD, inference=Inference(calls=1, latency_median_s=0.1, rows=256, latency_s=(0.1,))),
        "lists of inference differ in length: latency_s 1, batch_s 0",
    ),
    "calls without times": (msgspec.structs.replace(RECORD, inference=Inference(calls=1)), "calls and no times"),
    "times without calls": (
        msgspec.structs.replace(RECORD, inference=Inference(latency_s=(0.1,))),
        "inference has times and no calls",
    ),
    "a median above what most calls took": (
        msgspec.structs.replace(RECORD, inference=Inference(calls=200, latency_median_s=0.2, latency_p95_s=0.1)),
        "latencies do not rise: median 0.2 s, 95 % 0.1 s",
    ),
    "outputs of other lengths": (
        msgspec.structs.replace(RECORD, learned=Learned(outputs=((0.1, 0.9), (1.0,)))),
        "more outputs for one row than for another",
    ),
    "a confusion of other lengths": (
        msgspec.structs.replace(RECORD, learned=Learned(confusion=((1, 2), (3,)))),
        "a confusion that is not square",
    ),
    "a lesson of another run": (Lesson(task="mnist_mlp"), "a lesson of mnist_mlp, which the header does not name"),
    "a lesson of other lengths": (
        msgspec.structs.replace(LESSON, inputs=((1.0,),), snapshots=(Snapshot(step=0, outputs=(1.0,)),)),
        "a lesson of 2 rows whose lists have other lengths: inputs 1, the snapshot of step 0 1",
    ),
    "features of other lengths": (
        msgspec.structs.replace(LESSON, inputs=((1.0,), (1.0, 2.0))),
        "more features for one row than for another",
    ),
    "snapshots in another order": (
        msgspec.structs.replace(LESSON, snapshots=tuple(Snapshot(step=step, outputs=(0.1, 0.2)) for step in (3, 1))),
        "snapshots are not in the order of their steps",
    ),
    "losses without what is allowed": (msgspec.structs.replace(LESSON, losses=(1.0,)), "losses 1, allowed 0"),
    "a row of no class": (msgspec.structs.replace(LESSON, classes=("a", "b")), "a row of no class"),
    "images of another size": (
        msgspec.structs.replace(LESSON, images=(b"1234", b"123"), image_shape=(2, 2)),
        "images have not the size",
    ),
    "images of no size": (msgspec.structs.replace(LESSON, images=(b"1", b"1")), "images have not the size"),
    "other settings": (
        altered("job", settings={"epochs": "6"}),
        "with the settings epochs=6, where the header has the settings epochs=5 optimizer.learning_rate=0.1",
    ),
    "a verdict with other settings": (
        a_parity_result(ROW),
        "with no setting changed, where the header has the settings epochs=5 optimizer.learning_rate=0.1",
    ),
    "another metric": (altered("quality", metric="accuracy"), "was judged by accuracy, where the task has rmse"),
    "an error below zero": (altered("quality", value=-1.0), r">= 0.*`\$.quality.value`"),
    "a failed sample with times": (msgspec.structs.replace(RECORD, status="failed"), "is failed and has times or a"),
    "an unsupported sample with a result": (
        msgspec.structs.replace(RECORD, status="unsupported", timing=None),
        "is unsupported and has times or a result",
    ),
    "steady passes without time": (altered("timing", passes_s=(0.1, 0.0, 0.0)), "steady passes took no time"),
    "more threads than others": (altered("job", threads=1), "with threads 1; others have 2"),
    "losses of another training": (
        altered("timing", passes_s=(0.1, 0.1), turns=TURNS),
        "with 3 losses; its first training had 100 steps",
    ),
    "a verdict that agrees and has a fault": (
        msgspec.structs.replace(VERDICT, tier="trajectory"),
        "that agrees, but not in the tier trajectory",
    ),
    "a verdict that agrees without a check": (
        msgspec.structs.replace(VERDICT, status="crashed"),
        "that agrees, but is crashed",
    ),
    "a verdict that does not say where it disagrees": (
        msgspec.structs.replace(VERDICT, agrees=False),
        "does not agree and does not say in which tier",
    ),
    "a verdict of an unknown tier": (msgspec.structs.replace(VERDICT, tier="luck"), r"Invalid enum value 'luck'"),
    "a difference below zero": (msgspec.structs.replace(VERDICT, gradient=-1e-9), r">= 0.*`\$.gradient`"),
    "less than no noise": (a_block("linear_fit", 2, foreign_cores=-1.0), r">= 0.*`\$.foreign_cores`"),
    "other steps": (altered("timing", steps_per_pass=7), "with steps_per_pass 7; others have 100"),
    "other rows": (altered("timing", rows_per_step=1), "with rows_per_step 1; others have 32"),
    "no FLOPs": (altered("timing", flops_per_pass=0), "with flops_per_pass 0; others have 6400"),
    "a start that is no time": (msgspec.structs.replace(RECORD, started="now"), r"`\$.started`"),
    "a start in a month that is none": (
        msgspec.structs.replace(RECORD, started="2026-13-01T00:00:00Z"),
        r"`\$.started`",
    ),
    "no memory": (altered("timing", peak_memory_bytes=0), r">= 1.*`\$.timing.peak_memory_bytes`"),
    "no step": (altered("timing", steps_per_pass=0), r">= 1.*`\$.timing.steps_per_pass`"),
    "a product that took forever": (altered("timing", product_flops_per_s=0.0), r"> 0.*product_flops_per_s"),
    "a loop that took no time": (a_block("linear_fit", 2, 0.0), r"> 0.*`\$.before.loops_s"),
    "a pass of a century": (altered("timing", passes_s=(0.1, 1e300)), r"<= 1000000000.0.*passes_s"),
    "times of readings without their number": (
        altered("timing", turns=msgspec.structs.replace(TURNS, read_s=(0.1, 0.1, 0.1), reads=())),
        "turns have only one of reads and read_s",
    ),
    "a turn that took no time": (
        altered("timing", turns=msgspec.structs.replace(TURNS, wall_s=(0.1, 0.0, 0.0))),
        "a turn whose passes took no time",
    ),
}


@pytest.mark.parametrize(("line", "reason"), NONSENSE.values(), ids=NONSENSE)
def test_a_line_that_cannot_come_from_the_run_is_refused_by_its_number(path: Path, line: Line, reason: str) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (HEADER, RECORD, line)))
    with pytest.raises(NotARunFile, match=reason) as caught:
        read_run(path)
    assert "line 3" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "readable"), [(0.0, True), (1.0, True), (1.01, False), (96.9, False)])
@pytest.mark.parametrize("metric", ["accuracy", "threshold_accuracy"])
def test_no_more_than_all_rows_can_be_right(path: Path, metric: Metric, value: float, *, readable: bool) -> None:
    header = msgspec.structs.replace(HEADER, tasks={"linear_fit": {"metric": metric}})
    record = altered("quality", metric=metric, value=value)
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (header, record)))
    if readable:
        assert len(read_run(path).records) == 1
        return
    with pytest.raises(NotARunFile, match=f"line 2 .* whose {metric} is {value:g}; 1 is the most"):
        read_run(path)


@pytest.mark.parametrize("size", [32, "all"])
def test_a_sample_has_batches_of_the_size_that_the_header_names(path: Path, size: int | str) -> None:
    assert len(read_run(write_batches(path, size)).records) == 1


def test_a_sample_with_batches_of_another_size_is_refused(path: Path) -> None:
    with pytest.raises(NotARunFile, match=r"line 2 is a sample of .* with batches of 32 rows, where the task has 33"):
        read_run(write_batches(path, 33))


def write_batches(path: Path, size: int | str) -> Path:
    """Write the sample, whose batches have 32 rows, below a header with another batch size."""
    header = msgspec.structs.replace(HEADER, tasks={"linear_fit": {"batch_size": size}})
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (header, RECORD)))
    return path


def test_of_several_lines_that_are_wrong_the_first_is_named(path: Path) -> None:
    foreign = altered("job", row=a_row("iris_mlp"))
    path.write_bytes(HEADER_LINE + RECORD_LINE + msgspec.json.encode(foreign) + b"\ndamaged\n" + RECORD_LINE)
    with pytest.raises(NotARunFile, match="line 3 is a result of iris_mlp"):
        read_run(path)


@pytest.mark.parametrize("at_once_bytes", [2, len(RECORD_LINE) + 1, 10**6])
def test_lines_are_found_again_however_many_are_read_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, at_once_bytes: int
) -> None:
    monkeypatch.setattr("bench.records.lines.AT_ONCE_BYTES", at_once_bytes)
    second, third = (altered("job", block=block) for block in (2, 3))
    written = (RECORD, BLOCK, FAILED, second, VERDICT, FAILED, third)
    content = write(path, *written).read_bytes().splitlines()
    path.write_bytes(b"\n".join([content[0], b"", *content[1:], b" ", content[4], b"{"]))
    read = read_with_numbers(path)
    assert read.run.records == (RECORD, FAILED, second, FAILED, third)
    assert [*read.texts(range(5))] == [content[number] for number in (1, 3, 4, 6, 7)]
    assert read.numbers.tolist() == [3, 5, 6, 8, 9]
    assert read.run.remarks == (
        f"{path}: line 11 repeats line 6; it is left out",
        f"{path}: line 12 was cut off while it was written; it is left out",
    )
    assert read.run.whole == path.stat().st_size - 1


def test_one_pass_is_enough_where_there_were_turns(path: Path) -> None:
    record = msgspec.structs.replace(altered("timing", passes_s=(0.1,), turns=TURNS), quality=a_quality(losses=()))
    assert read_run(write(path, record)).records == (record,)


def test_two_runs_in_one_file_are_refused_where_the_second_begins(path: Path) -> None:
    one = write(path, RECORD, BLOCK).read_bytes()
    path.write_bytes(one + one)
    with pytest.raises(NotARunFile, match="line 4 is a second header"):
        read_run(path)


def test_a_good_sample_that_stands_there_twice_counts_once_and_a_remark_says_so(path: Path) -> None:
    run = read_run(write(path, RECORD, FAILED, VERDICT, FAILED, VERDICT))
    assert (len(run.records), len(run.parity_results), run.remarks) == (3, 2, ())
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[1])
    again = read_run(path)
    assert again.records == run.records
    assert again.remarks == (f"{path}: line 7 repeats line 2; it is left out",)


def test_a_round_that_stands_there_twice_counts_once_and_a_remark_says_so(path: Path) -> None:
    once = write(path, RECORD, BLOCK, a_block("linear_fit", 2)).read_bytes()
    lines = once.splitlines(keepends=True)
    path.write_bytes(once + lines[2] + lines[1] + lines[3])
    run = read_run(path)
    assert list(run.blocks) == [BLOCK, a_block("linear_fit", 2)]
    assert run.remarks == tuple(
        f"{path}: line {later} repeats line {first}; it is left out" for first, later in ((3, 5), (2, 6), (4, 7))
    )


def test_a_round_that_was_begun_again_has_two_states(path: Path) -> None:
    again = msgspec.structs.replace(BLOCK, wall_s=BLOCK.wall_s + 1)  # where nothing came of it in the run before
    assert list(read_run(write(path, BLOCK, again)).blocks) == [BLOCK, again]


@pytest.mark.parametrize("name", [b"followed", b"created", b"turns", b"quality", b"reason", b"block"])
def test_a_name_that_is_damaged_is_refused_and_leaves_no_default_in_its_place(path: Path, name: bytes) -> None:
    record = altered("timing", turns=TURNS)
    content = write(path, record, BLOCK).read_bytes()
    assert content.count(b'"' + name + b'"') >= 1
    for damaged in (b'"%s2"' % name, b'"\xe6%s"' % name[1:]):
        path.write_bytes(content.replace(b'"' + name + b'"', damaged))
        with pytest.raises(NotARunFile, match=r"line \d: (Object .* field|'utf-8' codec)"):
            read_run(path)


def test_a_message_about_a_line_is_one_line_of_reasonable_length(path: Path) -> None:
    evil = a_record(a_row("\x1b]0;x\x07\n" + "x" * 10_000))
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (HEADER, evil)))
    with pytest.raises(NotARunFile, match="line 2 is a result of") as caught:
        read_run(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("created", ["", "yesterday", "2026-01-01", "2026-01-01T25:00:00Z"])
def test_a_header_that_does_not_say_when_its_run_began_is_refused(path: Path, created: str) -> None:
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(HEADER, created=created)) + b"\n")
    with pytest.raises(NotARunFile, match=r"line 1.*`\$.created`"):
        read_run(path)


def test_a_header_that_names_a_row_twice_is_refused(path: Path) -> None:
    twice = msgspec.structs.replace(HEADER, rows=(*HEADER.rows, HEADER.rows[0]))
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (twice, RECORD)))
    with pytest.raises(NotARunFile, match=f"line 1 is a header that names {HEADER.rows[0]} more than once"):
        read_run(path)


def test_the_published_schema_is_that_of_the_types() -> None:
    published = json.loads((ROOT / "bench" / "records" / "run-file.schema.json").read_text())
    assert published == json.loads(json.dumps(run_file_schema()))


# What was learned


def test_the_last_lesson_of_a_task_counts_and_the_first_record_that_tells_what_was_learned(path: Path) -> None:
    told = [replace_learned(Learned(outputs=((output,), (2.0,)))) for output in (0.5, 0.75)]
    other = msgspec.structs.replace(LESSON, images=(b"\x00\xff", b"ab"), image_shape=(1, 2))
    run = read_run(write(path, LESSON, RECORD, *told, other))
    assert run.lessons == {"linear_fit": other}
    assert run.learned() == {RECORD.job.row: told[0]}
    assert read_run(write(path.with_name("without"), RECORD)).learned() == {}


def replace_learned(learned: Learned) -> Record:
    return msgspec.structs.replace(RECORD, learned=learned)


# Losses that repeat themselves


def losses_of(path: Path) -> list[tuple[float | None, ...]]:
    return [record.quality.losses for record in read_run(path).records if record.quality]


def in_file(path: Path) -> list[list[float]]:
    lines = map(json.loads, path.read_text().splitlines())
    return [line["quality"]["losses"] for line in lines if line["type"] == "record"]


def with_losses(*losses: float, started: str = "") -> Record:
    return msgspec.structs.replace(RECORD, started=started, quality=msgspec.structs.replace(QUALITY, losses=losses))


def test_losses_that_are_the_same_to_the_digit_are_written_once_and_read_each_time(path: Path) -> None:
    write(
        path,
        with_losses(1.5, 0.1),
        with_losses(1.5, 0.1),
        with_losses(1.5, 0.2),
        with_losses(1.5, 0.1, started="2025-01-02T00:00:00Z"),
    )
    assert in_file(path) == [[1.5, 0.1], [], [1.5, 0.2], []]
    assert losses_of(path) == [(1.5, 0.1), (1.5, 0.1), (1.5, 0.2), (1.5, 0.1)]


def test_another_row_has_losses_of_its_own(path: Path) -> None:
    other = msgspec.structs.replace(JOB, row=msgspec.structs.replace(ROW, mode="other"))
    write(path, with_losses(1.0), msgspec.structs.replace(with_losses(1.0), job=other))
    assert in_file(path) == [[1.0], [1.0]]


def test_a_run_that_is_gone_on_with_still_knows_them(path: Path) -> None:
    write(path, with_losses(1.0))
    with RunFile.resume(read_run(path)) as run_file:
        run_file.append(with_losses(1.0, started="2025-01-02T00:00:00Z"))
    assert in_file(path) == [[1.0], []]
    assert losses_of(path) == [(1.0,), (1.0,)]


KEPT_RUNS = sorted((ROOT / "results").glob("*.jsonl"))


BROKEN_OFF = ("gpu-text.jsonl",)  # by a time limit, before the line of its only round was written


@pytest.mark.parametrize("kept", KEPT_RUNS, ids=lambda path: path.name)
def test_every_run_that_is_kept_can_be_read(kept: Path) -> None:
    run = read_run(kept)
    assert run.remarks == ()
    told = len(run.records) + len(run.blocks) + len(run.parity_results) + len(run.lessons)
    assert told == len(kept.read_text().splitlines()) - 1
    assert {record.job.row for record in run.records} <= set(run.header.rows)
    assert any(record.timing for record in run.records)
    assert run.parity_results
    assert bool(run.blocks) is (kept.name not in BROKEN_OFF)


def test_there_are_runs_that_are_kept() -> None:
    assert KEPT_RUNS


def test_a_row_is_named_with_its_device_where_that_is_not_the_cpu() -> None:
    assert a_row("linear_fit", "jax", "scan").name == "jax scan"
    assert a_row("linear_fit", "jax", "scan", device="gpu").name == "jax scan on the gpu"
