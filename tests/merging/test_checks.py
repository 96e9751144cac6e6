"""Run files that are refused: records that cannot be, and records of another run. The others are merged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from run_files import ROW, a_run
from stores import assert_holds, merged, runs_of
from support import a_header, a_machine, a_parity_result, a_record, a_row, a_timing, write_run

from bench.merging.merge import merging
from bench.records.runfile import read_run
from bench.records.schema import Record
from bench.records.store.layout import Store

LIMIT = 1e12
FLOPS = 10**10  # of a pass, which at the limit takes 10 ms


def a_right_record(block: int = 0, pass_s: float = 0.1, **timing: Any) -> Record:
    usual = {"flops_per_pass": FLOPS, "product_limit_flops_per_s": LIMIT, "product_flops_per_s": 0.5 * LIMIT}
    timed = a_timing(1.0 + pass_s, pass_s, 1.5 * pass_s, pass_s, **usual | timing)
    return replace(a_record(ROW, block), timing=timed)


def refused(folder: Path, *records: Record, **header: Any) -> str:
    """Return why a file of these records is refused; empty if it is not. A second file is merged in any case."""
    path = write_run(folder / "run.jsonl", a_header(ROW, **header), [a_parity_result(ROW), *records])
    a_run(folder / "good.jsonl", created="2025-01-01T00:00:00Z")
    bad, good = merged(folder / "lab", path, folder / "good.jsonl")
    assert good.kind == "new"
    runs = [folder / "good.jsonl", *([path] if bad.kind == "new" else [])]
    assert_holds(folder / "lab", map(read_run, runs))
    return bad.reason


def test_records_at_the_limit_of_the_processor_are_merged(tmp_path: Path) -> None:
    at_limit = a_right_record(1, pass_s=0.0100001, product_flops_per_s=LIMIT)
    unknown = a_right_record(2, pass_s=1e-6, product_flops_per_s=9 * LIMIT, product_limit_flops_per_s=None)
    assert refused(tmp_path, a_right_record(), at_limit, unknown) == ""


def test_a_product_faster_than_the_processor_is_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, a_right_record(), a_right_record(1, 0.2, product_flops_per_s=2 * LIMIT))
    assert told == (
        f"{tmp_path}/run.jsonl: line 4, a record of {ROW}, cannot be: its matrix product was 2 times as fast as the "
        "processor can be"
    )


def test_a_training_faster_than_the_processor_is_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, a_right_record(), a_right_record(1, pass_s=0.005))
    assert "line 4" in told
    assert told.endswith("its training was 2 times as fast as the processor can be")


def test_a_record_from_before_its_run_is_refused(tmp_path: Path) -> None:
    early = replace(a_right_record(1, 0.2), started="2025-12-31T23:59:59Z")
    now = replace(a_right_record(), started="2026-01-01T00:00:00Z")
    told = refused(tmp_path, now, early)
    assert "line 4" in told
    assert told.endswith("it began at 2025-12-31T23:59:59Z, before its run, which began at 2026-01-01T00:00:00Z")


def test_one_measurement_recorded_for_two_rounds_is_refused(tmp_path: Path) -> None:
    one = a_right_record()
    told = refused(tmp_path, one, a_right_record(1, 0.2), replace(one, job=replace(one.job, block=2)))
    assert "line 5" in told
    assert told.endswith("it has the same times as line 3: one measurement is one record")


def test_a_record_of_a_row_that_the_header_does_not_name_is_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, a_right_record(), a_record(a_row("line_fit")))
    assert told == f"{tmp_path}/run.jsonl: line 4 is a result of {a_row('line_fit')}, which the header does not name"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda header: replace(header, machine=a_machine(id="0123456789abcdef")),  # the same times, another machine
        lambda header: replace(header, created="2025-06-01T00:00:00Z"),
        lambda header: replace(header, goal=replace(header.goal, effect=0.01)),
    ],
)
def test_records_of_one_run_under_another_header_are_refused(
    change: Callable[[Any], Any], together: bool, tmp_path: Path
) -> None:
    a_run(tmp_path / "run.jsonl")
    run = read_run(tmp_path / "run.jsonl")
    other = write_run(tmp_path / "other.jsonl", change(run.header), [*run.parity_results, *run.records])
    if together:
        _, bad = merged(tmp_path / "lab", run.path, other)
    else:
        merged(tmp_path / "lab", run.path)
        (bad,) = merged(tmp_path / "lab", other)
    (there,) = runs_of(tmp_path / "lab")
    assert bad.kind == "refused"
    assert bad.reason == (
        f"{other}: line 3, a record of {ROW}, cannot be: it is a record of another run, {there.path.name}, which is in "
        "the store"
    )


def test_one_copied_record_among_others_is_found(tmp_path: Path) -> None:
    a_run(tmp_path / "run.jsonl")
    a_run(tmp_path / "other.jsonl", created="2025-06-01T00:00:00Z")
    run, other = read_run(tmp_path / "run.jsonl"), read_run(tmp_path / "other.jsonl")
    copied = replace(run.records[2], job=replace(run.records[2].job, block=99))
    with (tmp_path / "other.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(copied) + b"\n")
    _, bad = merged(tmp_path / "lab", run.path, other.path)
    assert f"line {len((tmp_path / 'other.jsonl').read_bytes().splitlines())}, " in bad.reason


@pytest.mark.parametrize(
    ("edit", "number"),
    [
        (lambda lines: [lines[0], lines[1], lines[2].replace(b'"cpu_s":', b'"cpu_s":1')], 3),  # another time
        (lambda lines: [lines[0], *lines[2:]], 2),  # a line less in the middle
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),  # another order
    ],
)
def test_a_run_with_the_same_header_and_other_lines_is_refused(
    edit: Callable[[list[bytes]], list[bytes]], number: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    a_run(path)
    run = read_run(path)
    edited = tmp_path / "edited.jsonl"
    edited.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    _, bad = merged(tmp_path / "lab", path, edited)
    assert bad.kind == "refused"
    assert bad.reason.startswith(f"{edited}: line {number} is not that of run-")
    assert_holds(tmp_path / "lab", [run])


def test_what_is_no_run_file_is_refused_and_the_others_are_merged(tmp_path: Path) -> None:
    a_run(tmp_path / "good.jsonl")
    (tmp_path / "bad.jsonl").write_text("text\n")
    (tmp_path / "empty.jsonl").write_text("")
    found = merged(tmp_path / "lab", *(tmp_path / f"{name}.jsonl" for name in ("bad", "empty", "good", "none")))
    assert [each.kind for each in found] == ["refused", "refused", "new", "refused"]
    assert [each.reason.partition(":")[0] for each in found] == [
        f"{tmp_path}/bad.jsonl is not a run file",
        f"{tmp_path}/empty.jsonl is not a run file",
        "",
        f"cannot read {tmp_path}/none.jsonl",
    ]


def test_another_store_is_checked_like_run_files_and_its_summaries_do_not_count(tmp_path: Path) -> None:
    a_run(tmp_path / "run.jsonl")
    run = read_run(tmp_path / "run.jsonl")
    header = replace(run.header, created="2025-06-01T00:00:00Z")
    other = write_run(tmp_path / "other.jsonl", header, [*run.parity_results, *run.records])
    merged(tmp_path / "a", run.path)
    merged(tmp_path / "b", other)
    (there,) = runs_of(tmp_path / "b")
    with merging(tmp_path / "a") as store:
        found = store.add_stored(Store(tmp_path / "b"), there.path.name)
    assert found.kind == "refused"
    assert found.reason.startswith(f"{there.path}: line 3, a record of {ROW}, cannot be: it is a record of another run")
