"""The timing job of a worker process: train a task and time it."""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from backends.contract import Backend, Device, Params, Precision, Trainer, parts
from bench.errors import UserError
from bench.harness.job import find_data, placement_of, task_of
from bench.harness.measure import Clock, Evaluated, Measured, Stopwatch, fastest_product_s, measure, reread
from bench.harness.protocol import JobRequest
from bench.harness.quality import prediction_error, repeated
from bench.harness.read_back import used_by
from bench.harness.turns import Instruments, Repeater
from bench.harness.workbench import Workbench
from bench.machine.host import usable_cores
from bench.machine.usage import Usage, helpers, read_usage, total_cpu_s
from bench.records.schema import Job, Quality, Record, Resources, Timing
from bench.tasks.flops import flops_per_pass
from bench.tasks.training import Training, evaluate, make_training, repetition

PRODUCT_SIZES: dict[Device, int] = {"cpu": 1024, "gpu": 4096}  # large enough to reach the highest rate
CACHE_BYTES = 64 * 2**20  # more than the caches of most processors
# What rounding explains is estimated from the rows that are computed together: with few of them, badly.
CHECKED_TOGETHER = 256
SHOWN_PARAMETERS = 20  # the records of larger models do not contain the parameters


class TimeRequest(JobRequest[Record], frozen=True, kw_only=True):
    """A request to train a task and time it. After it, the process is ready for the turns of a round."""

    watched: tuple[int, ...] = ()  # repetitions of which the last one is handed to the parent after the turns

    def answer(self, workbench: Workbench) -> Record:
        """Train and time with the harness's own loop."""
        return time_job(self, measure, workbench)


Measure = Callable[[Trainer, Training, Clock, Callable[[], Usage]], Measured]


def time_job(request: TimeRequest, measure: Measure, workbench: Workbench) -> Record:
    """Train a task and time it with `measure`; the phases follow each other without a gap.

    The trainer stays on the workbench, in a `Repeater`. Raises `UserError` if it trained in another precision.
    """
    watch = Stopwatch(time.monotonic)
    start_s = watch.last - request.spawned_s
    opened = open_job(request, watch)
    measured = measure(opened.trainer, opened.training, time.perf_counter, read_usage)
    watch.lap()
    quality = quality_of(opened.training, measured)
    evaluation_s = measured.evaluation_s + watch.lap()
    require_precision(measured.params, request.job.row.precision)
    quality = checked(quality, opened.training, measured)
    peaks = peak_memory_bytes(), opened.trainer.peak_device_memory_bytes()
    resources = resources_of(request, opened.trainer)  # copies the parameters: after the peak memory was read
    after = look_after(opened, request.job)
    workbench.put(repeater_of(opened, request, measured.passes_s[-1]))
    workbench.put(opened.training)
    workbench.put(Evaluated(measured.outputs))
    timing = Timing(
        start_s=start_s,
        import_s=opened.import_s,
        data_s=opened.data_s,
        setup_s=opened.setup_s,
        passes_s=measured.passes_s,
        evaluation_s=evaluation_s,
        resets_s=measured.resets_s,
        checks_s=measured.checks_s + watch.lap(),
        wall_s=time.monotonic() - request.spawned_s,  # the parent replaces this by its own measurement
        cpu_s=total_cpu_s(),
        steps_per_pass=opened.training.steps_per_pass,
        rows_per_step=opened.training.problem.batch_size,
        flops_per_pass=after.flops_per_pass,
        read_s=measured.read_s,
        reread_s=after.reread_s,
        steady=measured.steady,
        peak_memory_bytes=peaks[0],
        peak_device_memory_bytes=peaks[1],
        product_flops_per_s=after.product_flops_per_s,
    )
    return Record(job=request.job, status="ok", timing=timing, quality=quality, resources=resources)


def checked(quality: Quality, training: Training, measured: Measured) -> Quality:
    """Return the quality with what shows whether passes and predictions are those of the parameters."""
    again = repeated(training.initial, measured.first_pass, measured.again)
    return replace(quality, repeated=again, predicted=predicted(training, measured))


