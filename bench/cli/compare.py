"""`bench compare`: which rows became slower or faster from one run to another."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import console, exit_codes, reading
from bench.cli.options import Junit, Strict
from bench.errors import require_name
from bench.records.provenance import Difference, NotComparable, differences, refused
from bench.records.runfile import Run
from bench.report import terminal
from bench.runs.plan import percent

if TYPE_CHECKING:
    from bench.analysis.changes import Change

ALLOWABLE = ("machine", "versions", "settings")


def compare(
    then: Annotated[Path, typer.Argument(metavar="RUN_A", help="The earlier run file, or a folder with one.")],
    now: Annotated[Path, typer.Argument(metavar="RUN_B", help="The later run file, or a folder with one.")],
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="PERCENT",
            help="Exit with 4 if a row is surely slower by more than this.",
        ),
    ] = None,
    strict: Strict = False,
    junit: Junit = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="machine|versions|settings", help="Compare although these differ; repeatable."),
    ] = None,
) -> None:
    """Show which rows became slower or faster from one run to another.

    A row is slower, faster, equivalent, identical, inconclusive, wrong, missing or new in the second run.
    """
    from bench.analysis import changes
    from bench.report import compare_sentences

    for kind in allow or ():
        require_name(kind, ALLOWABLE, "kind of difference")
    if junit is not None:
        reading.refuse_inputs(junit, (then, now))
        require_junit(junit)
    a, b = (reading.read_one(path, "one run is compared with one other") for path in (then, now))
    limit = None if fail_on is None else percent(fail_on, "--fail-on")
    differing = _allowed_differences(a, b, allow or ())
    effect = changes.effect_of(a, b) if limit is None else limit
    found = changes.changes(a, b, effect)
    terminal.print_changes(console.output(), found)
    notes = compare_sentences.notes(found, (a.header.goal, b.header.goal), effect, changes.speed_change(a, b), limit)
    for sentence in (*notes, *(f"differs: {fact}" for fact in differing)):
        terminal.print_sentence(console.output(), sentence)
    if junit is not None:
        write_junit(junit, found, limit, effect, strict=strict)
    open_rows = changes.undecided(found, effect)
    slower = limit is not None and bool(changes.too_slow(found, limit))
    raise typer.Exit(comparison_code(found, open_rows, effect, slower=slower, strict=strict))


def require_junit(path: Path) -> None:
    """Raise `BadChoice` for a file whose name says that it is no XML."""
    console.require_ending(path, (".xml",), "JUnit XML")


def write_junit(
    path: Path,
    found: Sequence[Change],
    limit: float | None,
    effect: float,
    *,
    strict: bool,
    where: str = " in each run",
) -> None:
    """Write a comparison as JUnit XML. Raises `UserError` if that fails."""
    from bench.report.junit import as_junit

    console.write(path, as_junit(found, limit, effect, strict=strict, where=where))
    console.say(f"JUnit: {path}", file=sys.stderr)


def comparison_code(
    found: Sequence[Change],
    open_rows: Sequence[Change],
    limit: float,
    *,
    slower: bool,
    strict: bool,
    where: str = " in each run",
) -> exit_codes.ExitCode:
    """Return the exit code of a comparison; print a warning for each row that cannot be told from one at the limit."""
    from bench.report.compare_sentences import cannot_tell

    for change in open_rows:
        console.say(f"warning: {cannot_tell(change, limit, where)}", file=sys.stderr)
    kinds = {change.kind for change in found}
    return exit_codes.of_comparison(kinds, slower=slower, undecided=bool(open_rows), strict=strict)


def _allowed_differences(a: Run, b: Run, allowed: Collection[str]) -> list[Difference]:
    """Return how the provenance of two runs differs. Raises `NotComparable` if a difference is not allowed."""
    differing = list(differences(a.header, b.header))
    if found := refused(differing, allowed):
        kinds = " ".join(f"--allow {kind}" for kind in dict.fromkeys(each.kind for each in found))
        said = "; ".join(map(str, found))
        raise NotComparable(f"{b.path} cannot be compared with {a.path}. {said}. To compare anyway: {kinds}")
    return differing
