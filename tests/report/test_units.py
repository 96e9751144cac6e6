"""Numbers with units."""

from __future__ import annotations

import pytest

from bench.report.units import multiple, seconds


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(12.345, "12.3 s"), (0.36, "360 ms"), (0.0005, "500 µs"), (-0.002, "-2 ms"), (float("nan"), "")],
)
def test_a_time_has_three_digits_and_a_unit_that_suits_it(time_s: float, text: str) -> None:
    assert seconds(time_s) == text


@pytest.mark.parametrize(("ratio", "text"), [(1.0, "1.00"), (0.123, "0.12"), (99.994, "99.99"), (1234.5, "1,234")])
def test_a_ratio_has_two_decimals_or_as_many_digits_as_it_deserves(ratio: float, text: str) -> None:
    assert multiple(ratio) == text
