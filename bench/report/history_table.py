"""Histories of rows as tables and sentences. Pure but for pandas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import pandas as pd

from bench.analysis.history import Line, MachineHistory, Moment, Point
from bench.analysis.history import Panel as RowsOfTask
from bench.records.provenance import Difference
from bench.records.schema import Row
from bench.report.document import Document, Panel, sections_of
from bench.report.names import counted
from bench.report.units import bracketed

MARK = " *"  # of a run before which versions changed
MOST_CHANGES = 4  # that are named; of others there is the number


def when(moment: Moment) -> str:
    """Return the time of a run in UTC: 2026-11-26 10:50."""
    return moment.header.created[:16].replace("T", " ")


def changes(found: Sequence[Difference]) -> str:
    """Return what changed, in words: torch 2.12.0 → 2.13.0."""
    named = [f"{each.name} {each.then or 'none'} → {each.now or 'none'}" for each in found[:MOST_CHANGES]]
    more = len(found) - len(named)
    return ", ".join([*named, *([f"{more} others"] if more > 0 else [])])


def title(number: int, panel: RowsOfTask) -> str:
    """Return the title of a panel: machine, task, settings of its own, and the baseline."""
    with_settings = "".join(f" {name}={value}" for name, value in panel.settings.items())
    compared = panel.baseline.name if panel.baseline else "the baseline"
    settings = f" with{with_settings}" if with_settings else ""
    return f"machine {number}, {panel.task}{settings}: time of a pass / that of {compared}"


def panels(machines: Iterable[MachineHistory]) -> dict[str, pd.DataFrame]:
    """Return a table for people for each machine and task, by title."""
    return {
        title(number, panel): pd.DataFrame(
            [each for line in panel.lines for each in _readable(line, machine)], dtype=str
        )
        for number, machine in enumerate(machines, start=1)
        for panel in machine.panels
    }


def _readable(line: Line, machine: MachineHistory) -> Iterator[dict[str, str]]:
    for point in line.points:
        moment = machine.moments[point.moment]
        yield {
            "backend": line.row.backend,
            "mode": _mode(line.row),
            "run": f"{when(moment)}{MARK}" if moment.changed else when(moment),
            "× baseline": bracketed(point.ratio, point.interval),
            "verdict": "" if point.verdict == "too few rounds" else point.verdict,
            "note": f"not counted: {point.reason}" if point.reason else "",
        }


def _mode(row: Row) -> str:
    """Return the mode of a row, with the device and the precision where they are not the usual ones."""
    unusual = [name for name in (row.device, row.precision) if name not in ("cpu", "float32")]
    return " ".join((row.mode, *unusual))


def document(machines: Sequence[MachineHistory]) -> Document:
    """Return the tables and sentences as a result for people."""
    return Document(
        title="Ratios over many runs",
        summary=(),
        remarks=(),
        panels=tuple(Panel(name, table) for name, table in panels(machines).items()),
        sections=sections_of(("What changed", sentences(machines), "")),
    )


def frame(machines: Iterable[MachineHistory]) -> pd.DataFrame:
    """Return a line for each row and run, with numbers for programs; `machine` is the number of the machine, from 1."""
    return pd.DataFrame(
        [
            _columns(number, machine.moments[point.moment], line.row, point)
            for number, machine in enumerate(machines, start=1)
            for panel in machine.panels
            for line in panel.lines
            for point in line.points
        ]
    )


def _columns(machine: int, moment: Moment, row: Any, point: Point) -> dict[str, Any]:
    return {
        "machine": machine,
        "run": moment.run,
        "created": moment.header.created,
        **msgspec.structs.asdict(row),
        "ratio": point.ratio,
        "ratio_low": point.interval.low if point.interval else None,
        "ratio_high": point.interval.high if point.interval else None,
        "verdict": point.verdict,
        "reason": point.reason,
        "changed": changes(moment.changed),
    }


def about(machines: Iterable[MachineHistory]) -> str:
    """Return a short line on each machine."""
    return "\n".join(_about(number, each) for number, each in enumerate(machines, start=1))


def _about(number: int, each: MachineHistory) -> str:
    header, count = each.moments[0].header, len(each.moments)
    machine = header.machine
    host = f"{header.host}, " if header.host else ""
    hardware = f"{host}{machine.cpu}, {counted(machine.cores, 'core')}, {machine.system}"
    return f"machine {number}: {hardware}; {counted(count, 'run')}"


def sentences(machines: Sequence[MachineHistory]) -> list[str]:
    """Return what each machine is, how many runs it made, how it differs from the first one, and what changed there."""
    found = []
    for number, each in enumerate(machines, start=1):
        unlike = "; ".join(f"{one.name}: {one.now or 'none'}, not {one.then or 'none'}" for one in each.differs)
        found.append(_about(number, each) + (f". It is another machine than the first: {unlike}" if unlike else ""))
        found += [f"{when(one)}{MARK} {changes(one.changed)}" for one in each.moments if one.changed]
    if len(machines) > 1:
        found.append("Ratios of different machines are never joined: each has tables and lines of its own.")
    return found
