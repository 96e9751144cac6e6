"""Is a training of a small task right? Its float64 trace and its whole training in float32, against the reference."""

from __future__ import annotations

from functools import cache
from typing import Any

from support import no_files

from backends import numpy_reference
from backends.contract import Placement, Precision
from bench.parity.envelope import Envelope
from bench.parity.rounding import surrounded
from bench.parity.tiers import compare_repetition, compare_timed_metric, compare_traces, first_fault
from bench.parity.traces import Trace, traces, training_results
from bench.tasks import Task
from bench.tasks.training import Training, make_training, reseeded


def place(mode: str, precision: Precision) -> Placement:
    return Placement(mode=mode, device="cpu", precision=precision, threads=1)


@cache
def training(task: Task, precision: Precision, seed: int) -> Training:
    return reseeded(make_training(task, precision, no_files), task, precision, seed)


@cache
def right(task: Task, seed: int) -> Trace:
    exact = training(task, "float64", seed)
    return next(traces(numpy_reference, place("plain", "float64"), [exact], task.check_epochs))


@cache
def envelope(task: Task, precision: Precision, seed: int) -> Envelope:
    return surrounded(training(task, "float64", seed), training(task, precision, seed), seed)


def follows(task: Task, backend: Any, mode: str, seed: int = 0) -> str:
    """Return what is wrong with a float64 trace, empty if nothing is."""
    trace = next(traces(backend, place(mode, "float64"), [training(task, "float64", seed)], task.check_epochs))
    return first_fault(compare_traces(trace, right(task, seed), lambda: envelope(task, "float64", seed)))


def times(task: Task, backend: Any, mode: str, seed: int = 0) -> str:
    """Return what is wrong with a whole training in float32, empty if nothing is."""
    found = next(training_results(backend, place(mode, "float32"), [training(task, "float32", seed)]))
    explained = envelope(task, "float32", seed)
    whole = compare_repetition(found.losses, found.params, found.evaluation.outputs, "float32", explained)
    return first_fault([whole, compare_timed_metric("accuracy", found.metric, "float32", explained)])
