"""Jobs of a worker process that compute arrays for the parity check."""

from __future__ import annotations

from pathlib import Path

from backends.contract import Precision
from bench.harness.job import find_data, placement_of, task_of
from bench.harness.protocol import Done, JobRequest
from bench.harness.workbench import Workbench
from bench.parity.arrays import save_params, save_trace, save_training_result
from bench.parity.envelope import save_envelope
from bench.parity.rounding import exact_result, rounded_result, surrounded
from bench.parity.traces import params_after, traces, training_results
from bench.tasks.seeding import repetition_seed
from bench.tasks.training import Training, make_training, repetition, reseeded


class ArraysRequest(JobRequest[Done], frozen=True, kw_only=True):
    """A request whose job writes one file of arrays for each seed."""

    folder: str = ""  # folder of the files
    seeds: tuple[int, ...] = ()  # of initial weights and batch order; empty for the task's own seed

    def trainings(self, precision: Precision) -> dict[int, Training]:
        """Return the training of each seed; all of them share one problem."""
        task = task_of(self.job)
        training = make_training(task, precision, find_data())
        return {
            seed: training if seed == task.seed else reseeded(training, task, precision, seed)
            for seed in self.seeds or (task.seed,)
        }

    def file(self, seed: int) -> Path:
        """Return the file for the arrays of a seed."""
        return Path(self.folder) / f"{seed}.npz"


class TraceRequest(ArraysRequest, frozen=True, kw_only=True):
    """A request for the gradient of the first batch, and losses and parameters of the first epochs."""

    def answer(self, workbench: Workbench) -> Done:
        """Train the first epochs, in float64 for parity."""
        backend, trainings = self.backend.load(), self.trainings(self.job.row.precision)
        found = traces(backend, placement_of(self.job), list(trainings.values()), task_of(self.job).check_epochs)
        for seed, trace in zip(trainings, found, strict=True):
            save_trace(self.file(seed), trace)
        return Done()


class TrainRequest(ArraysRequest, frozen=True, kw_only=True):
    """A request to train to the end, untimed."""

    def answer(self, workbench: Workbench) -> Done:
        """Train all epochs."""
        backend, trainings = self.backend.load(), self.trainings(self.job.row.precision)
        found = training_results(backend, placement_of(self.job), list(trainings.values()))
        for seed, result in zip(trainings, found, strict=True):
            save_training_result(self.file(seed), result)
        return Done()


class RepetitionRequest(ArraysRequest, frozen=True, kw_only=True):
    """A request for one of the runs that the envelope of a repetition consists of."""

    repetition: int
    draw: int | None  # which random errors, in the precision of the job; None for the run without them, in float64

    def answer(self, workbench: Workbench) -> Done:
        """Train the reference from the start of the repetition to the end."""
        task = task_of(self.job)
        precision: Precision = "float64" if self.draw is None else self.job.row.precision
        plain = make_training(task, precision, find_data())
        training = repetition(plain, task, precision, self.repetition)
        seed = repetition_seed(task.seed, self.repetition)
        result = exact_result(training) if self.draw is None else rounded_result(training, seed, self.draw)
        save_training_result(self.file(seed), result)
        return Done()


class FollowRequest(ArraysRequest, frozen=True, kw_only=True):
    """A request for the parameters after some steps, for one seed."""

    steps: int

    def answer(self, workbench: Workbench) -> Done:
        """Train `steps` steps."""
        backend, trainings = self.backend.load(), self.trainings(self.job.row.precision)
        ((seed, training),) = trainings.items()
        save_params(self.file(seed), params_after(backend, placement_of(self.job), training, self.steps))
        return Done()


class EnvelopeRequest(ArraysRequest, frozen=True, kw_only=True):
    """A request for the envelope of the reference's training in the precision of the job."""

    epochs: int | None = None  # None for all

    def answer(self, workbench: Workbench) -> Done:
        """Train the reference in float64, and with random errors of the size of the job's precision."""
        epochs = self.epochs or task_of(self.job).epochs
        centres, trainings = self.trainings("float64"), self.trainings(self.job.row.precision)
        for seed, training in trainings.items():
            centre, training = centres[seed].shortened(epochs), training.shortened(epochs)
            save_envelope(self.file(seed), surrounded(centre, training, seed))
        return Done()
