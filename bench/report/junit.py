"""A comparison as JUnit XML, which programs of continuous integration show as a list of tests. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from bench.analysis.changes import Change, too_slow, undecided
from bench.report.compare_sentences import cannot_tell
from bench.report.text import visible
from bench.report.units import bracketed, percent, seconds

Outcome = Error | Failure | Skipped


def as_junit(found: Sequence[Change], limit: float | None, effect: float, *, strict: bool, where: str) -> bytes:
    """Return a test for each row.

    A row that is surely slower fails: by more than `limit`, or at all where there is none. So does a row that is wrong.
    A row that is missing now, or whose times are unfair, is an error. One that cannot be told from a row at the limit
    is skipped, or fails if `strict`; so is one that no version supports. `effect` is the change that matters without a
    limit, and `where` says which rounds would tell more.
    """
    slow = {each.row for each in found if each.kind == "slower"} if limit is None else _rows(too_slow(found, limit))
    bound = effect if limit is None else limit
    still_open = _rows(undecided(found, bound)) - slow
    suite = TestSuite("levelfield")
    for change in found:
        case = TestCase(_plain(change.row.name), classname=_plain(change.row.task))
        outcome = _outcome(change, bound, slower=change.row in slow, is_open=change.row in still_open, where=where)
        if isinstance(outcome, Skipped) and change.row in still_open and strict:
            outcome = Failure(outcome.message, "undecided")
        if outcome is not None:
            case.result = [outcome]
        case.system_out = _plain(_said(change))
        suite.add_testcase(case)
    report = JUnitXml("bench")
    report.add_testsuite(suite)
    written: bytes = report.tostring()  # type: ignore[no-untyped-call]
    return written


def _rows(found: Sequence[Change]) -> set[object]:
    return {change.row for change in found}


def _outcome(change: Change, bound: float, *, slower: bool, is_open: bool, where: str) -> Outcome | None:
    """Return what a test came to; None if it passed."""
    reason = _plain(change.reason)
    if change.kind == "wrong":
        return Failure(f"wrong: {reason}", "wrong")
    if slower:
        ratio = bracketed(change.ratio, change.interval)
        return Failure(f"slower: {ratio} times the time before; {percent(bound)} is what counts", "slower")
    if change.kind == "missing":
        return Error(f"missing: {reason}", "missing")
    if is_open:
        return Skipped(_plain(cannot_tell(change, bound, where)))
    return Skipped(f"unsupported: {reason}") if change.kind == "unsupported" else None


def _said(change: Change) -> str:
    """Return what was found, for a row that has times in both."""
    if change.then_s is None or change.now_s is None:
        return change.reason
    ratio = bracketed(change.ratio, change.interval) or "1"
    return f"{change.kind}: {seconds(change.then_s)} then, {seconds(change.now_s)} now; now / then: {ratio}"


def _plain(text: str) -> str:
    """Return text on one line, without the characters that XML cannot hold."""
    return visible(text).replace("\n", " ")
