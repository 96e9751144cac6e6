"""The errors that are drawn in place of rounding: where they should be, and as large as they should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support import no_files

from backends.contract import Adam, Array, Placement, Precision
from backends.numpy_reference import LOSSES, ReferenceTrainer, arithmetic_of, one_minus_power
from backends.numpy_reference_affine import Arithmetic, affine, affine_gradients
from bench.parity.envelope import relative_norms
from bench.parity.rounding import RUNS, blurred, nudged, rounded_result, surrounded
from bench.parity.tiers import compare_repetition
from bench.parity.traces import train_to_end
from bench.selftest.faulty_trainers import Altered
from bench.tasks import TASKS
from bench.tasks.settings import override
from bench.tasks.training import Training, make_training, reseeded

UNIT = float(np.finfo(np.float32).eps)
TASK = override(TASKS["iris_mlp"], {"epochs": 2, "optimizer": "adam"})
DRAWS = 40
PRECISIONS: tuple[Precision, Precision] = ("float64", "float32")
PLAIN = Arithmetic(affine, affine_gradients, LOSSES["mse"], one_minus_power)


def training(precision: str = "float32") -> Training:
    return make_training(TASK, precision, no_files)


def blurred_operations(number: int, loss: str = "mse") -> Arithmetic:
    """Return the plain operations with errors of a number's own."""
    return blurred(replace(PLAIN, loss=LOSSES[loss]), np.dtype(np.float32), np.random.default_rng(number))


def test_nudges_are_of_one_unit_in_the_last_place_and_differ() -> None:
    plain = training()
    moved = [nudged(plain, np.random.default_rng(number)) for number in (0, 1)]
    for each in moved:
        before, after = plain.initial[0]["weights"], each.initial[0]["weights"]
        assert after.dtype == np.float32
        steps = (after.view(np.int32).astype(int) - before.view(np.int32)).ravel()
        assert set(steps.tolist()) == {-1, 0, 1}
        adam, right = each.problem.optimizer, plain.problem.optimizer
        assert isinstance(adam, Adam)
        assert isinstance(right, Adam)
        assert abs(adam.beta2 / right.beta2 - 1) <= 1.2e-7
    assert (moved[0].initial[0]["weights"] != moved[1].initial[0]["weights"]).any()


def test_a_beta_of_zero_can_be_nudged() -> None:
    task = override(TASK, {"optimizer.beta1": 0.0})
    exact, single = (make_training(task, precision, no_files) for precision in ("float64", "float32"))
    spread = surrounded(exact, single, 0).spread
    assert 0 < spread.max() < 1e-4


