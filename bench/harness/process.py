"""A worker process as seen by its parent: environment, start, time limit, end."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self, cast

from msgspec.structs import replace

from bench.harness.output import last_lines, telling_line
from bench.harness.protocol import BadReply, Failure, Place, R, Reply, Request, decode_reply, encode_request
from bench.machine.leftovers import MARK, Leftover, below, commands, end_leftovers, leftovers
from bench.machine.variables import CACHE_FOLDERS, CACHE_VARIABLES, THREAD_VARIABLES
from bench.records.schema import FAILURES, Status
from bench.tasks.datasets.folders import CACHE_DIR, data_folders

REPLY_BYTES = 2**26  # arrays travel as files, so a reply has a few megabytes of losses at most
NO_GPUS = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}  # JAX would complain about GPUs that it cannot see
CLOSING_S = 10  # a worker whose requests have ended must exit within this time


def worker_environment(environment: Mapping[str, str], threads: int, scratch: Path) -> dict[str, str]:
    """Return the environment of a worker. All libraries that read a number of threads from it get the same number.

    Temporary files and compiled programs go into the folder `scratch`, which is removed with all of them.
    """
    return {
        **{name: value for name, value in environment.items() if name not in CACHE_VARIABLES},
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "TF_CPP_MIN_LOG_LEVEL": "2",  # TensorFlow's start-up messages would push an error out of the kept lines
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # JAX would reserve most of a GPU's memory
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # and so would TensorFlow
        "TMPDIR": str(scratch),
        **dict.fromkeys(CACHE_FOLDERS, str(scratch / "compiled")),
        CACHE_DIR: str(data_folders(environment)[-1]),  # data files are no compiled code
        # With an empty cache, PyTorch tests again which vector instructions the C++ compiler supports. That is half of
        # the first call of a small model, but users wait for it only once per machine. The processor is still queried.
        "TORCHINDUCTOR_VEC_ISA_OK": environment.get("TORCHINDUCTOR_VEC_ISA_OK", "1"),
        "OMP_DYNAMIC": "FALSE",  # OpenMP would start fewer threads on a busy machine
        "PYTHONHASHSEED": "0",
    }


class Worker:
    """A child process that answers requests one at a time; started by the first one, and again after a crash."""

    def __init__(self, *, cores: tuple[int, ...], environment: Mapping[str, str]) -> None:
        self.cores = cores
        self.environment = environment
        self.child: Child | None = None
        self.left: tuple[str, ...] = ()  # commands of what its processes had left running; it was ended
        self.killed = False
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self.child is not None:  # nobody waits for what it could still do
            self.child.kill()
        self.end()

    def end(self) -> None:
        """Let the child end by itself; a later request starts another one."""
        with self.lock:
            if self.child is not None:
                self.left += self.child.end()
                self.child = None

    def kill(self) -> None:
        """Kill the child for good; called from another thread than the one that waits for it."""
        with self.lock:
            self.killed = True
            if self.child is not None:
                self.child.kill()

    def pause(self) -> None:
        """Stop the child and its helpers until `resume`; they use no time of a core meanwhile."""
        if self.child is not None:
            self.child.pause()

    def resume(self) -> None:
        """Let the child and its helpers go on."""
        if self.child is not None:
            self.child.resume()

    @property
    def age_s(self) -> float:
        """Wall time since the child was started. Raises `ValueError` if none was started."""
        if self.child is None:
            raise ValueError("no process has been started")
        return time.monotonic() - self.child.spawned_s

    def run(self, request: Request[R], time_limit_s: float) -> R | Failure:
        """Return the reply to a request, or a failure that says how the child died. Raises `Stopped`."""
        with self.lock:
            if self.killed:
                raise Stopped
            try:
                self.child = self.child or Child(self.cores, self.environment, request.place)
            except OSError as error:  # the Python of an entry is not there, or the system has no process to give
                reason = f"cannot start {error.filename or 'a process'}: {error.strerror}"
                return Failure(status="failed", reason=reason)
        try:
            reply = self.child.ask(request, time_limit_s)
        except ChildDied as death:
            if self.killed:
                raise Stopped from death
            output = self.child.output()
            self.end()
            return Failure(status=death.status, reason=str(death), output=output)
        except BaseException:  # the user interrupted
            self.child.kill()
            raise
        if isinstance(reply, Failure) and reply.status in FAILURES:
            return replace(reply, output=self.child.output())
        return cast(R | Failure, reply)  # the type that `answer` of the request returns


class Stopped(Exception):
    """Raised where a thread waits for a worker that another thread has killed: what it was to do is not needed."""


class ChildDied(Exception):
    """Raised when a child gives no reply."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


