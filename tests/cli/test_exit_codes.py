"""Exit codes, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from support import a_parity_result, a_row

from bench.cli import exit_codes
from bench.cli.exit_codes import ExitCode
from bench.errors import BadChoice, UserError
from bench.records.provenance import NotComparable
from bench.tasks.memory import TooLarge

ROW = a_row("linear_fit")
RIGHT, WRONG = a_parity_result(ROW), a_parity_result(ROW, agrees=False)
CRASHED = a_parity_result(ROW, agrees=None, status="crashed")
UNSUPPORTED = a_parity_result(ROW, agrees=None, status="unsupported")


def test_the_numbers_are_those_that_scripts_know() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "FAILED": 1, "USAGE_ERROR": 2, "PARITY_FAILED": 3, "SLOWER": 4, "NOT_COMPARABLE": 5, "INTERRUPTED": 130
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("no"), 2), (BadChoice("no"), 2), (TooLarge("no"), 2), (NotComparable("no"), 5)],
)
def test_errors(error: UserError, code: int) -> None:
    assert exit_codes.of_error(error) == code


@pytest.mark.parametrize(
    ("statuses", "results", "code"),
    [
        (["ok"], [RIGHT], 0),
        (["ok", "unsupported"], [RIGHT, UNSUPPORTED], 0),
        (["ok", "crashed"], [RIGHT], 1),
        (["ok", "timeout"], [RIGHT], 1),
        (["ok", "no data"], [RIGHT], 1),
        (["ok"], [RIGHT, CRASHED], 1),
        (["unsupported"], [UNSUPPORTED], 1),
        ([], [], 1),
        (["ok", "crashed"], [RIGHT, WRONG, CRASHED], 3),
        ([], [WRONG], 3),
    ],
)
def test_parity_and_runs(statuses: list[str], results: list[Any], code: int) -> None:
    assert exit_codes.of_parity(statuses, results) == code
    assert exit_codes.of_run(statuses, results, interrupted=False, all_fair=True) == code
    assert exit_codes.of_run(statuses, results, interrupted=False, all_fair=False) == (code or 5)
    assert exit_codes.of_run(statuses, results, interrupted=True, all_fair=False) == 130


@pytest.mark.parametrize(
    ("kinds", "slower", "undecided", "code", "strict_code"),
    [
        ((), False, False, 0, 0),
        (("equivalent", "identical", "faster", "new", "unsupported"), False, False, 0, 0),
        (("slower",), False, False, 0, 0),  # without --fail-on
        (("slower",), True, False, 4, 4),
        (("inconclusive",), False, True, 0, 5),
        (("missing",), False, False, 5, 5),
        (("slower", "missing"), True, True, 4, 4),
        (("slower", "missing", "wrong"), True, True, 3, 3),
    ],
)
def test_comparisons(kinds: tuple[str, ...], slower: bool, undecided: bool, code: int, strict_code: int) -> None:
    for strict, expected in ((False, code), (True, strict_code)):
        assert exit_codes.of_comparison(kinds, slower=slower, undecided=undecided, strict=strict) == expected


@pytest.mark.parametrize(
    ("status", "wrong", "code"),
    [
        ("holds", False, 0),
        ("fails", False, 1),
        ("unsupported", False, 1),
        ("not run", False, 1),
        ("fails", True, 3),
    ],
)
def test_conformance(status: str, wrong: bool, code: int) -> None:
    assert exit_codes.of_conformance(status, wrong=wrong) == code


@pytest.mark.parametrize(("codes", "worst"), [((), 0), ((0, 0), 0), ((0, 1, 0), 1), ((3, 1, 0), 3), ((0, 3), 3)])
def test_the_worst_of_several_backends(codes: tuple[int, ...], worst: int) -> None:
    assert exit_codes.worst(map(ExitCode, codes)) == worst


def test_machine_claims_and_detection() -> None:
    assert [exit_codes.of_doctor(level) for level in ("good", "warning", "bad")] == [0, 0, 5]
    assert [exit_codes.of_claims(all_hold=each) for each in (True, False)] == [0, 1]
    assert [exit_codes.of_detection(all_as_expected=each) for each in (True, False)] == [0, 3]
