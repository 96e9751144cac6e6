"""What the types of a run file cannot say: whether a line belongs to its run, and whether its parts fit together. Pure.

Run files are joined, cut and edited by hand. A line that cannot have come from a run of its header is refused, because
its numbers would stand in a table like any others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from bench.records.schema import Block, Header, Inference, Line, Record, Row, Timing, Turns


@dataclass(frozen=True)
class Known:
    """What a header names."""

    rows: Mapping[Row, Row]  # from each row to itself: one object for all lines that name it
    tasks: frozenset[str]

    @classmethod
    def of(cls, header: Header) -> Self:
        """Collect it from a header, once for all lines."""
        return cls({row: row for row in header.rows}, frozenset(row.task for row in header.rows))


def fault(line: Line, known: Known) -> str:
    """Return what is wrong with a line that follows a header; empty if nothing is."""
    match line:
        case Header():
            return "a second header: here another run begins; put each run into a file of its own"
        case Record():
            return _foreign(line.job.row, known.rows) or _fault_of_record(line)
        case Block():
            return "" if line.task in known.tasks else f"a round of {line.task}, which the header does not name"
        case _:
            return _foreign(line.row, known.rows)


def _foreign(row: Row, rows: Collection[Row]) -> str:
    return "" if row in rows else f"a result of {row}, which the header does not name"


def _fault_of_record(record: Record) -> str:
    missing = [name for name in ("timing", "quality", "resources") if getattr(record, name) is None]
    if missing and record.status == "ok":
        return f"a good sample without {' and '.join(missing)}"
    if record.inference is not None and (wrong := _fault_of_inference(record.inference)):
        return wrong
    timing, resources = record.timing, record.resources
    if resources is not None and resources.dtype != record.job.row.precision:
        return f"a sample of {record.job.row} that was trained in {resources.dtype}"
    return _fault_of_timing(timing) if timing is not None else ""


def _fault_of_inference(found: Inference) -> str:
    if not found.calls:
        return ""
    if found.latency_median_s is None or not found.rows or not found.latency_s:
        return "inference with calls and without their times"
    turns = {"latency_s": len(found.latency_s), "batch_s": len(found.batch_s)}
    if len(set(turns.values())) > 1:
        return f"inference whose lists differ in length: {', '.join(f'{name} {size}' for name, size in turns.items())}"
    return ""


def _fault_of_timing(timing: Timing) -> str:
    turns = timing.turns
    if not timing.passes_s or not (timing.steady_s or (turns and turns.passes_s)):
        return "times without a steady pass"
    if not timing.read_s or not timing.reread_s:
        return "times without readings of the parameters"
    return _fault_of_turns(turns) if turns else ""


def _fault_of_turns(turns: Turns) -> str:
    lists = {name: getattr(turns, name) for name in turns.__struct_fields__}
    sizes = {name: len(values) for name, values in lists.items() if values or name in ("passes", "wall_s", "cpu_s")}
    if len(set(sizes.values())) > 1:
        return f"turns whose lists differ in length: {', '.join(f'{name} {size}' for name, size in sizes.items())}"
    for name, other in (("reads", "read_s"), ("took_s", "asked_s")):
        if bool(lists[name]) != bool(lists[other]):
            return f"turns with only one of {name} and {other}"
    if any(passes and not wall_s for passes, wall_s in zip(turns.passes, turns.wall_s, strict=True)):
        return "a turn with passes that took no time"
    return ""
