"""The jobs of a worker process that compute arrays for the parity check."""

from __future__ import annotations

from pathlib import Path

from backends.contract import Precision
from bench.harness.job import entry_of, find_data, placement_of, task_of
from bench.parity.envelope import save_envelope
from bench.parity.rounding import surrounded
from bench.parity.traces import params_after, save_params, save_trace, save_training_result, traces, training_results
from bench.records.schema import Record, Request
from bench.tasks.training import Training, make_training, reseeded


def trace_job(request: Request) -> Record:
    """Follow the first epochs, in float64 for parity."""
    backend, task = entry_of(request.job).load(), task_of(request.job)
    seeds, trainings = trainings_of(request, request.job.row.precision)
    found = traces(backend, placement_of(request.job), trainings, task.check_epochs)
    for seed, trace in zip(seeds, found, strict=True):
        save_trace(file_of(request, seed), trace)
    return Record(job=request.job, status="ok")


def outcome_job(request: Request) -> Record:
    """Train to the end, untimed."""
    backend = entry_of(request.job).load()
    seeds, trainings = trainings_of(request, request.job.row.precision)
    for seed, found in zip(seeds, training_results(backend, placement_of(request.job), trainings), strict=True):
        save_training_result(file_of(request, seed), found)
    return Record(job=request.job, status="ok")


def follow_job(request: Request) -> Record:
    """Compute the parameters after some steps."""
    backend = entry_of(request.job).load()
    ((seed,), (training,)) = trainings_of(request, request.job.row.precision)
    save_params(file_of(request, seed), params_after(backend, placement_of(request.job), training, request.steps))
    return Record(job=request.job, status="ok")


def envelope_job(request: Request) -> Record:
    """Compute how far rounding alone carries the reference's training, in the precision of the job."""
    job, task = request.job, task_of(request.job)
    epochs = request.epochs or task.epochs
    seeds, centres = trainings_of(request, "float64")
    _, trainings = trainings_of(request, job.row.precision)
    for seed, *pair in zip(seeds, centres, trainings, strict=True):
        centre, training = (each.shortened(epochs) for each in pair)
        save_envelope(file_of(request, seed), surrounded(centre, training, seed))
    return Record(job=job, status="ok")


def trainings_of(request: Request, precision: Precision) -> tuple[tuple[int, ...], list[Training]]:
    """Return the seeds of a request, and the training of each; they share one problem."""
    task = task_of(request.job)
    training = make_training(task, precision, find_data())
    seeds = request.seeds or (task.seed,)
    return seeds, [training if seed == task.seed else reseeded(training, task, precision, seed) for seed in seeds]


def file_of(request: Request, seed: int) -> Path:
    """Return where the arrays of a seed go."""
    return Path(request.folder) / f"{seed}.npz"
