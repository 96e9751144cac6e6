"""Records as arrays: they tell what the records tell, take little memory, and grow without being made again."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from run_file_cases import bases
from support import ROOT, a_block, a_header, a_parity_result, a_record, a_row, write_run

from bench.records import columns
from bench.records.blocks import Blocks
from bench.records.columns import COUNTS, LISTS, PERHAPS_TIMES, TIMES, TURNS, UNKNOWN, Columns
from bench.records.lines import NotARunFile
from bench.records.lists import AT_ONCE, Growing, Lists, alike
from bench.records.runfile import Kept, Records, Run, read_run
from bench.records.schema import Record
from bench.runs.runner import unranked

ROWS = A, B = a_row("linear_fit", mode="a"), a_row("linear_fit", mode="b")
REPEATED = 50
SOME = Lists.of([[1.0, 2.0, 3.0], [], [4.0], [5.0, 6.0, 7.0]])


def as_lists(lists: Lists) -> list[list[float]]:
    return [lists[place].tolist() for place in range(len(lists))]


# Lists


def test_lists_are_taken_kept_and_stacked_as_lists_of_python_are() -> None:
    assert as_lists(SOME) == [[1.0, 2.0, 3.0], [], [4.0], [5.0, 6.0, 7.0]]
    assert as_lists(SOME.take(np.array([3, 1, 0, 3]))) == [[5.0, 6.0, 7.0], [], [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]
    assert as_lists(SOME.take(np.array([0, 2, 3]))) == [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0, 7.0]]
    assert as_lists(SOME.keep(SOME.values > 2)) == [[3.0], [], [4.0], [5.0, 6.0, 7.0]]
    assert SOME.positions.tolist() == [0, 1, 2, 0, 0, 1, 2]
    stacks = [(places.tolist(), stack.tolist()) for places, stack in SOME.by_length()]
    assert stacks == [([2], [[4.0]]), ([0, 3], [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])]
    assert SOME.each(lambda stack: stack.max(axis=1), empty=-1.0).tolist() == [3.0, -1.0, 4.0, 7.0]


def test_numbers_are_added_one_after_the_other_as_python_does() -> None:
    numbers = np.random.default_rng(0).lognormal(0, 9, 1000).tolist()
    expected = 0.1
    for number in numbers:
        expected += number
    assert Lists.of([numbers, []]).added_to(np.array([0.1, 7.0])).tolist() == [expected, 7.0]


def test_what_a_growing_array_has_returned_stays_as_it_is() -> None:
    growing, returned = Growing(np.dtype(int)), []
    for number in range(1000):
        growing.add(np.array([number] * 3))
        returned.append(growing.array)
    assert [each.tolist() for each in returned] == [sorted([*range(number)] * 3) for number in range(1, 1001)]


def test_entries_with_the_same_keys_share_a_number() -> None:
    found, firsts = alike(np.array([2, 1, 2, 2, 1]), np.array([0, 5, 0, 1, 5]))
    assert found[0] == found[2] != found[3]
    assert found[1] == found[4]
    assert sorted(set(found.tolist())) == [0, 1, 2]
    assert firsts[found].tolist() == [0, 1, 0, 3, 1]


# Records


RUNS = {"made up": bases()[0], "a sweep": bases()[1], "of schema 2": bases()[2]} | {
    path.stem: path.read_bytes() for path in [ROOT / "results" / "ratios-large.jsonl"]
}


@pytest.fixture(params=RUNS.values(), ids=RUNS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    path = tmp_path / "run.jsonl"
    path.write_bytes(request.param)
    return read_run(path)


def test_columns_tell_what_the_records_tell(run: Run) -> None:
    told = run.records.columns
    assert len(told) == len(run.records)
    for place, record in enumerate(run.records):
        assert_tells(told, place, record)


def assert_tells(told: Columns, place: int, record: Record) -> None:
    assert told.rows[told["row"][place]] == record.job.row
    assert (told["block"][place], told["threads"][place]) == (record.job.block, record.job.threads)
    assert (told["ok"][place], told["timed"][place]) == (record.status == "ok", record.timing is not None)
    assert told["losses"][place] == (UNKNOWN if record.quality is None else len(record.quality.losses))
    assert told.resources_of(place) == record.resources
    if record.timing is None:
        assert not told["turns"][place]
        assert all(not len(told.lists(name)[place]) for name in (*LISTS, *(f"turns.{name}" for name in TURNS)))
        return
    for name in (*TIMES, *PERHAPS_TIMES, *COUNTS, "peak_device_memory_bytes"):
        value = record.timing
        for part in name.split("."):
            value = getattr(value, part)
        unknown = UNKNOWN if name.endswith("bytes") else math.nan
        assert told[name][place] == pytest.approx(unknown if value is None else value, rel=0, nan_ok=True)
    assert told["turns"][place] == (record.timing.turns is not None)
    for name in LISTS:
        assert told.lists(name)[place].tolist() == list(getattr(record.timing, name))
    for name in TURNS:
        assert told.lists(f"turns.{name}")[place].tolist() == list(getattr(record.timing.turns, name, ()))


def test_records_that_are_taken_are_those_at_the_places(run: Run) -> None:
    records = tuple(run.records)
    places = np.array([*range(0, len(records), 2), 0])
    taken = run.records.take(places).take(np.arange(len(places))[::-1])
    expected = [records[place] for place in places[::-1]]
    assert taken == expected
    assert (taken[0], taken[-1], taken[1:3]) == (expected[0], expected[-1], tuple(expected[1:3]))
    for place, record in enumerate(expected):
        assert_tells(taken.columns, place, record)


def test_the_last_record_of_each_job_stays_where_the_job_came_first() -> None:
    rng = np.random.default_rng(0)
    jobs = [(ROWS[row], int(block)) for row, block in zip(rng.integers(0, 2, 60), rng.integers(0, 9, 60), strict=True)]
    records = [a_record(row, block, started=str(number)) for number, (row, block) in enumerate(jobs)]
    expected = {(record.job.row, record.job.block): record.started for record in records}
    last = Records.of(records).take(Columns.of(records).last)
    assert [record.started for record in last] == list(expected.values())


# Files


def test_what_another_program_changes_after_the_file_was_read_is_noticed(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", a_header(), [a_record(A, block) for block in range(3)])
    run, content = read_run(path), path.read_bytes()
    assert len(tuple(run.records)) == 3
    path.write_bytes(content + content.splitlines(keepends=True)[-1])  # which a run does that goes on
    assert len(tuple(run.records)) == 3
    for changed in (content.replace(b'"block":2', b'"block":7'), content[:-9], b"\n" + content, b""):
        path.write_bytes(changed)
        with pytest.raises(NotARunFile, match="was changed by another program while it was read; try again"):
            tuple(run.records)
    path.unlink()
    with pytest.raises(NotARunFile, match=r"cannot read .*run\.jsonl: No such file"):
        tuple(run.records)


def test_samples_that_are_left_out_are_not_among_the_whole_records_either(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", a_header(), [a_record(A, block) for block in range(4)])
    head, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, lines[0], lines[1], lines[0], lines[2], lines[1], lines[0], lines[3]]))
    run = read_run(path)
    assert run.remarks == tuple(
        f"{path}: line {line} repeats line {first}; it is left out" for line, first in ((4, 2), (6, 3), (7, 2))
    )
    assert [record.job.block for record in run.records] == run.records.columns["block"].tolist() == [0, 1, 2, 3]


def test_a_run_takes_less_memory_than_half_its_file(tmp_path: Path) -> None:
    kept = ROOT / "results" / "ratios-thermometer.jsonl"
    head, *lines = kept.read_bytes().splitlines(keepends=True)
    records = [msgspec.json.decode(line) for line in lines if b'"type":"record"' in line]
    path = tmp_path / "run.jsonl"
    with path.open("wb") as file:
        file.write(head)
        for number in range(REPEATED):
            for record in records:
                record["job"]["block"] += 1000
                file.write(msgspec.json.encode(record | {"output": str(number)}) + b"\n")
    tracemalloc.start()
    run = read_run(path)
    held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run.records) == REPEATED * len(records) > 5 * AT_ONCE
    assert held_bytes < 0.5 * path.stat().st_size
    assert peak_bytes < path.stat().st_size


# What grows


def test_records_that_are_added_are_taken_apart_once_however_often_all_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []
    whole = columns._taken_apart

    def counted(records: Sequence[Record], *known: object) -> object:
        taken.extend(records)
        return whole(records, *known)  # type: ignore[arg-type]

    monkeypatch.setattr(columns, "_taken_apart", counted)
    kept, parity = Kept(), {row: a_parity_result(row) for row in ROWS}
    for block in range(30):
        for row in ROWS:
            kept.add(a_record(row, block))
        assert unranked(parity, kept.records()) == set()
        assert len(kept.records()) == len(taken) == 2 * (block + 1)


def test_states_of_the_machine_come_out_as_they_went_in() -> None:
    blocks = [
        a_block(task, block, 1e-3 * (1 + block), **changes)
        for block, changes in enumerate([{}, {"before": None}, {"after": None}, {"foreign_cores": None}])
        for task in ("linear_fit", "line_fit")
    ]
    many = [msgspec.structs.replace(block, block=number) for number, block in enumerate(blocks * AT_ONCE)]
    found = Blocks.of(many)
    assert found == many
    assert (found[-1], found[1:3]) == (many[-1], tuple(many[1:3]))
    assert found != many[1:]
