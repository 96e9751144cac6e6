"""The child process: reads requests from standard input, one JSON line each, and writes replies to a private pipe.

Frameworks are imported only here. What they print goes to standard output and error, which nobody parses.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from backends.contract import Unsupported
from bench.errors import UserError
from bench.harness.protocol import Failure, Reply, decode_request, encode_reply
from bench.harness.workbench import Workbench
from bench.tasks.datasets.fetch import DataMissing

OUT_OF_MEMORY_SCORE = Path("/proc/self/oom_score_adj")  # on Linux; the process with the highest one is killed first


def main() -> None:
    """Answer requests until there are no more.

    Arguments: file descriptors of the pipe for replies and of the one that ends with the parent, and the cores to run
    on.
    """
    pipe, parent, cores = int(sys.argv[1]), int(sys.argv[2]), [int(core) for core in sys.argv[3].split(",")]
    if sys.platform == "linux":  # macOS cannot pin a process
        os.sched_setaffinity(0, cores)
        end_with(parent)
        with suppress(OSError):
            OUT_OF_MEMORY_SCORE.write_text("1000")  # this process is to die where memory runs out, not its parent
    workbench = Workbench()
    with os.fdopen(pipe, "wb") as replies:
        for line in sys.stdin.buffer:
            replies.write(encode_reply(answer(line, workbench)) + b"\n")
            replies.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a normal exit would let frameworks clean up for up to a second; the system frees all at once


def end_with(pipe: int) -> None:
    """Let the system kill this process and its helpers, stopped or not, when the parent's end of a pipe closes.

    The system closes it when the parent dies. It sends the signal to the whole process group, see F_SETOWN and F_SETSIG
    in fcntl(2); PR_SET_PDEATHSIG of prctl(2) would spare the helpers.
    """
    if os.getpgrp() != os.getpid():  # started by hand, in the group of somebody else
        return
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


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
