"""Formats numbers with units for people. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.analysis.stats import Interval  # whose module imports scipy


def megabytes(memory_bytes: int | None) -> str:
    """Return an amount of memory, empty for none."""
    return "" if memory_bytes is None else f"{memory_bytes / 1e6:,.0f} MB"


def percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage, such as 5 % for 0.05."""
    return f"{100 * share:.{digits}f} %"


def bracketed(ratio: float | None, interval: Interval | None) -> str:
    """Return a ratio and its interval, empty for none."""
    if ratio is None:
        return ""
    return f"{multiple(ratio)} [{multiple(interval.low)}, {multiple(interval.high)}]" if interval else multiple(ratio)


def multiple(ratio: float) -> str:
    """Return a ratio with two decimals, a large one with fewer."""
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def seconds(time_s: float) -> str:
    """Return a time with three digits and the unit that suits it, empty for none."""
    if math.isnan(time_s):
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(time_s) >= size or unit == "µs":
            return f"{time_s / size:.3g} {unit}"
    raise AssertionError


def minutes(time_s: float) -> str:
    """Return a duration of people: whole seconds below two minutes, else whole minutes."""
    return f"{time_s:.0f} s" if time_s < 120 else f"{time_s / 60:.0f} min"
