"""Verdicts: what departs is named, with its step or layer; what is only rounded passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import no_files

from backends.contract import Adam, Array, LayerParams, Momentum, Params, Placement, Problem
from backends.numpy_backend import NumpyTrainer
from bench.parity import (
    Reference,
    Trace,
    compare_gradients,
    compare_losses,
    compare_params,
    compare_timed,
    first_fault,
)
from bench.records import Quality
from bench.tasks import TASKS
from bench.tasks.overrides import override
from bench.traces import load_reference, load_trace, reference, save_reference, save_trace, trace
from bench.training import make_training

CPU = Placement(mode="loop", device="cpu", precision="float64", threads=1)
PARAMS = (LayerParams(np.array([[3.0], [-4.0]]), np.array([5.0])), LayerParams(np.array([[1.0]]), np.array([0.01])))


def scaled(params: Params, layer: int, name: str, factor: float) -> Params:
    return tuple(
        part._replace(**{name: getattr(part, name) * factor}) if i == layer else part for i, part in enumerate(params)
    )


def test_equal_params_do_not_depart() -> None:
    assert compare_params(PARAMS, PARAMS).size == 0
    assert compare_params(PARAMS, PARAMS).fault == ""


@pytest.mark.parametrize(("layer", "name"), [(0, "weights"), (0, "bias"), (1, "weights"), (1, "bias")])
def test_a_departure_is_found_in_each_layer_and_named(layer: int, name: str) -> None:
    departure = compare_params(scaled(PARAMS, layer, name, 1 + 1e-6), PARAMS)
    assert departure.size == pytest.approx(1e-6, rel=1e-3)
    assert f"{name} of layer {layer + 1}" in departure.fault
    assert compare_params(scaled(PARAMS, layer, name, 1 + 1e-11), PARAMS).fault == ""


def test_gradients_are_held_to_a_tighter_bound_than_parameters() -> None:
    off = scaled(PARAMS, 0, "weights", 1 + 5e-10)
    assert compare_gradients(off, PARAMS).fault
    assert not compare_params(off, PARAMS).fault


def test_other_shapes_and_numbers_of_layers_are_faults() -> None:
    assert "1 layers instead of 2" in compare_params(PARAMS[:1], PARAMS).fault
    transposed = (LayerParams(PARAMS[0].weights.T, PARAMS[0].bias), PARAMS[1])
    assert "have shape (1, 2) instead of (2, 1)" in compare_params(transposed, PARAMS).fault


def test_params_that_are_not_numbers_are_a_fault() -> None:
    assert compare_params(scaled(PARAMS, 1, "bias", np.nan), PARAMS).fault


def test_the_first_step_that_departs_is_named() -> None:
    right = np.linspace(2, 1, 20)
    wrong = right.copy()
    wrong[[7, 12]] *= 1 + 1e-8
    assert "at step 7" in compare_losses(wrong, right).fault
    assert compare_losses(right * (1 + 1e-10), right).fault == ""


def test_losses_that_vanish_may_depart_by_a_floor_and_no_more() -> None:
    right = np.array([1.0, 1e-7])
    assert compare_losses(right + np.array([0, 9e-13]), right).fault == ""
    assert "at step 1" in compare_losses(right + np.array([0, 2e-12]), right).fault


def test_losses_that_are_not_numbers_or_too_few_are_faults() -> None:
    right = np.ones(3)
    assert "at step 2" in compare_losses(np.array([1, 1, np.nan]), right).fault
    assert "2 losses for 3 steps" in compare_losses(np.ones(2), right).fault


def timed(losses: Array, value: float | None, metric: str = "accuracy") -> Quality:
    return Quality(losses=tuple(losses), metric=metric, value=value, parameters=None, truth=())


def judged(losses: Array, value: float | None, metric: str = "accuracy") -> str:
    right = Reference(Trace((), np.ones(0), ()), np.linspace(2, 1, 30), 0.9)
    return first_fault(compare_timed(timed(losses, value, metric), "float32", right))


def test_the_first_steps_of_a_timed_run_are_compared_and_later_ones_are_not() -> None:
    right = np.linspace(2, 1, 30)
    late, early = right.copy(), right.copy()
    late[25] *= 1.01
    early[5] *= 1.001
    assert judged(right * (1 + 1e-7), 0.9) == ""
    assert judged(late, 0.9) == ""
    assert "at step 5" in judged(early, 0.9)


def test_the_metric_of_a_timed_run_is_compared() -> None:
    right = np.linspace(2, 1, 30)
    assert judged(right, 0.904) == ""
    assert "accuracy 0.89 where the reference has 0.9" in judged(right, 0.89)
    assert "rmse 0.92" in judged(right, 0.92, "rmse")
    assert "not a number" in judged(right, None)


def bias_never_updated(trainer: NumpyTrainer) -> None:
    plain, bias = trainer.update, trainer.layers[0].bias

    def update() -> None:
        kept = bias.copy()
        plain()
        bias[...] = kept

    trainer.update = update


def gradient_summed(trainer: NumpyTrainer) -> None:
    plain = trainer.update

    def update() -> None:
        trainer.gradients *= trainer.problem.batch_size
        plain()

    trainer.update = update


def relu_passes_all(trainer: NumpyTrainer) -> None:
    trainer.layers[0].back_through = lambda gradient, outputs: None


def last_layer_not_trained(trainer: NumpyTrainer) -> None:
    plain, last = trainer.update, trainer.layers[-1]

    def update() -> None:
        last.weights_gradient.fill(0)
        last.bias_gradient.fill(0)
        plain()

    trainer.update = update


def half_precision_product(trainer: NumpyTrainer) -> None:
    layer = trainer.layers[0]
    plain = layer.forward
    layer.forward = lambda inputs, out=None: plain(inputs.astype(np.float16).astype(float), out)  # type: ignore[method-assign]


def with_optimizer(problem: Problem, **changes: float) -> Problem:
    return replace(problem, optimizer=replace(problem.optimizer, **changes))


class FaultyBackend:
    """Opens NumPy trainers with a fault in the problem, in the trainer, in the order or in the losses."""

    def __init__(self, *, problem=None, trainer=None, order=None, losses=None) -> None:  # type: ignore[no-untyped-def]
        self.problem = problem or (lambda problem: problem)
        self.alter = trainer or (lambda trainer: None)
        self.order = order or (lambda order: order)
        self.losses = losses or (lambda losses: losses)

    def open_trainer(self, problem: Problem, placement: Placement) -> NumpyTrainer:
        backend = self

        class Trainer(NumpyTrainer):
            def reset(self, params: Params) -> None:
                super().reset(params)
                backend.alter(self)

            def train(self, order: Array) -> Array:
                return backend.losses(super().train(backend.order(order)))

        return Trainer(self.problem(problem), placement)


FAULTS = {
    "learning rate off by 1 %": FaultyBackend(
        problem=lambda problem: with_optimizer(problem, learning_rate=problem.optimizer.learning_rate * 1.01)
    ),
    "bias never updated": FaultyBackend(trainer=bias_never_updated),
    "gradient summed, not averaged": FaultyBackend(trainer=gradient_summed),
    "ReLU derivative 1 at negative input": FaultyBackend(trainer=relu_passes_all),
    "last layer not trained": FaultyBackend(trainer=last_layer_not_trained),
    "half-precision product": FaultyBackend(trainer=half_precision_product),
    "batch order reversed": FaultyBackend(order=lambda order: order[::-1]),
    "losses one step late": FaultyBackend(losses=lambda losses: np.roll(losses, -1)),
    "data normalised differently": FaultyBackend(
        problem=lambda problem: replace(problem, inputs=problem.inputs * (1 + 1e-6))
    ),
    "momentum with another gain": FaultyBackend(
        problem=lambda problem: (
            with_optimizer(problem, momentum=0.89) if isinstance(problem.optimizer, Momentum) else problem
        )
    ),
}


def fault_of(backend: FaultyBackend, task: str = "iris_mlp", **settings: object) -> str:
    """Return the fault that the float64 tiers find in a backend, empty for none."""
    training = make_training(override(TASKS[task], {"epochs": 2, **settings}), "float64", no_files)
    right = trace(FaultyBackend(), CPU, training, 2)
    mine = trace(backend, CPU, training, 2)
    return first_fault(
        (
            compare_gradients(mine.gradient, right.gradient),
            compare_losses(mine.losses, right.losses),
            compare_params(mine.params, right.params),
        )
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backend_with_a_fault_is_caught(fault: str) -> None:
    assert fault_of(FAULTS[fault])


def test_a_right_backend_is_not() -> None:
    assert fault_of(FaultyBackend()) == ""


@pytest.mark.parametrize("change", [{"epsilon": 2e-8}, {"beta1": 0.91}, {"beta2": 0.9991}])
def test_another_adam_is_caught(change: dict[str, float]) -> None:
    def other(problem: Problem) -> Problem:
        return with_optimizer(problem, **change) if isinstance(problem.optimizer, Adam) else problem

    assert fault_of(FaultyBackend(problem=other), optimizer="adam")


def test_traces_and_references_survive_their_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    training = make_training(override(TASKS["iris_mlp"], {"epochs": 3}), "float64", no_files)
    whole = reference(FaultyBackend(), CPU, training, 2)
    save_reference(tmp_path / "reference.npz", whole)
    save_trace(tmp_path / "trace.npz", whole.trace)
    loaded = load_reference(tmp_path / "reference.npz")
    assert loaded.metric == whole.metric
    np.testing.assert_array_equal(loaded.losses, whole.losses)
    assert loaded.losses[: len(whole.trace.losses)].tolist() == whole.trace.losses.tolist()
    for part in (loaded.trace, load_trace(tmp_path / "trace.npz")):
        assert compare_params(part.params, whole.trace.params).size == 0
        assert compare_gradients(part.gradient, whole.trace.gradient).size == 0
        np.testing.assert_array_equal(part.losses, whole.trace.losses)


def test_a_training_that_diverges_everywhere_alike_is_no_fault() -> None:
    right = np.array([1.0, 1e200, np.inf, np.nan, np.nan])
    assert compare_losses(right.copy(), right).fault == ""
    assert "at step 2" in compare_losses(np.array([1.0, 1e200, 1e300, np.nan, np.nan]), right).fault
    diverged = (LayerParams(np.array([[np.nan]]), np.array([np.inf])),)
    assert compare_params(diverged, diverged).fault == ""
    assert compare_params((LayerParams(np.array([[np.nan]]), np.array([1.0])),), diverged).fault


def test_a_metric_that_is_no_number_is_a_fault_only_where_the_reference_stays_small() -> None:
    early = np.ones(30)
    small = Reference(Trace((), np.ones(0), ()), early, 0.9)
    large = Reference(Trace((), np.ones(0), ()), np.append(early[:-1], 1e30), 1e15)
    assert first_fault(compare_timed(timed(early, None), "float32", small))
    assert first_fault(compare_timed(timed(early, None), "float32", large)) == ""


def test_a_gradient_that_ought_to_be_zero_may_be_rounded() -> None:
    right = (LayerParams(np.ones((3, 2)), np.array([1e-17, -2e-17])),)
    rounded = (LayerParams(np.ones((3, 2)), np.array([-1e-17, 0.0])),)
    wrong = (LayerParams(np.ones((3, 2)), np.array([1e-9, 0.0])),)
    assert compare_gradients(rounded, right).fault == ""
    assert "bias of layer 1" in compare_gradients(wrong, right).fault


def test_an_error_that_vanishes_but_for_float32_is_no_fault() -> None:
    right = Reference(Trace((), np.ones(0), ()), np.linspace(400, 1e-20, 30), 1e-13)
    losses = np.linspace(400, 1e-20, 30)
    assert first_fault(compare_timed(timed(losses, 2e-5, "rmse"), "float32", right)) == ""
    assert "rmse 0.002" in first_fault(compare_timed(timed(losses, 0.002, "rmse"), "float32", right))
