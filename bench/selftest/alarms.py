"""False alarms: trains correct backends from many seeds and counts how often the parity check calls one wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench.events import Listener
from bench.harness.availability import fetch_data, unavailable
from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup
from bench.parity.arrays import load_trace, load_training_result
from bench.parity.compute import Computer, NotComputed, reference_row
from bench.parity.envelope import Envelope, load_envelope
from bench.parity.jobs import ArraysRequest, EnvelopeRequest, TraceRequest, TrainRequest
from bench.parity.tiers import compare_repetition, compare_timed_metric, compare_traces, first_fault
from bench.parity.traces import Trace, TrainingResult
from bench.records.schema import Row
from bench.scratch import scratch_folder
from bench.tasks.names import find_task

T = TypeVar("T")

SEEDS_AT_ONCE = 5  # per request, because each request has a time limit


@dataclass(frozen=True)
class Trial:
    """The parity result of a correct backend trained from one seed."""

    row: Row
    seed: int
    gradient: float
    losses: float
    parameters: float
    envelope: float  # as a multiple of what rounding explains, as is the metric
    metric: float
    reason: str  # empty unless the parity check calls it wrong


@dataclass(frozen=True)
class Right:
    """The reference that a training from one seed is compared with."""

    trace: Trace
    envelope: Envelope


def trials(rows: Sequence[Row], seeds: int, setup: WorkerSetup, listener: Listener) -> Iterator[list[Trial]]:
    """Yield, for each task, the trials of all rows that can run, from each of the seeds 0 to `seeds` - 1."""
    lost = unavailable(rows, fetch_data(dict.fromkeys(row.task for row in rows), setup, listener))
    order = {row: number for number, row in enumerate(row for row in rows if row not in lost)}
    for task in dict.fromkeys(row.task for row in order):
        with scratch_folder() as scratch:
            task_rows = [row for row in order if row.task == task]
            found = Trials(task, Computer(setup, scratch, {}, listener)).run(task_rows, seeds)
            yield sorted(found, key=lambda trial: (order[trial.row], trial.seed))


class Trials:
    """Trials of correct backends on one task."""

    def __init__(self, task: str, computer: Computer) -> None:
        self.task = task
        self.computer = computer
        self.right: dict[int, Right] = {}

    def run(self, rows: Sequence[Row], seeds: int) -> Iterator[Trial]:
        """Yield a trial of each row, in its own precision, from each seed. Raises `NotComputed` without references."""
        chunks = [tuple(range(i, min(i + SEEDS_AT_ONCE, seeds))) for i in range(0, seeds, SEEDS_AT_ONCE)]
        self.computer.listener.stage(self.task, (1 + len(rows)) * len(chunks))
        for right in self.computer.share_out([[chunk] for chunk in chunks], self._refer):
            self.right |= right
        groups = [[(row, chunk) for chunk in chunks] for row in rows]
        for found in self.computer.share_out(groups, self._try):
            yield from found

    def _refer(self, seeds: tuple[int, ...], worker: Worker) -> dict[int, Right]:
        with self._shown("reference", seeds):
            traces = self._arrays(TraceRequest, reference_row(self.task, "float64"), seeds, load_trace, worker)
            envelopes = self._arrays(EnvelopeRequest, reference_row(self.task, "float32"), seeds, load_envelope, worker)
        return {seed: Right(traces[seed], envelopes[seed]) for seed in seeds}

    def _try(self, item: tuple[Row, tuple[int, ...]], worker: Worker) -> list[Trial]:
        row, seeds = item
        with self._shown(f"{row.backend} {row.mode}", seeds):
            exact = msgspec.structs.replace(row, precision="float64")
            try:
                traces = self._arrays(TraceRequest, exact, seeds, load_trace, worker)
                outcomes = self._arrays(TrainRequest, row, seeds, load_training_result, worker)
            except NotComputed as error:
                if error.status == "unsupported":
                    return []
                nothing = dict.fromkeys(("gradient", "losses", "parameters", "envelope", "metric"), math.nan)
                return [Trial(row=row, seed=seed, **nothing, reason=f"{error.status}: {error}") for seed in seeds]
            return [self._judged(row, seed, traces[seed], outcomes[seed], worker) for seed in seeds]

    def _judged(self, row: Row, seed: int, candidate: Trace, timed: TrainingResult, worker: Worker) -> Trial:
        right, envelope = self.right[seed].trace, self.right[seed].envelope

        def explain() -> Envelope:
            exact, epochs = reference_row(self.task, "float64"), find_task(self.task).check_epochs
            return self._arrays(EnvelopeRequest, exact, (seed,), load_envelope, worker, epochs=epochs)[seed]

        of_trace = compare_traces(candidate, right, explain)
        outputs = timed.evaluation.outputs
        early = compare_repetition(timed.losses, timed.params, outputs, row.precision, envelope)
        metric = compare_timed_metric(find_task(self.task).metric, timed.metric, row.precision, envelope)
        return Trial(
            row=row,
            seed=seed,
            gradient=of_trace.gradient.size,
            losses=of_trace.losses.size,
            parameters=of_trace.params.size,
            envelope=early.size,
            metric=metric.size,
            reason=first_fault((*of_trace, early, metric)),
        )

    def _arrays(
        self,
        kind: type[ArraysRequest],
        row: Row,
        seeds: tuple[int, ...],
        load: Callable[[Path], T],
        worker: Worker,
        **more: Any,
    ) -> dict[int, T]:
        """Return the arrays of a kind of request, by seed. Raises `NotComputed`."""
        job, backend = self.computer.job(row), self.computer.backend(row)
        return self.computer.arrays(kind(job=job, backend=backend, seeds=seeds, **more), worker, load)

    @contextmanager
    def _shown(self, what: str, seeds: tuple[int, ...]) -> Iterator[None]:
        label = f"{what}, seeds {seeds[0]} to {seeds[-1]}"
        self.computer.listener.begins(label)
        yield
        self.computer.listener.ended(label, "ok")


def tidy(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """Return one line per trial."""
    return [
        {"task": trial.row.task, "backend": trial.row.backend, "mode": trial.row.mode}
        | {field.name: getattr(trial, field.name) for field in fields(Trial) if field.name != "row"}
        for trial in trials
    ]


def by_row(trials: Sequence[Trial]) -> list[dict[str, str]]:
    """Return one line per row: the number of trials, of false alarms, and the largest departure of each kind."""
    lines = []
    for row in dict.fromkeys(trial.row for trial in trials):
        of_row = [trial for trial in trials if trial.row == row]
        lines.append({
            "task": row.task,
            "backend": row.backend,
            "mode": row.mode,
            "trials": f"{len(of_row)}",
            "false alarms": f"{sum(bool(trial.reason) for trial in of_row)}",
            "gradient": f"{max(trial.gradient for trial in of_row):.0e}",
            "losses": f"{max(trial.losses for trial in of_row):.0e}",
            "parameters": f"{max(trial.parameters for trial in of_row):.0e}",
            "of envelope": f"{max(trial.envelope for trial in of_row):.1f}",
            "of metric's": f"{max(trial.metric for trial in of_row):.1f}",
        })  # fmt: skip
    return lines
