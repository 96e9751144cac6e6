"""Records that cannot be: faster than the processor, older than their run, or measured once and recorded twice. Pure.

What is only suspicious is not refused here: a row that is too fast for its run, or whose times do not add up, is
flagged by `bench.analysis.flags` and not ranked.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backends.contract import Array
from bench.analysis.turns import SHORTEST_S, timed
from bench.records.columns import Columns
from bench.records.lists import repeats
from bench.records.schema import Header
from bench.records.store.tables import GLANCES

# Times that no two processes share in all digits. What else a record says may be the same in two of them.
MEASURED = ("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "wall_s", "cpu_s", "product_flops_per_s")


def too_fast(columns: Columns) -> tuple[int, str] | None:
    """Return the place of the first record that is faster than its processor can be, and a sentence; None without any.

    `product_limit_flops_per_s` is what the cores can reach at 6.5 GHz. It bounds the matrix product that each process
    computes, and those of the training itself.
    """
    known = timed(columns)
    limit = known.columns["product_limit_flops_per_s"]
    product = known.columns["product_flops_per_s"] / limit
    training = known.columns["flops_per_pass"] / np.maximum(known.pass_s, SHORTEST_S) / limit
    found = np.flatnonzero((product > 1) | (training > 1))  # false where the limit is NaN
    if not len(found):
        return None
    at = found[0]
    place = int(np.flatnonzero(columns["timed"])[at])
    what, share = ("its matrix product", product[at]) if product[at] > 1 else ("its training", training[at])
    return place, f"{what} was {share:.3g} times as fast as the processor can be"


def too_early(header: Header, texts: Iterable[bytes]) -> tuple[int, str] | None:
    """Return the place of the first record that began before its run; None without any. Times are texts in UTC."""
    for place, text in enumerate(texts):
        started = GLANCES.decode(text).started
        if started and started < header.created:
            return place, f"it began at {started}, before its run, which began at {header.created}"
    return None


def fingerprints(columns: Columns) -> Array:
    """Return a number of 64 bits for each record that two records share only if they are one measurement; 0 for none.

    It follows from all digits of `MEASURED` and of the passes. Among a million records, two that differ share a number
    with a probability of 3e-8.
    """
    passes_s = columns.lists("passes_s").added_to(np.zeros(len(columns)))
    found = np.full(len(columns), 0x9E3779B97F4A7C15, np.uint64)
    for values in (*(columns[name] for name in MEASURED), passes_s):
        found = (found ^ np.ascontiguousarray(values, float).view(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        found ^= found >> np.uint64(31)
    found[~columns["timed"]] = 0
    return found


def twice(prints: Array) -> tuple[int, int] | None:
    """Return the places of the first record that is one measurement with an earlier one, and of that; None if none."""
    places = np.flatnonzero(prints)
    later, firsts = (places[found].tolist() for found in repeats(prints[places]))
    return (later[0], firsts[0]) if later else None
