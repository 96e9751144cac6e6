"""NumPy trainers that look right only where they are watched, or fast only by their own clock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from backends.contract import Array, Inputs, Params, Placement, Problem, map_params
from backends.numpy_backend import NumpyTrainer
from bench.selftest.backend import Unfinished
from bench.selftest.faulty_trainers import Altered, Coarse, Skipping

WATCHED = (
    2  # trainings: the first one, and its first pass repeated; the parity check sees no others in the process itself
)
EVERY = 20
LAST_SHARE = 0.1
SLOWED = 0.8  # seconds of a patched clock in a second
WORKS = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
KEPT = 0.9  # of an average of parameters, in a step


class Counting(NumpyTrainer):
    """Counts its trainings."""

    trainings = 0

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.trainings += 1

    @property
    def unwatched(self) -> bool:
        """Whether this is a later training than those that the process itself is judged by."""
        return self.trainings > WATCHED


class SkipsLater(Counting):
    """Trains once; later it returns the losses of that training and leaves the parameters alone."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.known: list[Array] = []
        self.passes = 0

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        super().reset(params)
        self.passes = 0

    def train(self, order: Array) -> Array:
        """Take the steps if no pass with this number was ever trained; return the losses of that pass."""
        self.passes += 1
        if self.passes > len(self.known):
            self.known.append(super().train(order))
        return self.known[self.passes - 1]


class Remembers(NumpyTrainer):
    """Remembers the result of each pass by the parameters that it began with, and by its order."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.known: dict[bytes, tuple[Array, Array]] = {}

    def train(self, order: Array) -> Array:
        """Take the steps unless they are remembered; return their losses."""
        key = self.values.tobytes() + order[:, 0].tobytes()
        if key not in self.known:
            losses = super().train(order)
            self.known[key] = losses, self.values.copy()
        losses, self.values[...] = self.known[key]
        return losses


class TrainsInReset(NumpyTrainer):
    """Trains in `reset` what it expects to be asked for: the passes of the training before."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.expected: list[Array] = []
        self.orders: list[Array] = []
        self.ready: list[tuple[Array, Array]] = []  # losses of each pass, and the parameters after it

    def reset(self, params: Params) -> None:
        """Copy `params` in, train, and copy them in again."""
        self.expected, self.orders, self.ready = self.orders, [], []
        super().reset(params)
        for order in self.expected:
            self.ready.append((super().train(order), self.values.copy()))
        super().reset(params)

    def train(self, order: Array) -> Array:
        """Hand out the next pass if it is the expected one; take the steps if not."""
        done = len(self.orders)
        self.orders.append(order)
        if done < len(self.ready) and np.array_equal(self.expected[done][:, 0], order[:, 0]):
            losses, self.values[...] = self.ready[done]
            return losses
        self.ready = []
        return super().train(order)


class WaitsFirst(Unfinished):
    """Waits for the end of its work in the first pass only."""

    passes = 0

    def train(self, order: Array) -> Array:
        """Take the steps; after the first pass, return before they are finished."""
        self.passes += 1
        return NumpyTrainer.train(self, order) if self.passes == 1 else super().train(order)


class SkipsSteps(Counting, Skipping):
    """Leaves out some steps of later passes."""

    def skips(self, step: int, steps: int) -> bool:
        """Return whether a step of a pass is left out."""
        return self.unwatched and self.left_out(step, steps)

    def left_out(self, step: int, steps: int) -> bool:
        """Return whether a step of a later pass is left out."""
        raise NotImplementedError


class EndsEarlyLater(SkipsSteps):
    """Leaves out the last steps of later passes, but at least one."""

    def left_out(self, step: int, steps: int) -> bool:
        """Return whether the step is one of the last tenth."""
        return step >= steps - max(1, int(LAST_SHARE * steps))


class EveryTwentiethLater(SkipsSteps):
    """Leaves out every twentieth step of later trainings, counted over their passes."""

    steps = 0

    def left_out(self, step: int, steps: int) -> bool:
        """Return whether the step is a twentieth one."""
        self.steps += 1
        return self.steps % EVERY == 0


class LastLayerLater(Counting, Altered):
    """Updates only the last layer in later trainings."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that ignores the gradients of all layers but the last, in later trainings."""

        def changed() -> None:
            for layer in self.layers[:-1] if self.unwatched else ():
                layer.weights_gradient.fill(0)
                layer.bias_gradient.fill(0)
            update()

        return changed


class HalfPrecisionLater(Counting, Coarse):
    """Rounds products to half precision in later trainings."""

    def rounded(self, outputs: Array) -> Array:
        """Return numbers rounded to float16."""
        return outputs.astype(np.float16) if self.unwatched else outputs


class KeepsState(NumpyTrainer):
    """Clears the optimizer's state only once."""

    begun = False

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        update = self.update
        super().reset(params)
        if self.begun:
            self.update = update
        self.begun = True


class PatchedClock(NumpyTrainer):
    """Slows down the clock of its process."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        real, begun_s = time.perf_counter, time.perf_counter()
        time.perf_counter = lambda: begun_s + SLOWED * (real() - begun_s)


class ChildWorks(NumpyTrainer):
    """Has a child process that computes as long as this one lives."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.child = subprocess.Popen([sys.executable, "-S", "-c", WORKS])


class Averaging(Altered):
    """Keeps an average of the parameters over the steps."""

    def altered(self, update: Callable[[], None]) -> Callable[[], None]:
        """Return an update that also updates the average."""
        self.average = self.values.copy()

        def changed() -> None:
            update()
            self.average[...] = KEPT * self.average + (1 - KEPT) * self.values

        return changed

    def averaged(self) -> NumpyTrainer:
        """Return another trainer whose parameters are the average."""
        other = NumpyTrainer(self.problem, self.placement)
        other.values[...] = self.average
        return other

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.placement = placement


class ParamsAveraged(Averaging):
    """Hands out averages of the parameters."""

    def params(self) -> Params:
        """Return copies of the averages."""
        return self.averaged().params()


class PredictsAveraged(Averaging):
    """Predicts with averages of the parameters."""

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs] of the averages."""
        return self.averaged().predict(inputs)


class PredictsHalf(NumpyTrainer):
    """Predicts with parameters rounded to half precision."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.placement = placement

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs] of rounded parameters."""
        other = NumpyTrainer(self.problem, self.placement)
        other.reset(map_params(lambda part: part.astype(np.float16), self.params()))
        return other.predict(inputs)
