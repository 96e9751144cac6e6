"""Exit codes: what they mean, and which one belongs to each kind of result. Nothing else decides them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from enum import IntEnum

from bench.cli.interrupts import INTERRUPTED
from bench.errors import UserError
from bench.records.provenance import NotComparable
from bench.records.schema import FAILURES, ParityResult


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1  # a row, a download or a claim failed, or nothing could run
    USAGE_ERROR = 2
    PARITY_FAILED = 3  # a backend does not compute what the task defines
    SLOWER = 4  # `bench compare --fail-on`: a row is surely slower than that
    NOT_COMPARABLE = 5  # unfair times, runs or machines that cannot be compared; with --strict: cannot tell
    INTERRUPTED = INTERRUPTED


def of_error(error: UserError) -> ExitCode:
    """Return the code of an error that a user can cause."""
    return ExitCode.NOT_COMPARABLE if isinstance(error, NotComparable) else ExitCode.USAGE_ERROR


def of_parity(statuses: Iterable[str], results: Iterable[ParityResult]) -> ExitCode:
    """Return the code for rows with these statuses and parity results: wrong numbers first, then failures.

    It is also a failure when no row could run at all.
    """
    statuses, results = list(statuses), list(results)
    if any(result.agrees is False for result in results):
        return ExitCode.PARITY_FAILED
    failed = any(status in FAILURES for status in (*statuses, *(result.status for result in results)))
    return ExitCode.FAILED if failed or "ok" not in statuses else ExitCode.OK


def of_run(statuses: Iterable[str], results: Iterable[ParityResult], *, interrupted: bool, all_fair: bool) -> ExitCode:
    """Return the code of a timed run: as for parity, then `NOT_COMPARABLE` if the times of a row are unfair."""
    if interrupted:
        return ExitCode.INTERRUPTED
    code = of_parity(statuses, results)
    return ExitCode.NOT_COMPARABLE if code is ExitCode.OK and not all_fair else code


def of_merge(kinds: Iterable[str]) -> ExitCode:
    """Return the code of merging run files, from what became of each: a failure if one was refused."""
    return ExitCode.FAILED if "refused" in kinds else ExitCode.OK


def of_comparison(kinds: Collection[str], *, slower: bool, undecided: bool, strict: bool) -> ExitCode:
    """Return the code of a comparison of two runs, from the kinds of changes that were found.

    `slower` says whether a row surely exceeds the limit of --fail-on, `undecided` whether one cannot be told; that is
    no failure unless `strict`.
    """
    if "wrong" in kinds:
        return ExitCode.PARITY_FAILED
    if slower:
        return ExitCode.SLOWER
    return ExitCode.NOT_COMPARABLE if (undecided and strict) or "missing" in kinds else ExitCode.OK


def of_tracked(causes: AbstractSet[str]) -> ExitCode:
    """Return the code of a file for trackers, from the causes for which rows are not in it."""
    if "wrong" in causes:
        return ExitCode.PARITY_FAILED
    if causes & {"failed", "not run"}:
        return ExitCode.FAILED
    return ExitCode.NOT_COMPARABLE if causes else ExitCode.OK


def of_doctor(worst_level: str) -> ExitCode:
    """Return the code of `bench doctor` from the level of its worst finding."""
    return ExitCode.NOT_COMPARABLE if worst_level == "bad" else ExitCode.OK


def of_conformance(worst_status: str, *, wrong: bool) -> ExitCode:
    """Return the code of `bench check-backend`; `wrong` says that a parity tier found a fault."""
    if wrong:
        return ExitCode.PARITY_FAILED
    return ExitCode.OK if worst_status == "holds" else ExitCode.FAILED


def of_claims(*, all_hold: bool) -> ExitCode:
    """Return `OK` if all hold (data files available, claims of the self-test), else `FAILED`."""
    return ExitCode.OK if all_hold else ExitCode.FAILED


def of_detection(*, all_as_expected: bool) -> ExitCode:
    """Return `OK` if all faults were caught or there was no false alarm, else `PARITY_FAILED`."""
    return ExitCode.OK if all_as_expected else ExitCode.PARITY_FAILED


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the worst of the codes of one command, `OK` for none; a higher code is worse."""
    return max(codes, default=ExitCode.OK)