def test_sums_over_inputs_are_off_by_what_adding_up_term_by_term_loses() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 900)).astype(np.float32)
    x[:, ::2] = 0  # half of the terms, which lose nothing
    weights, bias = rng.normal(size=(900, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    plain = affine(x, weights, bias)
    errors = np.array([blurred_operations(number).affine(x, weights, bias) - plain for number in range(DRAWS)])
    largest = np.sqrt(450) / 3 * UNIT * np.sqrt(np.mean(plain.astype(float) ** 2))
    assert errors.dtype == np.float32
    assert 0.95 * largest < np.abs(errors).max() < largest + np.spacing(np.abs(plain).max())
    assert np.abs(errors.mean()) < 0.02 * largest
    assert len({error.tobytes() for error in errors}) == DRAWS


def test_sums_over_a_batch_are_off_by_what_adding_up_term_by_term_loses() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, (900, 6)).astype(np.float32)
    gradient = rng.uniform(1, 2, (900, 3)).astype(np.float32)
    plain, found = affine_gradients(x, gradient), []
    for number in range(DRAWS):
        mine = blurred_operations(number).affine_gradients(x, gradient)
        assert {part.dtype for part in mine} == {np.dtype(np.float32)}
        found.append([float(np.abs(part / right - 1).max()) for part, right in zip(mine, plain, strict=True)])
    assert UNIT < np.max(found) <= 11 * UNIT  # a third of the root of 900, and what float32 adds
    assert np.min(np.max(found, axis=0)) > 5 * UNIT


def test_a_sum_over_a_batch_whose_terms_cancel_is_off_by_as_much_as_they_are_large() -> None:
    x, gradient = np.ones((900, 1), np.float32), np.array([[1.0], [-1.0]] * 450, np.float32)
    errors = [blurred_operations(number).affine_gradients(x, gradient) for number in range(DRAWS)]
    for part in range(2):
        assert 2000 * UNIT < max(abs(float(error[part].ravel()[0])) for error in errors) <= 9000 * UNIT


@pytest.mark.parametrize("loss", ["mse", "half_mse"])
def test_a_squared_loss_is_off_where_its_outputs_are(loss: str) -> None:
    outputs = np.full((100, 2), 3.0, np.float32)
    targets = np.full((100, 2), 3.0, np.float32)  # the loss is 0, and its gradient what the outputs are off by
    gradients = [blurred_operations(number, loss).loss(outputs, targets)[1] for number in range(DRAWS)]
    off = np.array(gradients) * {"mse": 100, "half_mse": 200}[loss]
    assert 2 * UNIT <= np.abs(off).max() <= 4 * UNIT  # 3 UNIT, as float32 rounds it
    value, wanted = blurred_operations(0, loss).loss(outputs, targets + 1)[0], {"mse": 1.0, "half_mse": 0.5}[loss]
    assert value != wanted
    assert value == pytest.approx(wanted, rel=20 * UNIT)


def test_a_confident_prediction_is_blurred_where_its_gradient_comes_from() -> None:
    outputs, targets = np.array([[30.0, 0.0], [0.0, 25.0]]), np.array([0, 1])
    gradients = []
    for number in range(2):
        loss, gradient = blurred_operations(number, "softmax_cross_entropy").loss(outputs, targets)
        assert loss == pytest.approx(7e-12, rel=0.1)
        gradients.append(gradient)
    first, second = gradients
    assert (first[[0, 1], targets] != second[[0, 1], targets]).all()
    np.testing.assert_allclose(first, second, atol=1e-15)


def test_each_run_around_the_exact_one_draws_errors_of_its_own_and_the_same_again() -> None:
    runs = [rounded_result(training(), 0, number) for number in range(RUNS)]
    assert len({run.losses.tobytes() for run in runs}) == RUNS
    again = rounded_result(training(), 0, 0)
    np.testing.assert_array_equal(again.losses, runs[0].losses)
    assert (rounded_result(training(), 1, 0).losses != runs[0].losses).any()


def test_an_envelope_is_the_largest_departure_of_its_runs_from_the_run_in_float64() -> None:
    exact, single = training("float64"), training()
    envelope = surrounded(exact, single, 0)
    runs = [rounded_result(single, 0, number) for number in range(RUNS)]
    largest = np.max([np.abs(run.losses.astype(float) - envelope.losses) for run in runs], axis=0)
    np.testing.assert_array_equal(envelope.spread, largest)
    assert envelope.losses.dtype == np.float64
    assert runs[0].losses.dtype == np.float32
    assert envelope.test_rows == len(exact.test.targets)


def test_powers_are_off_by_what_a_running_product_loses() -> None:
    def powers(operations: Arithmetic) -> Array:
        return np.array([1 - operations.one_minus_power(0.999, t) for t in range(1, 101)])

    errors = np.array([powers(blurred_operations(number)) / powers(PLAIN) - 1 for number in range(DRAWS)])
    beta = np.float32(0.999)
    product = np.cumprod(np.full(100, beta)).astype(float) / float(beta) ** np.arange(1, 101)
    assert np.abs(errors[:, 0]).max() <= UNIT / 2
    assert np.std(errors[:, -1]) == pytest.approx(UNIT / 2 * np.sqrt(100 / 3), rel=0.3)
    assert np.abs(np.diff(errors)).max() <= 1.001 * UNIT / 2  # what is lost stays lost
    assert 0.1 * UNIT < np.abs(product - 1).max() < 8 * np.abs(errors).max()


def test_a_new_training_begins_with_exact_powers() -> None:
    operations = blurred_operations(0)
    for t in range(1, 2000):
        operations.one_minus_power(0.999, t)
    assert abs(operations.one_minus_power(0.999, 1) - 0.001) <= UNIT / 2


class RunningProducts(Altered):
    """Keeps the powers of Adam's betas as running products in the precision of the training: a right backend."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        adam, p, g = self.problem.optimizer, self.values, self.gradients
        assert isinstance(adam, Adam)
        beta1, beta2, rate, epsilon = map(p.dtype.type, (adam.beta1, adam.beta2, adam.learning_rate, adam.epsilon))
        m, v, powers = np.zeros_like(p), np.zeros_like(p), np.ones(2, p.dtype)

        def step() -> None:
            np.multiply(powers, (beta1, beta2), out=powers, dtype=p.dtype)
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g * g
            p[...] -= rate * (m / (1 - powers[0])) / (np.sqrt(v / (1 - powers[1])) + epsilon)

        return step


@pytest.mark.parametrize("seed", [43, 0, 7, 11, 62])
def test_an_adam_whose_powers_are_running_products_is_right(seed: int) -> None:
    task = override(TASKS["mlp_regression"], {"epochs": 200})
    plain = {precision: make_training(task, precision, no_files) for precision in PRECISIONS}
    exact, single = (reseeded(plain[precision], task, precision, seed) for precision in PRECISIONS)
    place = Placement(mode="loop", device="cpu", precision="float32", threads=1)
    found = train_to_end(RunningProducts(single.problem, place), single)
    envelope = surrounded(exact, single, seed)
    departure = compare_repetition(found.losses, found.params, found.evaluation.outputs, "float32", envelope)
    assert departure.fault == ""
    assert departure.size > 0


@pytest.mark.parametrize("part", ["affine", "affine_gradients", "loss", "one_minus_power"])
def test_an_error_at_any_of_its_places_changes_a_training(part: str) -> None:
    plain = training()
    operations = arithmetic_of(plain.problem)
    off = replace(
        operations, **{part: getattr(blurred(operations, np.dtype(np.float32), np.random.default_rng(0)), part)}
    )
    ends = []
    for arithmetic in (operations, off):
        trainer = ReferenceTrainer(plain.problem, arithmetic)
        trainer.reset(plain.initial)
        trainer.train(plain.orders[0])
        ends.append(trainer.params())
    assert 1e-9 < relative_norms(*ends).max() < 1e-4
