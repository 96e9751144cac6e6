"""Answers requests with a trained model, and times the answers. The clock is an argument.

A request is a NumPy array in host memory, and so is its answer: the time between the two has all transfers in it. Every
request is new (see `bench.tasks.requests`), so nothing can be remembered. Some answers of each turn, which the trainer
cannot know, are compared with the forward pass of its parameters in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backends.contract import Array, Inputs, Predictor, Problem, Trainer, flow_shapes
from bench.errors import UserError
from bench.harness.measure import Clock
from bench.harness.protocol import ServingReply
from bench.harness.quality import prediction_error
from bench.tasks.requests import changed_rows, joined, shape_of

BATCH_ROWS = 256
OPENING_S = 5.0  # of calls with one shape after the other, for each size; the clock meets the shapes after that
FIRST_CALLS = 3  # for each shape: some frameworks compile again in the second call
WARM_UP_S = 0.005  # of untimed calls at the beginning of a turn: others have used the caches
LEAST_S = 0.02  # of a turn, for each size of requests, with the making of the requests
MOST_S = 0.2  # from which on a turn has no further call of a size, however few there were
OPENING, WARMING, TIMED = range(3)  # what a request is for


@dataclass(frozen=True)
class Size:
    """Requests of one size."""

    rows: int
    calls: int  # in a turn, unless they take longer than `MOST_S`
    checked: int  # of these, drawn after they were answered


ONE = Size(rows=1, calls=40, checked=40)
BATCH = Size(rows=BATCH_ROWS, calls=1, checked=1)


class Server:
    """A trained trainer that answers requests of one row and of many."""

    def __init__(
        self, trainer: Trainer, problem: Problem, inputs: Inputs, clock: Clock, seed: int, draw: np.random.Generator
    ) -> None:
        """Prepare nothing yet. `inputs` are the evaluation rows, `seed` is that of the requests."""
        self.trainer = trainer
        self.problem = problem
        self.inputs = inputs
        self.clock = clock
        self.seed = seed
        self.draw = draw  # which answers are checked
        # What rounding explains is estimated from the rows that are computed together: with few of them, badly.
        self.checking = replace(problem, batch_size=BATCH_ROWS)
        self.outputs = flow_shapes(problem.layers, problem.row_shape)[-1]
        self.open_s = 0.0

    def open(self) -> None:
        """Get the predictors, and call each with every shape that requests have, so that it is compiled."""
        begun_s = self.clock()
        self.params = self.trainer.params()
        self.predictors: dict[Size, Predictor] = {size: self.trainer.predictor(size.rows) for size in (ONE, BATCH)}
        for size, predict in self.predictors.items():
            opening_s = self.clock()
            for number in self._one_of_each_shape(size):
                for call in range(FIRST_CALLS):
                    predict(self.request(size, (OPENING, call), number))
                if self.clock() - opening_s > OPENING_S:
                    break
        self.open_s = self.clock() - begun_s

    def turn(self, number: int) -> ServingReply:
        """Answer requests of both sizes for a short time each."""
        times_s: dict[Size, list[float]] = {}
        checked: list[tuple[Inputs, Array]] = []
        for size in (ONE, BATCH):
            self._warm_up(size, number)
            times_s[size], answers = self._timed(size, number)
            drawn = self.draw.choice(len(answers), min(size.checked, len(answers)), replace=False).tolist()
            checked += [(self.request(size, (TIMED, number), at), self._sound(size, answers[at])) for at in drawn]
        requests, outputs = zip(*checked, strict=True)
        return ServingReply(
            open_s=self.open_s,
            calls_s=tuple(times_s[ONE]),
            batches=len(times_s[BATCH]),
            batches_s=sum(times_s[BATCH]),
            predicted=prediction_error(self.checking, self.params, joined(requests), np.concatenate(outputs)),
        )

    def request(self, size: Size, occasion: tuple[int, int], number: int) -> Inputs:
        """Return a request: evaluation rows in their order, from the beginning again after the last one.

        No two are the same: `occasion` says what the request is for, and in which turn it is made.
        """
        ids = (number * size.rows + np.arange(size.rows)) % len(self.inputs)
        return changed_rows(self.inputs, ids, np.random.default_rng([self.seed, size.rows, *occasion, number]))

    def _one_of_each_shape(self, size: Size) -> list[int]:
        requests = range(-(-len(self.inputs) // size.rows))
        return list({shape_of(self.request(size, (OPENING, 0), number)): number for number in requests}.values())

    def _warm_up(self, size: Size, turn: int) -> None:
        begun_s, number = self.clock(), 0
        while self.clock() - begun_s < WARM_UP_S:
            self.predictors[size](self.request(size, (WARMING, turn), number))
            number += 1

    def _timed(self, size: Size, turn: int) -> tuple[list[float], list[Array]]:
        """Return the times of calls, and their answers."""
        predict, begun_s = self.predictors[size], self.clock()
        times_s: list[float] = []
        answers: list[Array] = []
        while not self._enough(size, len(times_s), self.clock() - begun_s):
            request = self.request(size, (TIMED, turn), len(times_s))
            before_s = self.clock()
            answer = predict(request)
            times_s.append(self.clock() - before_s)
            answers.append(answer)
        return times_s, answers

    def _enough(self, size: Size, calls: int, took_s: float) -> bool:
        return calls > 0 and (took_s >= MOST_S or (calls >= size.calls and took_s >= LEAST_S))

    def _sound(self, size: Size, answer: Array) -> Array:
        """Return an answer. Raises `UserError` if it is none."""
        wanted = (size.rows, *self.outputs)
        if not isinstance(answer, np.ndarray) or answer.shape != wanted:
            got = f"shape {answer.shape}" if isinstance(answer, np.ndarray) else f"a {type(answer).__name__}"
            raise UserError(f"answered {size.rows} rows with {got}; wanted a NumPy array of shape {wanted}")
        return answer
