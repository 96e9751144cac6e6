"""Which row a baseline names."""

from __future__ import annotations

import pytest
from support import a_row

from bench.analysis.baseline import find_row
from bench.records.schema import Row

TORCH = [a_row("linear_fit", "torch", mode) for mode in ("compile", "eager")]
ALL = [a_row("linear_fit"), *TORCH, a_row("linear_fit", "theirs", "b"), a_row("linear_fit", "theirs", "a")]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("torch", TORCH[1]),  # the plain mode, though it stands behind the other
        ("torch:compile", TORCH[0]),
        ("torch:eager", TORCH[1]),
        ("torch:", TORCH[1]),
        ("numpy", ALL[0]),
        ("theirs", ALL[3]),  # of a backend that is not installed here: the first
        ("theirs:a", ALL[4]),
        ("jax", None),
        ("torch:graph", None),
        ("", None),
    ],
)
def test_a_backend_alone_names_its_plain_mode(name: str, row: Row | None) -> None:
    assert find_row(name, ALL) == row


def test_a_backend_whose_plain_mode_is_not_there_is_named_by_the_next() -> None:
    assert find_row("torch", TORCH[:1]) == TORCH[0]
