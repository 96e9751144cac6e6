"""The child process: reads requests from standard input, one JSON line each, and writes replies to a private pipe.

Frameworks are imported only here. What they print goes to standard output and error, which nobody parses.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback

from backends.contract import Unsupported
from bench.errors import UserError
from bench.harness.protocol import Failure, Reply, decode_request, encode_reply
from bench.harness.workbench import Workbench
from bench.tasks.datasets.fetch import DataMissing

PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when its parent dies


def main() -> None:
    """Answer requests until there are no more. Arguments: file descriptor of the pipe, and the cores to run on."""
    pipe, cores = int(sys.argv[1]), [int(core) for core in sys.argv[2].split(",")]
    if sys.platform == "linux":  # macOS cannot pin a process
        os.sched_setaffinity(0, cores)
        wake_without_parent()
    workbench = Workbench()
    with os.fdopen(pipe, "wb") as replies:
        for line in sys.stdin.buffer:
            replies.write(encode_reply(answer(line, workbench)) + b"\n")
            replies.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    wake_helpers()
    os._exit(0)  # a normal exit would let frameworks clean up for up to a second; the system frees all at once


def wake_without_parent() -> None:
    """Let the system wake this process when its parent dies: a stopped process would stay for good.

    Once awake, it finds that there are no more requests, and ends.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGCONT))


def wake_helpers() -> None:
    """Continue processes that this one has started and that are stopped, so that they can end too."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGCONT)


def answer(line: bytes, workbench: Workbench) -> Reply:
    """Do the job that a line asks for; return a reply in any case, after an exception too."""
    try:
        return decode_request(line).answer(workbench)
    except Unsupported as error:
        return Failure(status="unsupported", reason=str(error))
    except DataMissing as error:
        return Failure(status="no data", reason=str(error))
    except (UserError, MemoryError) as error:
        return Failure(status="failed", reason=str(error) or "out of memory")
    except Exception as error:  # a backend may raise anything, and it must not stop the other rows
        traceback.print_exc()
        return Failure(status="failed", reason=f"{type(error).__name__}: {error}"[:500])


if __name__ == "__main__":
    main()
