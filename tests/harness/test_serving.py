"""A service: what is in its clock and what is not, that nothing helps but answering, and where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support import no_files

from backends.contract import Array, Inputs, Placement, Predictor, Problem, WordCounts
from backends.numpy_backend import NumpyTrainer
from bench.analysis.tolerance import MULTIPLE
from bench.conformance.cases import words
from bench.errors import UserError
from bench.harness.inference import TAIL_CALLS, inference_of
from bench.harness.protocol import ServingReply
from bench.harness.serving import BATCH, BATCH_ROWS, FIRST_CALLS, LEAST_S, MOST_S, ONE, OPENING_S, Server
from bench.runs.schedule import SERVING_TURNS
from bench.tasks import TASKS
from bench.tasks.requests import CHANGE
from bench.tasks.training import Training, make_training

PLACEMENT = Placement(mode="loop", device="cpu", precision="float32", threads=1)
CALL_S = 2**-14
COMPILING_S = 1.0


@pytest.fixture(scope="module")
def training() -> Training:
    return make_training(TASKS["iris_mlp"], "float32", no_files)


class Timed(NumpyTrainer):
    """Answers right, in a time that is made up; compiles for each shape. The clock is its own."""

    call_s = CALL_S

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, PLACEMENT)
        self.now_s = 0.0
        self.shapes: list[tuple[int, ...]] = []  # in the order in which they were compiled
        self.seen: list[bytes] = []

    def clock(self) -> float:
        return self.now_s

    def predictor(self, rows: int) -> Predictor:
        answer, compiled = super().predictor(rows), set[tuple[int, ...]]()

        def predict(inputs: Inputs) -> Array:
            shape = (rows, len(inputs.words)) if isinstance(inputs, WordCounts) else inputs.shape
            if shape not in compiled:
                compiled.add(shape)
                self.shapes.append(shape)
                self.now_s += COMPILING_S
            self.now_s += self.call_s
            self.seen.append(inputs.counts.tobytes() if isinstance(inputs, WordCounts) else inputs.tobytes())
            return self.answer(answer, inputs)

        return predict

    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        return right(inputs)


def served(trainer: Timed, training: Training) -> Iterator[ServingReply]:
    trainer.reset(training.initial)
    trainer.train(training.orders[0])
    server = Server(trainer, training.problem, training.test.inputs, trainer.clock, 0, np.random.default_rng(0))
    server.open()
    return map(server.turn, range(SERVING_TURNS))


def test_every_shape_is_compiled_before_the_clock_starts(training: Training) -> None:
    trainer = Timed(training.problem)
    replies = list(served(trainer, training))
    assert trainer.shapes == [(1, 4), (BATCH_ROWS, 4)]
    for reply in replies:
        assert reply.open_s == 2 * (COMPILING_S + FIRST_CALLS * CALL_S)
        assert set(reply.calls_s) == {CALL_S}
        assert reply.batches_s == reply.batches * CALL_S


def test_no_request_is_made_twice_so_remembering_answers_is_useless(training: Training) -> None:
    trainer = Timed(training.problem)
    replies = list(served(trainer, training))
    assert len(trainer.seen) > sum(len(reply.calls_s) + reply.batches for reply in replies)
    assert len(set(trainer.seen)) == len(trainer.seen)


class Nearest(Timed):
    """Remembers answers, and gives that of a request that is near enough."""

    known: Array = np.zeros((0, 4))
    answers: Array = np.zeros((0, 3))

    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        assert isinstance(inputs, np.ndarray)
        if len(inputs) > 1:
            return right(inputs)
        near = np.flatnonzero(np.all(np.abs(self.known - inputs) <= 2 * CHANGE * np.abs(inputs), axis=1))
        if len(near):
            return self.answers[near[:1]]
        self.known, self.answers = np.vstack([self.known, inputs]), np.vstack([self.answers, right(inputs)])
        return self.answers[-1:]


class Half(Timed):
    """Answers in half precision."""

    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        return right(inputs).astype(np.float16).astype(np.float32)


class Constant(Timed):
    """Answers requests of many rows by the answer of the first one."""

    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        return np.repeat(right(inputs)[:1], len(inputs), axis=0)


@pytest.mark.parametrize("cheat", [Nearest, Half, Constant])
def test_answers_that_are_not_those_of_the_parameters_are_found(
    cheat: Callable[[Problem], Timed], training: Training
) -> None:
    right, wrong = (max(each.predicted for each in served(kind(training.problem), training)) for kind in (Timed, cheat))
    assert right < 2 < MULTIPLE < wrong


class Flat(Timed):
    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        return right(inputs)[0]


class Lazy(Timed):
    def answer(self, right: Predictor, inputs: Inputs) -> Array:
        return memoryview(right(inputs))  # type: ignore[return-value]


@pytest.mark.parametrize(("kind", "got"), [(Flat, r"shape \(3,\)"), (Lazy, "a memoryview")])
def test_what_is_no_array_of_the_right_shape_is_no_answer(
    kind: Callable[[Problem], Timed], got: str, training: Training
) -> None:
    with pytest.raises(UserError, match=rf"answered 1 rows with {got}; wanted a NumPy array of shape \(1, 3\)"):
        list(served(kind(training.problem), training))


@pytest.mark.parametrize("call_s", [LEAST_S / 1000, MOST_S / 64, 3.0])
def test_a_turn_has_enough_calls_unless_they_are_slow_and_ends_in_time(call_s: float, training: Training) -> None:
    trainer = Timed(training.problem)
    trainer.call_s = call_s
    for reply in served(trainer, training):
        took_s = sum(reply.calls_s)
        assert took_s < max(LEAST_S, MOST_S) + 1.01 * call_s
        assert len(reply.calls_s) >= ONE.calls or took_s >= MOST_S
        assert reply.batches >= BATCH.calls


def test_texts_of_every_power_of_two_of_words_are_met_before_the_clock_starts_unless_that_takes_too_long() -> None:
    case = words("float32")
    trainer = Timed(case.problem)
    trainer.reset(case.initial)
    server = Server(trainer, case.problem, case.unseen, trainer.clock, 0, np.random.default_rng(0))
    server.open()
    lengths = case.unseen.lengths().tolist()  # type: ignore[union-attr]
    powers = {(length - 1).bit_length() for length in lengths}
    assert len(powers) > 1
    assert {(shape[1] - 1).bit_length() for shape in trainer.shapes if shape[0] == 1} == powers
    trainer.call_s = OPENING_S
    before_s = trainer.now_s
    server.open()
    assert trainer.now_s - before_s < 4 * (FIRST_CALLS * OPENING_S + COMPILING_S)


def a_reply(*calls_s: float, **changes: float) -> ServingReply:
    usual = {"open_s": 1.0, "batches": 2, "batches_s": 0.5, "predicted": 0.5}
    return ServingReply(calls_s=calls_s, **{**usual, **changes})  # type: ignore[arg-type]


def test_percentiles_are_those_of_all_calls_and_each_turn_has_its_median() -> None:
    times_s = [number / 1024 for number in range(1, TAIL_CALLS + 2)]
    found = inference_of([a_reply(*times_s[:100]), a_reply(*times_s[100:], batches=4, predicted=3.0)], "")
    assert found.calls == TAIL_CALLS + 1
    assert (found.latency_median_s, found.latency_p95_s, found.latency_p99_s) == (101 / 1024, 191 / 1024, 199 / 1024)
    assert found.latency_s == (50.5 / 1024, 151 / 1024)
    assert (found.rows, found.batches, found.batch_s, found.predicted) == (BATCH_ROWS, 6, (0.25, 0.125), 3.0)


def test_fewer_calls_have_a_median_and_no_tail() -> None:
    found = inference_of([a_reply(*[0.5] * (TAIL_CALLS - 1))], "")
    assert (found.latency_median_s, found.latency_p95_s, found.latency_p99_s) == (0.5, None, None)


def test_a_service_that_ended_has_a_reason_and_no_times() -> None:
    for replies, said, reason in (([a_reply(0.5)], "crashed: it died", "crashed: it died"), ([], "", "it had no turn")):
        found = inference_of(replies, said)
        assert (found.reason, found.calls, found.latency_s, found.latency_median_s) == (reason, 0, (), None)