@dataclass(frozen=True)
class Opened:
    """A trainer with its initial weights, its training, and how long each phase took."""

    backend: Backend
    training: Training
    trainer: Trainer
    import_s: float
    data_s: float
    setup_s: float


def open_job(request: JobRequest[Any], watch: Stopwatch) -> Opened:
    """Import the framework, load the data, then open and reset the trainer."""
    job = request.job
    backend = request.backend.load()
    import_s = watch.lap()
    training = make_training(task_of(job), job.row.precision, find_data())
    data_s = watch.lap()
    trainer = backend.open_trainer(training.problem, placement_of(job))
    trainer.reset(training.initial)
    return Opened(backend, training, trainer, import_s=import_s, data_s=data_s, setup_s=watch.lap())


def repeater_of(opened: Opened, request: TimeRequest, usual_s: float) -> Repeater:
    """Return what trains on in turns, from other starts and in other orders; `usual_s` is the time of a pass."""
    instruments = Instruments(time.perf_counter, time.process_time, read_usage)
    task, precision = task_of(request.job), request.job.row.precision
    nth = functools.partial(repetition, opened.training, task, precision)
    return Repeater(opened.trainer, nth, opened.training.test.inputs, instruments, request.watched, usual_s)


@dataclass(frozen=True)
class After:
    """Measurements made after the timed training; the names are those of `Timing`."""

    reread_s: tuple[float, ...]
    flops_per_pass: int
    product_flops_per_s: float


def look_after(opened: Opened, job: Job) -> After:
    """Time reading the parameters again, and a large matrix product. Both allocate memory."""
    reread_s = reread(opened.trainer, opened.training.initial, time.perf_counter, empty_caches)
    size = PRODUCT_SIZES[job.row.device]
    product_s = fastest_product_s(opened.backend.open_product(size, placement_of(job)), time.perf_counter)
    return After(
        reread_s=reread_s,
        flops_per_pass=flops_per_pass(opened.training.problem, opened.training.orders[0]),
        product_flops_per_s=2 * size**3 / product_s,
    )


def require_precision(params: Params, precision: Precision) -> None:
    """Raise `UserError` unless the parameters have the precision of the job."""
    for part in parts(params):
        if part.dtype != precision:
            raise UserError(f"trained in {part.dtype} instead of {precision}")


def empty_caches() -> None:
    """Fill the caches with other data."""
    bytearray(CACHE_BYTES)


def quality_of(training: Training, measured: Measured) -> Quality:
    """Return losses, metric and parameters of the first training."""
    numbers = [part.ravel() for part in parts(measured.params)]
    small = len(measured.params) == 1 and sum(map(len, numbers)) <= SHOWN_PARAMETERS
    return Quality(
        losses=tuple(map(finite, measured.losses)),
        metric=training.metric,
        value=finite(evaluate(training.metric, measured.outputs, training.test.targets)),
        parameters=tuple(map(finite, np.concatenate(numbers))) if small else None,
        truth=training.truth,
    )


def predicted(training: Training, measured: Measured) -> float:
    """Return how far the predictions after the first training are from what its parameters give."""
    checking = with_fields(training.problem, batch_size=max(training.problem.batch_size, CHECKED_TOGETHER))
    return prediction_error(checking, measured.params, training.test.inputs, measured.outputs)


def resources_of(request: TimeRequest, trainer: Trainer) -> Resources:
    """Return what this process had; its parameters have the precision of the row, see `require_precision`."""
    cores = len(usable_cores(helper.pid for helper in helpers())) if sys.platform == "linux" else None
    dtype, version = request.job.row.precision, request.backend.version()
    used = used_by(trainer, request.job.row.device)
    return Resources(cores=cores, dtype=dtype, framework=version or "unknown", used=used)


def finite(number: float) -> float | None:
    """Return the number with as many digits as its type holds, None if it is not finite."""
    return float(str(number)) if math.isfinite(number) else None


def peak_memory_bytes() -> int:
    """Return the largest resident set of this process so far."""
    if sys.platform == "linux":
        # getrusage would include the parent's memory at the time of the fork.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # which Windows lacks, where only run files are read

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
