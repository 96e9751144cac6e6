"""`bench check-backend`: does a backend satisfy the contract?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backends.registry import BACKENDS
from bench.cli import console, exit_codes
from bench.cli.options import DataDir, Modes, TimeLimit
from bench.errors import require_name
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.report import terminal

if TYPE_CHECKING:
    from bench.conformance.examine import BackendFinding

WORDS = {"holds": "yes", "fails": "NO"}  # the other statuses are shown as they are


def check_backend(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="Backends by name, built in or from another package.")
    ],
    mode: Modes = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="Check parity on this task instead of on all; repeatable."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="Run only this check, such as follows or parity; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
) -> None:
    """Check that backends satisfy the contract.

    For each failure it says how to correct it.
    """
    from bench.conformance.examine import examination, worst

    names = list(dict.fromkeys(names))
    for name in names:  # before the first check, because checks may take minutes
        require_name(name, BACKENDS, "backend")
        for each in mode or ():
            require_name(each, BACKENDS[name].modes, "mode")
    setup, codes = make_setup(None, time_limit, data_dir), []
    for name in names:
        with (
            console.progress() as listener,
            examination(name, mode or (), task or ("all",), setup, listener, check or ()) as examined,
        ):
            findings = list(examined.all())
        show_findings(findings, title=name if len(names) > 1 else "")
        codes.append(exit_codes.of_conformance(worst(findings), wrong=examined.wrong))
    raise typer.Exit(exit_codes.worst(codes))


def show_findings(findings: Sequence[BackendFinding], title: str) -> None:
    """Print the table of a backend's checks under a title, if any, and the notes below it."""
    screen = console.output()
    if title:
        terminal.print_title(screen, title)
    terminal.print_lines(screen, check_lines(findings))
    for note in notes(findings):
        terminal.print_sentence(screen, f"\n{note}")
    if title:
        screen.print()


def check_lines(findings: Sequence[BackendFinding]) -> list[dict[str, str]]:
    """Return a line for each check, with a column for each mode."""
    modes = dict.fromkeys(finding.mode for finding in findings)
    cells = {(finding.check, finding.mode): WORDS.get(finding.status, finding.status) for finding in findings}
    checks = dict.fromkeys(finding.check for finding in findings)
    return [{"check": check} | {mode: cells[check, mode] for mode in modes} for check in checks]


def notes(findings: Sequence[BackendFinding]) -> Iterator[str]:
    """Yield a sentence for each reason, with the checks that have it."""
    by_reason: dict[tuple[str, str], list[BackendFinding]] = {}
    for finding in findings:
        by_reason.setdefault((finding.mode, finding.reason), []).append(finding)
    for (mode, reason), noted in by_reason.items():
        if reason:
            checks = ", ".join(finding.check for finding in noted)
            yield f"{mode}: {checks}: {WORDS.get(noted[0].status, noted[0].status)}: {reason}"
