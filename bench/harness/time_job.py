"""The timing job of a worker process: train a task and time it."""

from __future__ import annotations

import math
import resource
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from backends.contract import Device, Params
from bench.harness.job import entry_of, find_data, placement_of, task_of
from bench.harness.measure import Measured, Stopwatch, fastest_product_s, measure, repeat_pass, reread
from bench.machine.host import usable_cores
from bench.machine.usage import read_usage, total_cpu_s
from bench.records.schema import Job, Quality, Record, Request, Resources, Timing
from bench.selftest.by_hand import measure_by_hand
from bench.tasks.flops import flops_per_pass
from bench.tasks.training import Training, evaluate, make_training

PRODUCT_SIZES: dict[Device, int] = {"cpu": 1024, "gpu": 4096}  # large enough to be as fast as any larger ones
CACHE_BYTES = 64 * 2**20  # more than the caches of most processors
SHOWN_PARAMETERS = 20  # models with more than that do not have them in their records


def time_job(request: Request) -> Record:
    """Train a task and time it. The phases follow each other without a gap."""
    job, watch = request.job, Stopwatch(time.monotonic)
    start_s = watch.last - request.spawned_s
    backend = entry_of(job).load()
    import_s = watch.lap()
    training = make_training(task_of(job), job.row.precision, find_data())
    data_s = watch.lap()
    placement = placement_of(job)
    trainer = backend.open_trainer(training.problem, placement)
    trainer.reset(training.initial)
    setup_s = watch.lap()
    measuring = measure_by_hand if request.kind == "by_hand" else measure
    measured = measuring(trainer, training, time.perf_counter, read_usage)
    watch.lap()
    quality = quality_of(training, measured)
    evaluation_s = measured.evaluation_s + watch.lap()
    again = measured.again or repeat_pass(trainer, training)
    quality = msgspec.structs.replace(quality, repeated=repeated(training.initial, measured.first_pass, again))
    resources = resources_of(job, str(measured.params[0].weights.dtype))
    if resources.dtype != job.row.precision:
        reason = f"trained in {resources.dtype} instead of {job.row.precision}"
        return Record(job=job, status="failed", reason=reason, resources=resources)
    memory_bytes, device_memory_bytes = peak_memory_bytes(), trainer.peak_device_memory_bytes()
    reread_s = reread(trainer, time.perf_counter, empty_caches)  # which takes memory: after its peak has been read
    size = PRODUCT_SIZES[job.row.device]
    product_s = fastest_product_s(backend.open_product(size, placement), time.perf_counter)
    flops = flops_per_pass(training.problem, training.orders[0])
    timing = Timing(
        start_s=start_s,
        import_s=import_s,
        data_s=data_s,
        setup_s=setup_s,
        passes_s=measured.passes_s,
        evaluation_s=evaluation_s,
        resets_s=measured.resets_s,
        checks_s=measured.checks_s + watch.lap(),
        wall_s=time.monotonic() - request.spawned_s,  # the parent puts its own in this one's place
        cpu_s=total_cpu_s(),
        steps_per_pass=training.steps_per_pass,
        rows_per_step=training.problem.batch_size,
        flops_per_pass=flops,
        read_s=measured.read_s,
        reread_s=reread_s,
        steady=measured.steady,
        peak_memory_bytes=memory_bytes,
        peak_device_memory_bytes=device_memory_bytes,
        product_flops_per_s=2 * size**3 / product_s,
    )
    return Record(job=job, status="ok", timing=timing, quality=quality, resources=resources)


def empty_caches() -> None:
    """Fill the caches with something else."""
    bytearray(CACHE_BYTES)


def quality_of(training: Training, measured: Measured) -> Quality:
    """Return what the first training came to."""
    params = measured.params
    small = len(params) == 1 and params[0].weights.size < SHOWN_PARAMETERS
    return Quality(
        losses=tuple(map(finite, measured.losses)),
        metric=training.metric,
        value=finite(evaluate(training.metric, measured.outputs, training.test.targets)),
        parameters=tuple(map(finite, (*params[0].weights.ravel(), *params[0].bias))) if small else None,
        truth=training.truth,
    )


def repeated(start: Params, first: Params, last: Params) -> float | None:
    """Return how far a repeated pass ended from the first, over how far that had gone; None where it went nowhere."""
    way, off = (
        np.sqrt(sum(np.sum(np.square(a.astype(float) - b)) for x, y in pair for a, b in zip(x, y, strict=True)))
        for pair in (zip(start, first, strict=True), zip(first, last, strict=True))
    )
    return finite(off / way) if way > 0 else None


def resources_of(job: Job, dtype: str) -> Resources:
    """Return what this process had."""
    cores = len(usable_cores()) if sys.platform == "linux" else None
    return Resources(cores=cores, dtype=dtype, framework=entry_of(job).version() or "unknown")


def finite(number: float) -> float | None:
    """Return the number with as many digits as its type holds, None where it is not finite."""
    return float(str(number)) if math.isfinite(number) else None


def peak_memory_bytes() -> int:
    """Return the largest resident set of this process so far."""
    if sys.platform == "linux":
        # getrusage would count what the parent had when it forked.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
