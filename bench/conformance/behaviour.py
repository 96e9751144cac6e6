"""Checks of a trainer's behaviour: right results, a full reset, and no writing to the caller's arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np

from backends.contract import Array, Params, Precision, Trainer, map_params, parts
from bench.analysis.steadiness import SPIKE, SPIKE_S
from bench.conformance.cases import STEPS, arrays, copied
from bench.conformance.subject import (
    Subject,
    Violation,
    require_array,
    require_close,
    require_close_params,
    require_same,
    require_same_params,
)

ROUNDING: dict[Precision, float] = {"float32": 1e-5, "float64": 1e-10}  # after about ten steps
FIRST_STEP = 1e-12  # in float64; computing in float32 would give 1e-7
REPETITIONS = 5  # at least, before a backend is accused
AT_LEAST_S = 1.0  # of passes, before that
PASSES_AFTER = 4  # passes that the first one is compared with


def follows(subject: Subject) -> None:
    """Losses, parameters and outputs agree with the reference for other weights and another order too."""
    trainer, right, case = subject.open(), subject.reference(), subject.case
    relative = ROUNDING[subject.precision]
    for initial, order, what in (
        (case.initial, case.order, "from the first weights"),
        (case.other_params(), case.order, "from other weights"),
        (case.initial, case.other_order()[:-1], "by another order"),
    ):
        trainer.reset(initial)
        right.reset(initial)
        require_close(trainer.train(order), right.train(order), f"losses {what}", relative)
        require_close_params(trainer.params(), right.params(), f"params() after training {what}", relative)
        outputs = trainer.predict(case.unseen)
        require_close(outputs, right.predict(case.unseen), f"predict() after training {what}", relative)


def answers(subject: Subject) -> None:
    """A predictor answers each request as the reference does, with arrays of its own, and leaves the request alone."""
    trainer, right, case = subject.open(), subject.reference(), subject.case
    for number, order in enumerate((case.order, case.order[:2]), start=1):
        trainer.train(order)
        right.train(order)
        for rows in (1, 5):
            answer, wanted = trainer.predictor(rows), right.predictor(rows)
            requests = [case.request(rows, first) for first in (0, 5, 0)]
            outputs = [answer(request) for request in requests]
            for request, output in zip(requests, outputs, strict=True):
                what = f"predictor({rows}), after training {number}"
                require_array(output, wanted(request).shape, subject.placement.dtype, what)
                require_close(output, wanted(request), what, ROUNDING[subject.precision])
        require_close_params(trainer.params(), right.params(), "params() after answering", ROUNDING[subject.precision])


def continues(subject: Subject) -> None:
    """A call of `train` takes any number of steps, and the next call continues from there."""
    trainer, right, order = subject.open(), subject.reference(), subject.case.order
    calls = (order[:1], order[1:3], order[3:], order)
    for number, steps in enumerate(calls, start=1):
        what = f"losses of call {number} of train, of {len(steps)} steps"
        require_close(trainer.train(steps), right.train(steps), what, ROUNDING[subject.precision])


def starts_afresh(subject: Subject) -> None:
    """After `reset` the same training gives the same bits, whatever was trained before."""
    trainer, case = subject.open(), subject.case
    losses = np.array(trainer.train(case.order))
    params, outputs = _kept(trainer.params()), np.array(trainer.predict(case.unseen))
    for before in (STEPS, 1, 2):
        trainer.reset(case.initial)
        trainer.train(case.order[:before])
        trainer.reset(case.initial)
        require_same_params(trainer.params(), case.initial, "params() just after reset")
        what = f"after a training of {before} steps and reset"
        require_same(trainer.train(case.order), losses, f"losses {what}")
        require_same_params(trainer.params(), params, f"params() {what}")
        require_same(trainer.predict(case.unseen), outputs, f"predict() {what}")


def compiles_once(subject: Subject, clock: Callable[[], float] = time.perf_counter) -> None:
    """The first pass after `reset` takes no longer than later ones, in at least one of several repetitions.

    A backend that compiles after each reset is slow every time. A correct one is fast as soon as the machine lets it:
    a scheduler with more to run than it has cores can interrupt each of five repetitions in its first pass, but not
    each of those that fit into a second.
    """
    trainer, case = subject.open(), subject.case

    def pass_s() -> float:
        begin = clock()
        trainer.train(case.order)
        return clock() - begin

    pass_s()  # the first pass may compile
    slow_s: list[tuple[float, float]] = []
    took_s = 0.0
    while len(slow_s) < REPETITIONS or took_s < AT_LEAST_S:
        trainer.reset(case.initial)
        first_s = pass_s()
        usual_s = median(pass_s() for _ in range(PASSES_AFTER))
        if first_s <= max(SPIKE * usual_s, usual_s + SPIKE_S):
            return
        slow_s.append((first_s, usual_s))
        took_s += first_s + PASSES_AFTER * usual_s
    first_s, usual_s = median(each[0] for each in slow_s), median(each[1] for each in slow_s)
    raise Violation(
        f"the first pass after reset took {first_s:.2g} s and the passes after it {usual_s:.2g} s, "
        f"in all of {len(slow_s)} repetitions; wanted equal times"
    )


def leaves_inputs(subject: Subject) -> None:
    """The arrays that the caller passes in are not changed, and no reference to the weights is kept."""
    own = replace(subject, case=copied(subject.case))
    trainer, case = own.open(), own.case
    losses = np.array(trainer.train(case.order))
    trainer.predict(case.unseen)
    before = arrays(subject.case)
    for name, array in arrays(case).items():
        require_same(array, before[name], f"{name}, passed in by the caller and then changed")
    passed_in = _kept(case.initial)
    trainer.reset(passed_in)
    for part in parts(passed_in):
        part.fill(np.nan)
    what = "losses after the caller wrote NaN into the arrays that it had passed to reset"
    require_same(trainer.train(case.order), losses, what, "copy the arrays in reset; do not keep them")


def gives_copies(subject: Subject) -> None:
    """Returned arrays are copies: training does not change them, and writing to them does not change training."""
    trainer, case = subject.open(), subject.case
    _warm(trainer, subject)
    given = _handed_out(trainer, subject)
    kept = {name: array.copy() for name, array in given.items()}
    second = np.array(trainer.train(case.order))
    trainer.predict(case.unseen)
    for name, array in given.items():
        require_same(array, kept[name], f"{name}, returned and then changed by more training")
    trainer.reset(case.initial)
    _warm(trainer, subject)
    for array in _handed_out(trainer, subject).values():
        if array.flags.writeable:
            array.fill(np.nan)
    what = "losses after the caller wrote NaN into the returned arrays"
    require_same(trainer.train(case.order), second, what)


def _warm(trainer: Trainer, subject: Subject) -> None:
    """Use every method once, because later calls may behave differently from first ones."""
    trainer.train(subject.case.order[:1])
    trainer.predict(subject.case.unseen)
    trainer.params()


def _handed_out(trainer: Trainer, subject: Subject) -> dict[str, Array]:
    found = {"losses of train": trainer.train(subject.case.order), "outputs of predict": _outputs(trainer, subject)}
    for number, layer in enumerate(trainer.params(), start=1):
        found |= {f"params(), {name} of layer {number}": part for name, part in layer.items()}
    return found


def _outputs(trainer: Trainer, subject: Subject) -> Array:
    return trainer.predict(subject.case.unseen)


def computes_in_precision(subject: Subject) -> None:
    """In float64 the first step agrees with the reference up to rounding; parameters have the requested type."""
    dtype = subject.placement.dtype
    trainer, right, order = subject.open(), subject.reference(), subject.case.order[:1]
    losses = trainer.train(order)
    for number, layer in enumerate(trainer.params(), start=1):
        for name, part in layer.items():
            if part.dtype != dtype:
                raise Violation(f"{name} of layer {number}: type {part.dtype}, wanted {dtype}")
    if subject.precision == "float64":
        require_close(losses, right.train(order), "loss of the first step in float64", FIRST_STEP)
        require_close_params(trainer.params(), right.params(), "params() after one step in float64", FIRST_STEP)


def _kept(params: Params) -> Params:
    return map_params(np.array, params)