class Child:
    """One worker process, in a process session of its own, so that its own children can be killed with it."""

    def __init__(self, cores: tuple[int, ...], environment: Mapping[str, str], place: Place) -> None:
        self.replies, to_parent = os.pipe()
        with_parent, self.life = os.pipe()  # nothing is written to it; the child ends when it closes
        self.mark = secrets.token_hex(8)
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        packages = filter(None, (place.path, _own_packages(place, environment), environment.get("PYTHONPATH")))
        self.spawned_s = time.monotonic()
        try:
            self.process = subprocess.Popen(
                [
                    place.python or sys.executable,
                    "-P",
                    "-m",
                    "bench.harness.child",
                    str(to_parent),
                    ",".join(map(str, cores)),
                ],
                stdin=subprocess.PIPE,
                stdout=self.log,
                stderr=subprocess.STDOUT,
                pass_fds=(to_parent, with_parent),
                env={
                    **environment,
                    **_own_caches(place, environment),
                    **_kept_caches(place, environment),
                    **({} if place.gpus else NO_GPUS),
                    "PYTHONPATH": os.pathsep.join(packages),
                    MARK: self.mark,
                },
                start_new_session=True,
            )
        except BaseException:
            for each in (self.replies, self.life, to_parent, with_parent):
                os.close(each)
            self.log.close()
            raise
        if sys.platform == "linux":
            end_group_with(with_parent, self.process.pid)
        os.close(to_parent)
        os.close(with_parent)
        self.requests = cast(IO[bytes], self.process.stdin)

    def ask(self, request: Request[R], time_limit_s: float) -> Reply:
        """Return the child's reply. Raises `ChildDied`; a child that exceeded the time limit is killed first."""
        key = secrets.token_hex(8)
        with contextlib.suppress(BrokenPipeError):  # then there will be no reply, which is handled below
            self.requests.write(encode_request(replace(request, spawned_s=self.spawned_s), key) + b"\n")
            self.requests.flush()
        line = self._read_line(time.monotonic() + time_limit_s)
        if line is None:
            self.kill()
            late = f"no result within {time_limit_s:g} s; stopped; raise --time-limit if it is only slow"
            raise ChildDied("timeout", late)
        if len(line) > REPLY_BYTES:
            self.kill()
            raise ChildDied("crashed", f"the worker sent more than {REPLY_BYTES // 2**20} MiB as a result; stopped")
        if not line.endswith(b"\n"):
            raise ChildDied("crashed", f"the worker {self._how_it_ended()}{self._last_words()}")
        try:
            return decode_reply(line, request, key)
        except BadReply as error:
            self.kill()
            raise ChildDied("crashed", f"the worker sent something that is no result: {error}; stopped") from error

    def pause(self) -> None:
        """Stop the child and its children: threads that wait for work may keep cores busy otherwise."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the child and its children go on."""
        self._signal(signal.SIGCONT)

    def end(self) -> tuple[str, ...]:
        """Let the child end by itself, as it does when there are no more requests; kill it if it does not.

        Return the commands of what it has left running, which is killed too.
        """
        self.resume()
        known = below(self.process.pid)
        with contextlib.suppress(BrokenPipeError):
            self.requests.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=CLOSING_S)
        self.process.kill()  # nothing, if it has ended
        self.process.wait()
        left = self._end_leftovers(known)
        self._signal(signal.SIGKILL)  # elsewhere than on Linux its children may still be running
        os.close(self.replies)
        os.close(self.life)
        self.log.close()
        return commands(left)

    def kill(self) -> None:
        """Kill the child and all that it has started, stopped or not, also what has left its process group."""
        known = below(self.process.pid)
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._end_leftovers(known)

    def _end_leftovers(self, known: Mapping[int, int]) -> tuple[Leftover, ...]:
        """End what the child, which has ended, has left running; return it. `known` was below it before."""
        return end_leftovers(lambda: leftovers(self.process.pid, self.mark, known), time.monotonic)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self.process.pid, number)

    def output(self) -> str:
        """Return the last lines that the child printed."""
        return last_lines(self.log)

    def _last_words(self) -> str:
        """Return the line that the child printed about its end, after a colon; nothing if it printed nothing."""
        line = telling_line(self.output())
        return line and f": {line}"

    def _read_line(self, deadline: float) -> bytes | None:
        """Return a line, a part of one if the child closed the pipe or sent too much, or None at the deadline."""
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self.replies, selectors.EVENT_READ)
            while not received.endswith(b"\n") and len(received) <= REPLY_BYTES:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    return None
                chunk = os.read(self.replies, 1 << 16)
                if not chunk:
                    break
                received += chunk
        return bytes(received)

    def _how_it_ended(self) -> str:
        try:
            status = self.process.wait(timeout=CLOSING_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "closed its pipe without a result and did not end; stopped"
        self.kill()  # its own children may still be running
        return _describe(status)


def _own_packages(place: Place, environment: Mapping[str, str]) -> str:
    """Return a folder that has the packages of this suite.

    Another Python gets a folder with nothing else: where the suite is installed, its folder has all packages of its own
    environment, and those would come before the ones of the other Python.
    """
    own = Path(__file__).resolve().parents[2]
    if not place.python:
        return str(own)
    folder = Path(environment["TMPDIR"], "suite")
    folder.mkdir(exist_ok=True)
    for name in ("backends", "bench"):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(own / name)
    return str(folder)


def _own_caches(place: Place, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a backend of another package is told where to keep compiled code: nothing is there.

    Each gets a path of its own, because some name a folder and others a file.
    """
    caches = Path(environment["XDG_CACHE_HOME"])
    if place.caches:
        caches.mkdir(exist_ok=True)
    return {name: str(caches / name) for name in place.caches}


def _kept_caches(place: Place, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a framework keeps compiled code for later processes with the same environment."""
    folder = Path(environment["XDG_CACHE_HOME"], "kept")
    return dict(each.replace("{}", str(folder)).split("=", 1) for each in place.keeping)


def end_group_with(pipe: int, group: int) -> None:
    """Let the system kill a process group, stopped or busy, when the last process that may write to a pipe has ended.

    One of the group must keep this end of the pipe open. See F_SETOWN and F_SETSIG in fcntl(2). PR_SET_PDEATHSIG of
    prctl(2) would spare the helpers of a worker, and set by the worker itself it would come late: Python has to start.
    """
    import fcntl

    fcntl.fcntl(pipe, fcntl.F_SETOWN, -group)
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def _describe(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status} and no result"
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"  # real-time ones
    memory = "; the system does this when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"
