"""A reader of run files that knows nothing of the suite's: what a run must hold if its file was accepted."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import msgspec

from bench.records.runfile import Run

WHITE = b" \t\r"
MARK = b"\xef\xbb\xbf"
MISSING = msgspec.UNSET

fields_of = cache(msgspec.structs.fields)  # which evaluates all annotations of a class again at every call


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines that are not blank, without the white space around them and the mark before the first."""
    stripped = [line.strip(WHITE) for line in content.split(b"\n")]
    first, *others = [line for line in stripped if line]
    return [first.removeprefix(MARK).strip(WHITE), *others]


def kept_lines(run: Run, content: bytes) -> list[bytes]:
    """Return the lines that the run must consist of: all but those that a remark says are left out."""
    lines = lines_of(content)
    torn = [remark for remark in run.remarks if "cut off" in remark]
    if torn:
        lines.pop()
    kept, records, rounds = [], set(), list[Any]()
    for line in lines:
        told = json.loads(line)
        is_round, is_good = told.get("type") == "block", told.get("type") == "record" and told.get("status") == "ok"
        if not (is_round and told in rounds) and not (is_good and line in records):
            kept.append(line)
        rounds += [told] * is_round
        records.add(line)
    assert len(lines) - len(kept) == len(run.remarks) - len(torn), f"unexplained remarks: {run.remarks}"
    return kept


def assert_accounts_for(run: Run, content: bytes) -> list[bytes]:
    """Raise AssertionError unless the run is what its file tells, line by line; return the lines it consists of."""
    kept = kept_lines(run, content)
    head, *others = [json.loads(line) for line in kept]
    kinds = ("record", "verdict", "block", "lesson")
    of_kind = {kind: [each for each in others if each["type"] == kind] for kind in kinds}
    assert sum(map(len, of_kind.values())) == len(others), "a line of another kind"
    read = {"record": run.records, "verdict": run.parity_results, "block": run.blocks}
    assert_same(run.header, head)
    lessons = {line["task"]: line for line in of_kind.pop("lesson")}  # the last one of a task counts
    assert run.lessons.keys() == lessons.keys()
    for task, line in lessons.items():
        assert_same(run.lessons[task], line)
    for kind, told in of_kind.items():
        assert len(read[kind]) == len(told), f"{len(told)} lines, {len(read[kind])} {kind}s"
        for line, each in zip(read[kind], told, strict=True):
            assert_same(line, each)
    _assert_losses(run, of_kind["record"])
    return kept


def _assert_losses(run: Run, told: list[Any]) -> None:
    """Losses stand in the first record of a row; the others that have none have the same."""
    first: dict[str, Any] = {}
    for record, each in zip(run.records, told, strict=True):
        if record.quality is None:
            continue
        own = each["quality"]["losses"]
        if own:
            first.setdefault(str(record.job.row), own)
    for record, each in zip(run.records, told, strict=True):
        if record.quality is not None:
            expected = each["quality"]["losses"] or first.get(str(record.job.row), [])
            assert_same(list(record.quality.losses), expected)


def assert_same(read: Any, told: Any) -> None:
    """Raise AssertionError unless a value is the one that JSON tells; what it leaves out must have its default."""
    if isinstance(read, msgspec.Struct):
        assert isinstance(told, dict), f"{told!r} became {read!r}"
        for field in fields_of(type(read)):
            value = getattr(read, field.name)
            if field.name in told:
                left_out = field.name == "losses" and not told["losses"]  # restored, and looked at on its own
                assert left_out or assert_same(value, told[field.name]) is None
            else:
                assert not field.required, f"{field.name} was made up"
                assert value == (
                    field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
                )
    elif isinstance(read, dict):
        assert read.keys() == told.keys(), f"{told!r} became {read!r}"
        for key, value in read.items():
            assert_same(value, told[key])
    elif isinstance(read, list | tuple):
        assert isinstance(told, list), f"{told!r} became {read!r}"
        assert len(read) == len(told), f"{len(told)} entries became {len(read)}"
        for value, each in zip(read, told, strict=True):
            assert_same(value, each)
    elif isinstance(read, bytes):
        assert base64.b64decode(told) == read, f"{told!r} became {read!r}"
    elif isinstance(read, float):
        assert not isinstance(told, bool | str | None), f"{told!r} became {read!r}"
        assert read == float(told), f"{told!r} became {read!r}"
    else:
        assert type(read) is type(told) or (isinstance(read, int) and isinstance(told, float)), f"{told!r}, {read!r}"
        assert read == told, f"{told!r} became {read!r}"
