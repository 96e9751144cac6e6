"""An entry whose module loads its framework, which it must not."""

from __future__ import annotations

import colorsys  # noqa: F401 - stands for a framework

from backends.registry import Entry

ENTRY = Entry(
    name="careless",
    module="nonconforming",
    modes=("right",),
    framework="colorsys",
    distributions=("nonconforming",),
    install="pip install nonconforming",
)
