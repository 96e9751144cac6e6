"""Planted faults of layers for sequences: each is caught on a small transformer; a right backend never is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from sentences import small_transformer
from support import no_files

from backends import numpy_backend, numpy_reference
from backends.contract import Placement, Precision
from bench.parity.envelope import Envelope
from bench.parity.rounding import surrounded
from bench.parity.tiers import compare_repetition, compare_timed_metric, compare_traces, first_fault
from bench.parity.traces import Trace, traces, training_results
from bench.selftest import faulty
from bench.selftest.faulty import FAULTS
from bench.tasks.training import Training, make_training, reseeded

TASK = small_transformer()
OF_SEQUENCES = (
    *("unbiased_variance", "keras_epsilon", "gelu_by_tanh", "attention_unscaled"),
    *("padding_unmasked", "positions_left_out", "residual_left_out", "padding_trained"),
)


def place(mode: str, precision: Precision) -> Placement:
    return Placement(mode=mode, device="cpu", precision=precision, threads=1)


@cache
def training(precision: Precision, seed: int) -> Training:
    return reseeded(make_training(TASK, precision, no_files), TASK, precision, seed)


@cache
def right(seed: int) -> Trace:
    return next(traces(numpy_reference, place("plain", "float64"), [training("float64", seed)], TASK.check_epochs))


@cache
def envelope(precision: Precision, seed: int) -> Envelope:
    return surrounded(training("float64", seed), training(precision, seed), seed)


def follows(backend: Any, mode: str, seed: int = 0) -> str:
    """Return what is wrong with a float64 trace, empty if nothing is."""
    trace = next(traces(backend, place(mode, "float64"), [training("float64", seed)], TASK.check_epochs))
    return first_fault(compare_traces(trace, right(seed), lambda: envelope("float64", seed)))


def times(backend: Any, mode: str, seed: int = 0) -> str:
    """Return what is wrong with a whole training in float32, empty if nothing is."""
    found = next(training_results(backend, place(mode, "float32"), [training("float32", seed)]))
    explained = envelope("float32", seed)
    whole = compare_repetition(found.losses, found.params, found.evaluation.outputs, "float32", explained)
    return first_fault([whole, compare_timed_metric("accuracy", found.metric, "float32", explained)])


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_a_planted_fault_is_caught_in_both_precisions(name: str) -> None:
    assert FAULTS[name].concerns(TASK)
    assert follows(faulty, name)
    assert times(faulty, name)


@pytest.mark.parametrize("seed", range(4))
def test_a_right_backend_is_not(seed: int) -> None:
    assert follows(numpy_backend, "loop", seed) == ""
    assert times(numpy_backend, "loop", seed) == ""


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.concerns(TASK)])
def test_every_other_fault_that_concerns_it_can_be_planted(name: str) -> None:
    with np.errstate(all="ignore"):
        assert follows(faulty, name) or times(faulty, name) or name == "replayed"
