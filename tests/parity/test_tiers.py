"""Verdicts: what departs is named, with its step or layer; what is only rounded passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import a_parity_result, a_quality, a_row

from backends.contract import Array, Params
from bench.parity.check import with_tiers
from bench.parity.envelope import Envelope
from bench.parity.tiers import (
    LOSS_FLOOR,
    METRIC_ROWS,
    MULTIPLE,
    Departure,
    Tier,
    compare_evaluations,
    compare_gradients,
    compare_losses,
    compare_params,
    compare_predicted,
    compare_repeated,
    compare_repetition,
    compare_timed_losses,
    compare_timed_metric,
    compare_traces,
    first_fault,
    largest_part,
    timed_losses,
)
from bench.parity.traces import Evaluation, Trace

PARAMS = (
    {"weights": np.array([[3.0], [-4.0]]), "bias": np.array([5.0])},
    {"weights": np.array([[1.0]]), "bias": np.array([0.01])},
)


def scaled(params: Params, layer: int, name: str, factor: float) -> Params:
    return tuple({**part, name: part[name] * factor} if i == layer else part for i, part in enumerate(params))


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
    fewer = compare_gradients(PARAMS[:1], PARAMS)
    assert fewer == Departure(np.inf, "there are 1 layers instead of 2")
    for layer, number in ((0, 1), (1, 2)):
        longer = list(PARAMS)
        longer[layer] = {**longer[layer], "bias": np.ones(2)}
        departure = compare_gradients(tuple(longer), PARAMS)
        assert departure == Departure(np.inf, f"bias of layer {number}: shape (2,) instead of (1,)")
    assert compare_params(tuple(longer), PARAMS).fault == f"after the last step {departure.fault}"


def test_parameters_of_other_names_are_a_fault_that_names_both() -> None:
    weights = {"weights": PARAMS[0]["weights"]}
    for layer, told in ((weights, "weights"), ({}, "nothing"), ({**weights, "shift": np.ones(1)}, "weights, shift")):
        departure = compare_gradients((layer, PARAMS[1]), PARAMS)
        assert departure == Departure(np.inf, f"layer 1: {told} instead of weights, bias")


def test_what_is_allowed_for_params_is_told_and_may_be_used_up() -> None:
    one = {"weights": np.ones((1, 1)), "bias": np.ones(1)}
    off = {**one, "bias": np.array([1 + 2**-10])}
    fault = "bias of layer 1: off by 9.8e-04 relative; 1.0e-10 is allowed"
    assert compare_gradients((off,), (one,)) == Departure(2**-10, fault)
    explains, too_little = (an_envelope(params_spread=np.array([0, share * 2**-13])) for share in (1, 0.5))
    assert compare_params((off,), (one,), explains) == Departure(2**-10)
    told = "after the last step bias of layer 1: off by 9.8e-04 relative; rounding explains 6.1e-05, 4.9e-04 is allowed"
    assert compare_params((off,), (one,), too_little) == Departure(2**-10, told)


def test_params_that_are_not_numbers_are_a_fault() -> None:
    departure = compare_params(scaled(PARAMS, 1, "bias", np.nan), PARAMS)
    assert departure.size == np.inf
    assert "bias of layer 2: not finite where the reference" in departure.fault


def test_params_whose_squares_overflow_are_equal_to_themselves() -> None:
    huge = ({"weights": np.array([[1e200]]), "bias": np.array([1.0])},)
    assert compare_params(huge, huge) == Departure(0)


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
    assert compare_losses(np.ones(2), right) == Departure(np.inf, "2 losses for 3 steps")


def test_the_size_of_losses_is_relative_until_they_vanish() -> None:
    right = np.array([2.0, 1e-5, 1.0])
    for off, size in (((6e-10, 0, 0), 3e-10), ((0, 4e-13, 0), 4e-10), ((0, 0, 0.5), 0.5)):  # at least of 1e-3
        assert compare_losses(right + np.array(off), right).size == pytest.approx(size, rel=1e-3)


STEPS = 40
LOSSES = np.linspace(2, 1, STEPS)
EVALUATION = Evaluation(np.ones((10_000, 1)), 0.25)


def an_envelope(**changes: Any) -> Envelope:
    """Return an envelope in which rounding explains 1e-6 of a loss, and 1e-3 from step 20 on."""
    usual = {
        "losses": LOSSES,
        "spread": np.where(np.arange(STEPS) < 20, 1e-6, 1e-3),
        "params": PARAMS,
        "params_spread": np.zeros(4),
        "pass_spread": 1e-5,
        "evaluation": EVALUATION,
        "outputs_spread": 0.0,
        "evaluation_loss_spread": 0.0,
        "metric": 0.9,
        "metric_spread": 1e-4,
    }
    return Envelope(**{**usual, **changes})


def off_at(step: int, by: float) -> Array:
    losses = LOSSES.copy()
    losses[step] += by
    return losses


@pytest.mark.parametrize(("step", "explained"), [(5, 1e-6), (35, 1e-3)])
def test_every_loss_of_a_timed_run_is_held_against_what_rounding_explains_there(step: int, explained: float) -> None:
    within, beyond = (off_at(step, share * MULTIPLE * explained) for share in (0.99, 1.01))
    assert compare_timed_losses(within, "float32", an_envelope()).fault == ""
    departure = compare_timed_losses(beyond, "float32", an_envelope())
    assert departure.step == step
    assert departure.size == pytest.approx(1.01 * MULTIPLE, rel=1e-3)
    assert f"first wrong at step {step} of 40: loss " in departure.fault
    assert f"rounding explains {explained / LOSSES[step]:.1e}" in departure.fault


def test_the_first_of_several_steps_that_depart_is_named() -> None:
    losses = off_at(12, 1e-3)
    losses[7] += 1e-3
    assert compare_timed_losses(losses, "float32", an_envelope()).step == 7
    assert compare_losses(losses, LOSSES).step == 7


def test_early_losses_may_be_rounded_to_a_millionth_however_tight_the_envelope() -> None:
    tight = an_envelope(spread=np.full(STEPS, 1e-12))
    assert compare_timed_losses(off_at(0, 1.9e-6), "float32", tight).fault == ""
    assert compare_timed_losses(off_at(0, 2.1e-6), "float32", tight).fault
    assert compare_timed_losses(off_at(0, 1.9e-6), "float64", tight).fault


def test_a_timed_run_may_leave_the_numbers_only_where_rounding_alone_does() -> None:
    diverging = np.where(np.arange(STEPS) < 30, LOSSES, np.nan)
    assert compare_timed_losses(diverging, "float32", an_envelope()).step == 30
    wide = an_envelope(spread=np.where(np.arange(STEPS) < 30, 1e-6, np.inf))
    assert compare_timed_losses(diverging, "float32", wide).fault == ""
    assert compare_timed_losses(np.full(STEPS, np.nan), "float32", wide).step == 0


def test_other_numbers_of_losses_are_a_fault() -> None:
    departure = compare_timed_losses(LOSSES[:-1], "float32", an_envelope())
    assert departure == Departure(np.inf, "39 losses for 40 steps")


def test_the_size_of_timed_losses_is_a_multiple_of_what_rounding_explains() -> None:
    departure = compare_timed_losses(off_at(35, 0.5e-3), "float32", an_envelope())
    assert departure == Departure(pytest.approx(0.5, rel=1e-6))


def test_timed_losses_that_vanish_may_depart_by_a_floor_and_no_more() -> None:
    vanishing = an_envelope(losses=np.zeros(STEPS), spread=np.zeros(STEPS))
    assert compare_timed_losses(np.full(STEPS, LOSS_FLOOR), "float32", vanishing) == Departure(MULTIPLE)
    assert compare_timed_losses(np.full(STEPS, 1.01 * LOSS_FLOOR), "float32", vanishing).step == 0


def test_what_rounding_explains_in_float64_is_allowed_beyond_the_fixed_bounds() -> None:
    off = off_at(30, 1e-6)
    assert compare_losses(off, LOSSES).step == 30
    assert compare_losses(off, LOSSES, an_envelope()).fault == ""
    assert compare_losses(off_at(5, 1e-5), LOSSES, an_envelope()).step == 5
    moved = scaled(PARAMS, 1, "bias", 1 + 1e-6)
    explains = an_envelope(params_spread=np.array([0, 0, 0, 2e-7]))
    assert "after the last step bias of layer 2" in compare_params(moved, PARAMS).fault
    assert compare_params(moved, PARAMS, explains).fault == ""
    assert "weights of layer 1" in compare_params(scaled(PARAMS, 0, "weights", 1 + 1e-6), PARAMS, explains).fault


@pytest.mark.parametrize(("off", "right"), [(METRIC_ROWS / 10_000, True), (0.99e-4 * MULTIPLE, True), (9e-4, False)])
def test_an_accuracy_may_differ_by_a_few_rows_or_by_what_rounding_explains(off: float, right: bool) -> None:
    departure = compare_timed_metric("accuracy", 0.9 - off, "float32", an_envelope())
    assert (departure.fault == "") is right
    if not right:
        assert "accuracy 0.8991 where the reference has 0.9; rounding explains 1.0e-04" in departure.fault
        assert departure.size > MULTIPLE


def test_an_error_may_differ_by_a_millionth_of_it_or_by_what_rounding_explains() -> None:
    tight = an_envelope(metric_spread=1e-12)
    assert compare_timed_metric("rmse", 0.9 + 8e-7, "float32", tight).fault == ""
    assert compare_timed_metric("rmse", 0.9 + 1e-6, "float32", tight).fault
    assert compare_timed_metric("rmse", 0.9 + 1e-6, "float32", an_envelope()).fault == ""


def test_a_metric_that_is_no_number_is_a_fault_unless_rounding_alone_gives_none() -> None:
    assert "nan" in compare_timed_metric("rmse", None, "float32", an_envelope()).fault
    assert compare_timed_metric("rmse", None, "float32", an_envelope(metric_spread=np.inf)).fault == ""
    assert compare_timed_metric("rmse", None, "float32", an_envelope(metric=np.nan, metric_spread=0.0)).fault == ""


@pytest.mark.parametrize(("right", "spread", "got", "size"), [
    (0.9, 1e-3, 0.9 + 1e-3, 1.0),
    (0.9, 1e-3, 0.9 + 1e-2, 10.0),
    (0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.1, np.inf),
    (0.9, np.inf, None, 0.0),
    (0.9, 0.0, None, np.inf),
])  # fmt: skip
def test_the_size_of_a_metric_is_a_multiple_of_what_rounding_explains(
    right: float, spread: float, got: float | None, size: float
) -> None:
    departure = compare_timed_metric("rmse", got, "float32", an_envelope(metric=right, metric_spread=spread))
    assert departure.size == pytest.approx(size, rel=1e-9)
    assert (departure.fault == "") is (size <= MULTIPLE)


def test_nothing_is_allowed_beside_a_metric_that_is_no_number() -> None:
    departure = compare_timed_metric("rmse", 0.9, "float32", an_envelope(metric=np.nan, metric_spread=0.0))
    assert departure == Departure(np.inf, "rmse 0.9 where the reference has nan; 0.0e+00 is allowed")


def test_a_pass_that_ends_elsewhere_when_it_is_repeated_is_a_fault() -> None:
    for share, size in ((None, 0), (1e-6, 0.1), (8e-5, 8)):  # eight times what rounding explains
        found = compare_repeated(a_quality(repeated=share), "float32", an_envelope())
        assert (found.fault, found.size) == ("", pytest.approx(size))
    departure = compare_repeated(a_quality(repeated=1e-4), "float32", an_envelope())
    assert departure.size == pytest.approx(10)
    assert "off by 0.0001 of the distance that the first pass moved them; rounding explains 1.0e-05, 8.0e-05" in (
        departure.fault
    )
    assert departure.fault.endswith("or the reset kept some of the optimizer's state")
    tight = an_envelope(pass_spread=0.0)
    assert compare_repeated(a_quality(repeated=1e-6), "float32", tight).fault == ""
    assert compare_repeated(a_quality(repeated=2e-6), "float32", tight).fault
    assert compare_repeated(a_quality(repeated=1e-6), "float64", tight).fault


def test_outputs_that_are_not_those_of_the_parameters_are_a_fault() -> None:
    for off in (None, 0.0, MULTIPLE):
        assert compare_predicted(a_quality(predicted=off)) == Departure(off or 0.0)
    departure = compare_predicted(a_quality(predicted=512.0))
    assert departure.size == 512
    assert "off by 5.1e+02 times what rounding explains, 8 is allowed" in departure.fault


def test_every_output_for_the_evaluation_rows_is_compared_in_float64() -> None:
    outputs = EVALUATION.outputs.copy()
    assert compare_evaluations(EVALUATION, EVALUATION) == Departure(0.0)
    outputs[77] += 2e-9
    off = compare_evaluations(replace(EVALUATION, outputs=outputs), EVALUATION)
    assert off.size == pytest.approx(2e-9)
    assert off.fault.startswith("outputs for the evaluation rows: off by 2.0e-09 of their root mean square; 1.0e-09")
    explains = an_envelope(outputs_spread=1e-9)
    assert compare_evaluations(replace(EVALUATION, outputs=outputs), EVALUATION, explains).fault == ""
    fewer = compare_evaluations(replace(EVALUATION, outputs=outputs[1:]), EVALUATION)
    assert fewer == Departure(np.inf, "outputs of shape (9999, 1) instead of (10000, 1)")
    outputs[77] = np.nan
    assert compare_evaluations(replace(EVALUATION, outputs=outputs), EVALUATION).size == np.inf


def test_the_loss_on_the_evaluation_rows_is_compared_in_float64() -> None:
    departure = compare_evaluations(replace(EVALUATION, loss=0.25 * (1 + 2e-9)), EVALUATION)
    assert departure.fault.startswith("loss on the evaluation rows 0.25")
    assert compare_evaluations(replace(EVALUATION, loss=0.25 * (1 + 5e-10)), EVALUATION).fault == ""
    explains = an_envelope(evaluation_loss_spread=1e-9)
    assert compare_evaluations(replace(EVALUATION, loss=0.25 + 7e-9), EVALUATION, explains).fault == ""
    assert compare_evaluations(replace(EVALUATION, loss=np.nan), EVALUATION).fault
    diverged = replace(EVALUATION, loss=np.nan)
    assert compare_evaluations(diverged, diverged).fault == ""
    assert compare_evaluations(replace(EVALUATION, loss=np.inf), EVALUATION).fault
    assert compare_evaluations(EVALUATION, replace(EVALUATION, loss=np.inf)).fault


def test_a_loss_on_the_evaluation_rows_that_vanishes_may_depart_by_a_floor_and_no_more() -> None:
    vanished = replace(EVALUATION, loss=0.0)
    assert compare_evaluations(replace(vanished, loss=LOSS_FLOOR), vanished).fault == ""
    assert compare_evaluations(replace(vanished, loss=2 * LOSS_FLOOR), vanished).fault


def test_a_later_training_is_held_to_losses_parameters_and_outputs_of_its_own_start() -> None:
    outputs, spread = EVALUATION.outputs, np.full(4, 1e-6)
    envelope = an_envelope(params_spread=spread, outputs_spread=1e-6)
    assert compare_repetition(LOSSES, PARAMS, outputs, "float32", envelope) == Departure(0.0)
    losses = compare_repetition(off_at(7, 1e-3), PARAMS, outputs, "float32", envelope)
    assert (losses.step, losses.size) == (7, pytest.approx(1000))
    assert losses.fault.startswith("first wrong at step 7 of 40")
    moved = scaled(PARAMS, 1, "bias", 1 + 1e-5)
    params = compare_repetition(LOSSES, moved, outputs, "float32", envelope)
    assert params.size == pytest.approx(10, rel=1e-3)
    assert params.fault.startswith("after the last step bias of layer 2: off by 1.0e-05 relative; rounding explains")
    both = compare_repetition(off_at(7, 1e-3), moved, outputs, "float32", envelope)
    assert "first wrong at step 7" in both.fault
    assert "; after the last step bias of layer 2: off by 1.0e-05" in both.fault
    assert (both.step, both.size) == (losses.step, losses.size)
    predicted = compare_repetition(LOSSES, PARAMS, outputs * (1 + 1e-5), "float32", envelope)
    assert predicted.fault.startswith("outputs for the evaluation rows: off by 1.0e-05")
    assert predicted.size == pytest.approx(10, rel=1e-3)
    assert compare_repetition(LOSSES, PARAMS[:1], outputs, "float32", envelope).size == np.inf


def test_a_small_part_of_a_later_training_is_held_to_its_own_size() -> None:
    """In float64, what is rounded of the largest part is allowed of each; in float32 that would hide a layer."""
    large = ({"weights": np.array([[1e9]]), "bias": np.array([1e-3])},)
    moved = scaled(large, 0, "bias", 1 + 1e-3)
    envelope = an_envelope(params=large, params_spread=np.zeros(2))
    assert compare_repetition(LOSSES, moved, EVALUATION.outputs, "float32", envelope).fault
    assert not compare_params(moved, large, envelope).fault


def test_losses_that_a_file_cannot_hold_are_no_numbers() -> None:
    np.testing.assert_array_equal(timed_losses(a_quality(losses=(1.0, None, 0.5))), [1.0, np.nan, 0.5])


def test_the_first_of_several_faults_is_told() -> None:
    assert first_fault([Departure(0), Departure(1, "early"), Departure(2, "late")]) == "early"
    assert first_fault([Departure(0)]) == ""


def test_the_part_that_departs_most_is_named() -> None:
    other = scaled(scaled(PARAMS, 0, "weights", 1 + 1e-6), 1, "bias", 1.1)
    assert largest_part(other, PARAMS) == "largest difference at this step: bias of layer 2, by 1.0e-01"


def test_no_part_is_named_where_the_parameters_are_right() -> None:
    told = "the parameters before this step are right: the loss itself is wrong, or that of other rows"
    assert largest_part(PARAMS, PARAMS) == largest_part(scaled(PARAMS, 0, "bias", 1 + 1e-12), PARAMS) == told


def test_a_verdict_names_the_first_tier_that_found_a_fault_and_keeps_it() -> None:
    verdict = a_parity_result(a_row("linear_fit"))
    clean = with_tiers(verdict, [("gradient", Departure(1e-16)), ("trajectory", Departure(1e-15))], "float64")
    assert (clean.agrees, clean.tier, clean.reason) == (True, "", "")
    wrong: list[tuple[Tier, Departure]] = [("gradient", Departure(0)), ("trajectory", Departure(1.0, "it departs", 3))]
    found = with_tiers(clean, wrong, "float64")
    assert (found.agrees, found.tier) == (False, "trajectory")
    assert found.reason == "trajectory (float64): it departs"
    later = with_tiers(found, [("metric", Departure(9.0, "so does this"))], "float64")
    assert later == found
    timed = with_tiers(clean, [("envelope", Departure(9.0, "late"))], "the timed run in float32")
    assert timed.reason == "envelope (the timed run in float32): late"


def test_a_training_that_diverges_everywhere_alike_is_no_fault() -> None:
    right = np.array([1.0, 1e200, np.inf, np.nan, np.nan])
    assert compare_losses(right.copy(), right).fault == ""
    assert "at step 2" in compare_losses(np.array([1.0, 1e200, 1e300, np.nan, np.nan]), right).fault
    diverged = ({"weights": np.array([[np.nan]]), "bias": np.array([np.inf])},)
    assert compare_params(diverged, diverged).fault == ""
    assert compare_params(({"weights": np.array([[np.nan]]), "bias": np.array([1.0])},), diverged).fault


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_gradient_that_ought_to_be_zero_may_be_rounded(scale: float) -> None:
    right, rounded, wrong = (
        ({"weights": scale * np.ones((3, 2)), "bias": scale * np.array(bias)},)
        for bias in ([1e-17, -2e-17], [-1e-17, 0.0], [1e-9, 0.0])
    )
    assert compare_gradients(rounded, right).fault == ""
    assert "bias of layer 1" in compare_gradients(wrong, right).fault


def test_rounding_is_asked_only_for_what_departs_and_not_where_a_gradient_is_wrong() -> None:
    asked = []

    def explain() -> Envelope:
        asked.append(True)
        return an_envelope()

    right = Trace(PARAMS, LOSSES, PARAMS, EVALUATION)
    assert [each.fault for each in compare_traces(right, right, explain)] == [""] * 4
    wrong = replace(right, gradient=scaled(PARAMS, 0, "bias", 1.1), losses=off_at(30, 1e-6))
    assert [bool(each.fault) for each in compare_traces(wrong, right, explain)] == [True, True, False, False]
    assert not asked
    rounded = replace(right, losses=off_at(30, 1e-6))
    assert [each.fault for each in compare_traces(rounded, right, explain)] == [""] * 4
    assert len(asked) == 1
    moved = replace(right, params=scaled(PARAMS, 1, "bias", 1 + 1e-6))
    explains = an_envelope(params_spread=np.full(4, 2e-7))
    assert [each.fault for each in compare_traces(moved, right, lambda: explains)] == [""] * 4
    predicted = replace(right, evaluation=replace(EVALUATION, outputs=EVALUATION.outputs * (1 + 1e-7)))
    explains = an_envelope(outputs_spread=2e-8)
    assert [each.fault for each in compare_traces(predicted, right, lambda: explains)] == [""] * 4
