"""Planted faults of layers for sequences: each is caught on a small transformer; a right backend never is."""

from __future__ import annotations

import numpy as np
import pytest
from followed import follows, times
from sentences import small_transformer

from backends import numpy_backend
from bench.selftest import faulty
from bench.selftest.faulty import FAULTS

TASK = small_transformer()
OF_SEQUENCES = (
    *("unbiased_variance", "keras_epsilon", "gelu_by_tanh", "attention_unscaled"),
    *("padding_unmasked", "positions_left_out", "residual_left_out", "padding_trained"),
)


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_a_planted_fault_is_caught_in_both_precisions(name: str) -> None:
    assert FAULTS[name].concerns(TASK)
    assert follows(TASK, faulty, name)
    assert times(TASK, faulty, name)


@pytest.mark.parametrize("seed", range(4))
def test_a_right_backend_is_not(seed: int) -> None:
    assert follows(TASK, numpy_backend, "loop", seed) == ""
    assert times(TASK, numpy_backend, "loop", seed) == ""


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.concerns(TASK)])
def test_every_other_fault_that_concerns_it_can_be_planted(name: str) -> None:
    with np.errstate(all="ignore"):
        assert follows(TASK, faulty, name) or times(TASK, faulty, name) or name == "replayed"
