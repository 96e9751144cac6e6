"""Numbers with units, as people read them. Pure."""

from __future__ import annotations

import pandas as pd

from bench.analysis.stats import Interval


def _megabytes(memory_bytes: float | None) -> str:
    return "" if pd.isna(memory_bytes) else f"{memory_bytes / 1e6:,.0f} MB"


def bracketed(ratio: float | None, interval: Interval | None) -> str:
    """Return a ratio and its interval, empty for none."""
    if ratio is None:
        return ""
    return f"{multiple(ratio)} [{multiple(interval.low)}, {multiple(interval.high)}]" if interval else multiple(ratio)


def multiple(ratio: float) -> str:
    """Return a ratio with two decimals, or with as many digits as a large one deserves."""
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def seconds(time_s: float) -> str:
    """Return a time with three digits and the unit that suits it, empty for none."""
    if pd.isna(time_s):
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(time_s) >= size or unit == "µs":
            return f"{time_s / size:.3g} {unit}"
    raise AssertionError
