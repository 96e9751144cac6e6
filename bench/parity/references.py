"""What rows are compared with: float64 traces of the reference, and envelopes, each computed once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backends.contract import Precision
from backends.registry import REFERENCE
from bench.harness.process import Worker
from bench.parity.arrays import load_trace, load_training_result
from bench.parity.cache import EnvelopeCache, cache_key
from bench.parity.compute import Computer, NotComputed, reference_row
from bench.parity.envelope import Envelope, envelope_of, load_envelope
from bench.parity.jobs import EnvelopeRequest, RepetitionRequest, TraceRequest
from bench.parity.rounding import RUNS
from bench.parity.traces import Trace, TrainingResult
from bench.records.schema import Row
from bench.tasks.datasets.folders import data_folders
from bench.tasks.settings import settings as settings_of


class Timed(NamedTuple):
    """The timed runs, over all epochs, that share an envelope."""

    task: str
    precision: Precision


NOT_JUDGED = "not judged: the reference could not be computed"


class NoReference(Exception):
    """Raised if the reference itself could not be computed, which is no fault of the row; the message says why."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{NOT_JUDGED}: {why}")
        self.why = why


class References:
    """Traces and envelopes of the reference, by task. Envelopes are kept in the user's cache folder between runs."""

    def __init__(self, computer: Computer) -> None:
        self.computer = computer
        self.cache = EnvelopeCache(data_folders(computer.setup.environment)[-1] / "envelopes")
        self.failures: dict[str, str] = {}  # why a task has no reference
        self._traces: dict[str, Trace] = {}
        self._envelopes: dict[tuple[str, Precision, int | None], Envelope] = {}
        self._repetitions: dict[tuple[str, Precision, int], Envelope] = {}
        self._explaining = threading.Lock()

    def add_traces(self, tasks: Iterable[str]) -> None:
        """Compute the float64 trace of each task; reasons of failures are added to `failures`."""
        groups = [[task] for task in tasks]
        self.computer.listener.stage("reference", len(groups))
        for _ in self.computer.share_out(groups, self._add_trace):
            pass

    def trace(self, task: str) -> Trace:
        """Return a trace computed by `add_traces`. Raises `NoReference`."""
        if task in self.failures:
            raise NoReference(self.failures[task])
        return self._traces[task]

    def missing(self, rows: Iterable[Row]) -> list[Timed]:
        """Return the envelopes that the timed runs of these rows need and that are not in the cache."""
        kinds = dict.fromkeys(Timed(row.task, row.precision) for row in rows if row.task not in self.failures)
        return [kind for kind in kinds if self._known(*kind, None) is None]

    def add_envelopes(self, kinds: Sequence[Timed]) -> None:
        """Compute the envelopes of these timed runs; reasons of failures are added to `failures`."""
        if kinds:
            self.computer.listener.stage("envelope", len(kinds))
        for _ in self.computer.share_out([[kind] for kind in kinds], self.add_envelope):
            pass

    def add_envelope(self, kind: Timed, worker: Worker) -> None:
        """Compute one envelope in this worker."""
        label = str(reference_row(*kind))
        self.computer.listener.begins(label)
        try:
            self._envelope(*kind, None, worker)
        except NoReference as error:
            self.failures[kind.task] = error.why
        self.computer.listener.ended(label, "failed" if kind.task in self.failures else "ok")

    def timed_envelope(self, row: Row) -> Envelope:
        """Return the envelope of a row's timed run. Raises `NoReference` if it was not computed."""
        envelope = self._envelopes.get((row.task, row.precision, None))
        if envelope is None:
            raise NoReference(self.failures.get(row.task, "no envelope"))
        return envelope

    def trace_envelope(self, task: str, worker: Worker) -> Envelope:
        """Return the float64 envelope of a task's trace, computed when first needed. Raises `NoReference`."""
        with self._explaining:  # several rows of a task may need it at the same time
            return self._envelope(task, "float64", self.computer.task(task).check_epochs, worker)

    def repetition_envelope(self, row: Row, number: int) -> Envelope:
        """Return the envelope of repetition `number` of a row's task in its precision, computed when first needed.

        Its trainings are shared out over the cores. It is not kept on disk, because each run watches other repetitions.
        Raises `NoReference`.
        """
        name = row.task, row.precision, number
        if name not in self._repetitions:
            self._repetitions[name] = self._repetition(*name)
        return self._repetitions[name]

    def _repetition(self, task: str, precision: Precision, number: int) -> Envelope:
        job = self.computer.job(reference_row(task, precision))
        draws = [None, *range(RUNS)]
        cores = len(self.computer.setup.cores)

        def train(draw: int | None, worker: Worker) -> tuple[int | None, TrainingResult]:
            request = RepetitionRequest(job=job, backend=REFERENCE, repetition=number, draw=draw)
            return draw, self.computer.array(request, worker, load_training_result)

        try:
            found = dict(self.computer.share_out([group for i in range(cores) if (group := draws[i::cores])], train))
        except NotComputed as error:
            raise NoReference(f"no envelope of repetition {number}: {error}") from error
        return envelope_of(found.pop(None), found.values())

    def _add_trace(self, task: str, worker: Worker) -> None:
        row = reference_row(task, "float64")
        self.computer.listener.begins(str(row))
        try:
            request = TraceRequest(job=self.computer.job(row), backend=REFERENCE)
            self._traces[task] = self.computer.array(request, worker, load_trace)
            status = "ok"
        except NotComputed as error:
            self.failures[task] = str(error)
            status = error.status
        self.computer.listener.ended(str(row), status)

    def _envelope(self, task: str, precision: Precision, epochs: int | None, worker: Worker) -> Envelope:
        known = self._known(task, precision, epochs)
        if known is not None:
            return known
        job = self.computer.job(reference_row(task, precision))
        try:
            request = EnvelopeRequest(job=job, backend=REFERENCE, epochs=epochs)
            envelope = self.computer.array(request, worker, load_envelope)
        except NotComputed as error:
            raise NoReference(f"no envelope: {error}") from error
        self.cache.put(self._key(task, precision, epochs), envelope)
        self._envelopes[task, precision, epochs] = envelope
        return envelope

    def _known(self, task: str, precision: Precision, epochs: int | None) -> Envelope | None:
        """Return an envelope of this run or from the cache; None if it is in neither."""
        name = task, precision, epochs
        if name not in self._envelopes:
            cached = self.cache.get(self._key(task, precision, epochs))
            if cached is None:
                return None
            self._envelopes[name] = cached
        return self._envelopes[name]

    def _key(self, task: str, precision: Precision, epochs: int | None) -> str:
        return cache_key(task, settings_of(self.computer.task(task)), precision, epochs)
