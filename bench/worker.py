"""The child process: requests in by standard input, one JSON line each, replies out by a private pipe.

Only here is a framework loaded. What frameworks print goes to standard output and error, which nobody parses.
"""

from __future__ import annotations

import functools
import math
import os
import resource
import sys
import time
import traceback
from pathlib import Path

import msgspec
import numpy as np

from backends.contract import Device, Params, Placement, Precision, Unsupported
from backends.registry import BACKENDS, REFERENCE, Entry
from bench.calibration import calibrate
from bench.datasets.base import Find
from bench.datasets.files import DataMissing, data_folders, find
from bench.envelope import save_envelope
from bench.errors import UserError
from bench.flops import flops_per_pass
from bench.machine import usable_cores, utc_now
from bench.measure import Measured, Stopwatch, fastest_product_s, measure, measure_by_hand, repeat_pass, reread
from bench.records import Job, Quality, Record, Request, Resources, Timing
from bench.rounding import surrounded
from bench.selftest import HIDDEN
from bench.tasks import Task
from bench.tasks.named import find_task
from bench.tasks.overrides import override
from bench.traces import outcomes, params_after, save_outcome, save_params, save_trace, traces
from bench.training import Training, evaluate, make_training, reseeded
from bench.usage import read_usage, total_cpu_s

PRODUCT_SIZES: dict[Device, int] = {"cpu": 1024, "gpu": 4096}  # large enough to be as fast as any larger ones
CACHE_BYTES = 64 * 2**20  # more than the caches of most processors
SHOWN_PARAMETERS = 20  # models with more than that do not have them in their records


def main() -> None:
    """Answer requests until there are no more. Arguments: the pipe's descriptor, and the cores to run on."""
    pipe, cores = int(sys.argv[1]), [int(core) for core in sys.argv[2].split(",")]
    if sys.platform == "linux":  # macOS cannot pin a process
        os.sched_setaffinity(0, cores)
    with os.fdopen(pipe, "wb") as replies:
        for line in sys.stdin.buffer:
            request = msgspec.json.decode(line, type=Request)
            record = answer(request)
            replies.write(msgspec.json.encode(record) + b"\n")
            replies.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # frameworks take up to a second to tidy up what the system takes back at once


def answer(request: Request) -> Record:
    """Do what is asked; return its record, whatever comes of it."""
    started = utc_now()
    work = {
        "time": time_job,
        "by_hand": time_job,
        "trace": trace_job,
        "outcome": outcome_job,
        "follow": follow_job,
        "envelope": envelope_job,
        "calibrate": calibrate_job,
        "check": check_job,
    }[request.kind]
    try:
        record = work(request)
    except Unsupported as error:
        record = Record(job=request.job, status="unsupported", reason=str(error))
    except DataMissing as error:
        record = Record(job=request.job, status="no data", reason=str(error))
    except (UserError, MemoryError) as error:
        record = Record(job=request.job, status="failed", reason=str(error) or "out of memory")
    except Exception as error:  # a backend may raise anything, and it must cost no other row
        traceback.print_exc()
        record = Record(job=request.job, status="failed", reason=f"{type(error).__name__}: {error}"[:500])
    return msgspec.structs.replace(record, started=started)


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


def calibrate_job(request: Request) -> Record:
    """Tell how fast the machine is now."""
    return Record(job=request.job, status="ok", calibration=calibrate(time.perf_counter))


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
    for seed, found in zip(seeds, outcomes(backend, placement_of(request.job), trainings), strict=True):
        save_outcome(file_of(request, seed), found)
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


def check_job(request: Request) -> Record:
    """Hold one check of the conformance kit against a backend."""
    from bench.conformance.checks import CHECKS, hold  # which no other job has a use for

    job = request.job
    return Record(job=job, status="ok", reason=hold(CHECKS[request.check], entry_of(job), placement_of(job)))


def entry_of(job: Job) -> Entry:
    """Return where the job's backend is."""
    return (HIDDEN | BACKENDS | {REFERENCE.name: REFERENCE})[job.row.backend]


def task_of(job: Job) -> Task:
    """Return the task with the job's settings."""
    return override(find_task(job.row.task), job.settings)


def placement_of(job: Job) -> Placement:
    """Return where and how the job trains."""
    return Placement(mode=job.row.mode, device=job.row.device, precision=job.row.precision, threads=job.threads)


def find_data() -> Find:
    """Return the function that finds data files; the parent has fetched them."""
    return functools.partial(find, folders=data_folders(os.environ))


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


if __name__ == "__main__":
    main()
