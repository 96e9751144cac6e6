"""The NumPy backend with one planted cheat per mode: each must be caught, and none may be ranked.

The trainers are in `bench.selftest.cheats`; `bench.selftest.caught` runs them and says what caught them.
"""

from __future__ import annotations

from collections.abc import Callable

from backends import numpy_backend
from backends.contract import Placement, Problem
from backends.numpy_backend import NumpyTrainer
from bench.selftest.cheats import (
    ChildWorks,
    EndsEarlyLater,
    EveryTwentiethLater,
    HalfPrecisionLater,
    KeepsState,
    LastLayerLater,
    ParamsAveraged,
    PatchedClock,
    PredictsAveraged,
    PredictsHalf,
    Remembers,
    SkipsLater,
    TrainsInReset,
    WaitsFirst,
)

PRODUCT = "product_at_once"
CHEATS: dict[str, tuple[str, Callable[[Problem, Placement], NumpyTrainer]]] = {
    "skips_later": ("skips after the first training", SkipsLater),
    "remembers": ("remembers by start and order", Remembers),
    "trains_in_reset": ("trains in reset", TrainsInReset),
    "waits_first": ("waits after the first pass only", WaitsFirst),
    "ends_early_later": ("leaves out the last tenth of the steps, later", EndsEarlyLater),
    "every_twentieth_later": ("leaves out every twentieth step, later", EveryTwentiethLater),
    "last_layer_later": ("updates only the last layer, later", LastLayerLater),
    "half_precision_later": ("half precision, later", HalfPrecisionLater),
    "keeps_state": ("reset keeps the optimizer's state", KeepsState),
    "params_averaged": ("params hands out averages", ParamsAveraged),
    "predicts_averaged": ("predicts with averages", PredictsAveraged),
    "predicts_half": ("predicts in half precision", PredictsHalf),
    PRODUCT: ("a product that returns at once", NumpyTrainer),
    "patched_clock": ("a patched clock", PatchedClock),
    "child_works": ("a child process that works", ChildWorks),
}


def open_trainer(problem: Problem, placement: Placement) -> NumpyTrainer:
    """Return the trainer of a cheat."""
    _, trainer = CHEATS[placement.mode]
    return trainer(problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size], or says so."""
    return (lambda: None) if placement.mode == PRODUCT else numpy_backend.open_product(size, placement)
