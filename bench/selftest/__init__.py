"""Whether the suite's own claims hold on this machine: `bench selftest`."""

from __future__ import annotations

from backends.registry import Entry

# What it trains with is no backend for users, and stands in no list of backends. Only workers look it up.
SELFTEST = Entry(
    name="selftest",
    module="bench.selftest.backend",
    modes=(
        "same",
        "again",
        "slower",
        "no_op",
        "by_hand",
        "unfinished",
        "more_threads",
        "slows_down",
        "recompiles",
    ),
    framework="numpy",
    distributions=("numpy",),
    install="",
)
