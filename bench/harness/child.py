"""The child process: requests in by standard input, one JSON line each, replies out by a private pipe.

Only here is a framework loaded. What frameworks print goes to standard output and error, which nobody parses.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback

import msgspec

from backends.contract import Unsupported
from bench.errors import UserError
from bench.machine.calibration import calibrate
from bench.records.provenance import utc_now
from bench.records.schema import Record, Request
from bench.tasks.datasets.fetch import DataMissing

JOBS = {  # where each kind of request is answered; imported when it is asked for
    "time": ("bench.harness.time_job", "time_job"),
    "by_hand": ("bench.harness.time_job", "time_job"),
    "trace": ("bench.parity.jobs", "trace_job"),
    "outcome": ("bench.parity.jobs", "outcome_job"),
    "follow": ("bench.parity.jobs", "follow_job"),
    "envelope": ("bench.parity.jobs", "envelope_job"),
    "calibrate": ("bench.harness.child", "calibrate_job"),
    "check": ("bench.conformance.job", "check_job"),
}


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
    module, function = JOBS[request.kind]
    try:
        record: Record = getattr(importlib.import_module(module), function)(request)
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


def calibrate_job(request: Request) -> Record:
    """Tell how fast the machine is now."""
    return Record(job=request.job, status="ok", calibration=calibrate(time.perf_counter))


if __name__ == "__main__":
    main()
