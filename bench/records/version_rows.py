"""The rows of two versions of one backend, which `bench ab` trains side by side, and the names that people see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from msgspec import structs

from bench.records.runfile import Others, Records, Run
from bench.records.schema import Record, Row

OLD, NEW = "old", "new"
FEWEST_PARTS = 2  # of a version number in a name: 2.13, not 2


def version_name(backend: str, which: str) -> str:
    """Return the name of a version of a backend in the rows of a run, such as torch@old."""
    return f"{backend}@{which}"


@dataclass(frozen=True)
class Pair:
    """The rows of two versions of a backend, as a run file names them, and the versions of their framework."""

    old: Row
    new: Row
    old_version: str  # empty if no process has told it
    new_version: str

    @property
    def names(self) -> dict[str, str]:
        """For people, the name of each of the two: torch@2.12 for torch@old, where the versions differ."""
        named = zip((self.old, self.new), short_versions(self.old_version, self.new_version), strict=True)
        return {row.backend: version_name(_backend(row), version) if version else row.backend for row, version in named}


def short_versions(old: str, new: str) -> tuple[str, str]:
    """Return two versions as short as they can still be told apart; two empty texts if they are the same.

    What stands behind a plus sign, such as the kind of a build, is left out where the rest differs.
    """
    if old == new or not (old and new):
        return "", ""
    public = [version.partition("+")[0] for version in (old, new)]
    if public[0] == public[1]:
        return old, new
    parts = [version.split(".") for version in public]
    alike = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*parts, strict=False))))
    kept = max(FEWEST_PARTS, alike + 1)
    return ".".join(parts[0][:kept]), ".".join(parts[1][:kept])


def pairs_of(run: Run) -> tuple[Pair, ...]:
    """Return the pairs of rows that are the same but for the version of their backend."""
    rows = set(run.header.rows)
    named = [(old, structs.replace(old, backend=version_name(_backend(old), NEW))) for old in run.header.rows]
    both = [(old, new) for old, new in named if old.backend == version_name(_backend(old), OLD) and new in rows]
    versions = _versions(run) if both else {}
    return tuple(Pair(old, new, versions.get(old, ""), versions.get(new, "")) for old, new in both)


def _backend(row: Row) -> str:
    return row.backend.rpartition("@")[0]


def _versions(run: Run) -> dict[Row, str]:
    """Return the version of the framework of each row, by its first process that has told it."""
    columns = run.records.columns
    told: dict[Row, str] = {}
    for row, places in columns.by_row().items():
        resources = (columns.resources_of(place) for place in places.tolist())
        told[row] = next((each.framework for each in resources if each is not None), "")
    return told


def with_version_names(run: Run) -> Run:
    """Return a run whose rows have the names of versions that people see; the same run if it compares no versions."""
    names = {name: shown for pair in pairs_of(run) for name, shown in pair.names.items() if name != shown}
    if not names:
        return run
    return replace(
        run,
        header=structs.replace(run.header, rows=tuple(_renamed(row, names) for row in run.header.rows)),
        records=_renamed_records(run.records, names),
        others=lambda: _renamed_others(run.others(), names),
    )


def _renamed_others(others: Others, names: Mapping[str, str]) -> Others:
    results = tuple(structs.replace(each, row=_renamed(each.row, names)) for each in others.parity_results)
    return replace(others, parity_results=results)


def _renamed(row: Row, names: Mapping[str, str]) -> Row:
    return structs.replace(row, backend=names.get(row.backend, row.backend))


def _renamed_records(records: Records, names: Mapping[str, str]) -> Records:
    columns = replace(records.columns, rows=tuple(_renamed(row, names) for row in records.columns.rows))

    def read(places: Sequence[int]) -> Iterator[Record]:
        for record in records.read(places):
            job = structs.replace(record.job, row=_renamed(record.job.row, names))
            yield structs.replace(record, job=job)

    return Records(columns, read)
