"""Check a run file and write its lines into a store, where they count as soon as the catalog has its run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from backends.contract import Array
from bench.errors import shown
from bench.merging.catalog import Addition, Catalog, Known
from bench.merging.checks import fingerprints, too_early, too_fast, twice
from bench.merging.files import replacing
from bench.merging.sameness import DigestSoFar
from bench.merging.summaries import summaries_of
from bench.records.lines import BYTE_ORDER_MARK, Lines
from bench.records.machines import machine_key
from bench.records.runfile import Numbered, header_of, read_with_numbers
from bench.records.schema import Header
from bench.records.store.layout import Store
from bench.records.store.reading import lines_of_runs, run_of
from bench.records.store.tables import write_lines, write_records

LONGEST_NAME = 60  # characters of a name, beside the id


class Refused(Exception):
    """Raised for a run file that is not merged; the message says why, with file and line."""


def id_of(path: Path) -> str:
    """Return what tells a run from all others: 16 hexadecimal digits of its header. Raises `NotARunFile`."""
    first = next(Lines(path), None)
    header_of(first, path)
    content = msgspec.json.decode(first.text.removeprefix(BYTE_ORDER_MARK)) if first else None
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]


def addition_of(path: Path, run_id: str, store: Store, catalog: Catalog, known: Known | None) -> tuple[Addition, Array]:
    """Write the lines of a run file into a store; return what the catalog needs, and fingerprints of its records.

    Raises `Refused` and `NotARunFile` for a file that is not merged, and OSError.
    """
    read = read_with_numbers(path)
    name = known.name if known else f"{_stem(path)}-{run_id}"
    prints = _checked(read, catalog, name)
    machine = machine_key(read.run.header)
    tasks = _write_records(store, read, machine, name)
    header, others, digest, lines = _write_others(store, read, machine, name)
    line = {
        "run": name,
        "id": run_id,
        "machine": machine,
        "file": shown(path.name),
        **_facts(read.run.header),
        "lines": lines,
        "others": others,
        "records": len(read.run.records),
        "tasks": [{"task": task, "records": count} for task, count in tasks.items()],
        "digest": digest,
        "header": header,
        "resources": msgspec.json.encode(read.run.records.columns.each_resources),
        "fingerprints": prints[prints != 0].tobytes(),
    }
    return Addition(line, summaries_of(replace(read.run, path=Path(name)))), prints


def _stem(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("-.")[:LONGEST_NAME] or "run"


def _facts(header: Header) -> dict[str, Any]:
    machine = header.machine
    names = ("system", "cpu", "blas", "cores", "memory_bytes", "quota_cores", "gpus", "instructions")
    of_run = ("host", "instead_of", "created", "commit", "command", "threads")
    return {
        **{name: getattr(header, name) for name in of_run},
        **{name: getattr(machine, name) for name in names},
        "versions": list(header.versions.items()),
    }


def _checked(read: Numbered, catalog: Catalog, name: str) -> Array:
    """Return the fingerprints of the records. Raises `Refused` for records that cannot be, or that another run has."""
    run, columns = read.run, read.run.records.columns
    prints = fingerprints(columns)
    found = too_fast(columns) or too_early(run.header, read.texts(range(len(columns))))
    if found is None and (same := twice(prints)):
        found = same[0], f"it has the same times as line {read.numbers[same[1]]}: one measurement is one record"
    if found is None and (other := catalog.owner(prints, name)):
        found = other[0], f"it is a record of another run, {other[1]}, which is in the store"
    if found is not None:
        place, why = found
        row = columns.rows[columns["row"][place]]
        raise Refused(f"{run.path}: line {read.numbers[place]}, a record of {shown(str(row))}, cannot be: {why}")
    return prints


def _write_records(store: Store, read: Numbered, machine: str, name: str) -> dict[str, int]:
    """Write the records of each task into a file; return how many each task has."""
    run = read.run
    tasks = [row.task for row in run.records.columns.rows]
    of_task = np.array([tasks.index(task) for task in tasks], int)[run.records.columns["row"]]
    found = {}
    for number in np.unique(of_task).tolist():
        places = np.flatnonzero(of_task == number)
        words = {"run": name, "machine": machine, "task": tasks[number]}
        columns, texts = run.records.columns.take(places), read.texts(places.tolist())
        with replacing(store.records(machine, tasks[number], name)) as beside:
            write_records(beside, columns, read.numbers[places], texts, words)
        found[tasks[number]] = len(places)
    return found


def _write_others(store: Store, read: Numbered, machine: str, name: str) -> tuple[bytes, int, str, int]:
    """Write the lines that are no records; return the header, their number, and digest and number of all lines.

    Lines that repeat a record are among them, so that the file can be written again as it was.
    """
    records = frozenset(read.numbers.tolist())
    lines = Lines(read.run.path)
    header = next(lines)
    found = DigestSoFar()
    found.add(header.text)
    with replacing(store.lines(machine, name)) as beside:
        count = write_lines(
            beside, (each for each in found.through(lines, read.run.whole) if each.number not in records)
        )
    return header.text.removeprefix(BYTE_ORDER_MARK), count, found.digest, found.count


def summarised_again(store: Store, segment: Path, names: Container[str]) -> Iterator[Addition]:
    """Yield the runs with these names in a file of the table `runs`, with summaries made anew from their records."""
    for line in lines_of_runs(segment):
        if line["run"] in names:
            run = run_of(store, line)
            fresh = replace(run, path=Path(line["run"]), records=replace(run.records, kept={}))
            yield Addition(line, summaries_of(fresh))
