"""The child process: reads requests from standard input, one JSON line each, and writes replies to a private pipe.

Frameworks are imported only here. What they print goes to standard output and error, which nobody parses.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from backends.contract import Unsupported
from bench.errors import UserError
from bench.harness.output import beginning
from bench.harness.protocol import Failure, Reply, decode_request, encode_reply, key_of
from bench.harness.workbench import Workbench
from bench.machine.leftovers import adopt_orphans
from bench.tasks.datasets.fetch import DataMissing

REASON_CHARACTERS = 1000  # advice comes last in messages, such as which variable to set where /tmp is mounted noexec
OUT_OF_MEMORY_SCORE = Path("/proc/self/oom_score_adj")  # on Linux; the process with the highest one is killed first


def main() -> None:
    """Answer requests until there are no more. Arguments: file descriptor of the pipe, and the cores to run on."""
    pipe, cores = int(sys.argv[1]), [int(core) for core in sys.argv[2].split(",")]
    if sys.platform == "linux":  # macOS cannot pin a process
        os.sched_setaffinity(0, cores)
        with suppress(OSError):
            OUT_OF_MEMORY_SCORE.write_text("1000")  # this process is to die where memory runs out, not its parent
        adopt_orphans()
    workbench = Workbench()
    with os.fdopen(pipe, "wb") as replies:
        for line in sys.stdin.buffer:
            replies.write(encode_reply(answer(line, workbench), key_of(line)) + b"\n")
            replies.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a normal exit would let frameworks clean up for up to a second; the system frees all at once


def answer(line: bytes, workbench: Workbench) -> Reply:
    """Do the job that a line asks for; return a reply in any case, after an exception too."""
    try:
        return decode_request(line).answer(workbench)
    except Unsupported as error:
        return Failure(status="unsupported", reason=str(error) or "the backend gives no reason")
    except DataMissing as error:
        return Failure(status="no data", reason=str(error))
    except (UserError, MemoryError) as error:
        return Failure(status="failed", reason=str(error) or "out of memory")
    except Exception as error:  # a backend may raise anything, and it must not stop the other rows
        traceback.print_exc()
        return Failure(status="failed", reason=beginning(f"{type(error).__name__}: {error}", REASON_CHARACTERS))


if __name__ == "__main__":
    main()
