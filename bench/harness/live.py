"""A process of a round, from its first training over its turns to its record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from bench.analysis.claims import left_running
from bench.harness.inference import inference_of
from bench.harness.learn_job import LearnRequest
from bench.harness.process import Worker
from bench.harness.protocol import Failure, R, Request, ServingReply, TurnReply
from bench.harness.repetition import Repetition, load_repetition
from bench.harness.serve_job import OpenRequest, ServeRequest
from bench.harness.time_job import TimeRequest
from bench.harness.turn_job import REPETITION_FILE, HandOverRequest, TurnRequest
from bench.machine.peak import peak_flops_per_s
from bench.machine.usage import summed
from bench.records.provenance import utc_now
from bench.records.schema import Learned, Record, Turns
from bench.records.sense import fault_of_learned

TURNS_ALONE = 5


class Sample(NamedTuple):
    """What a process of a round has left."""

    record: Record
    repetition: Repetition | None  # the last watched one that was completed


class Live(Protocol):
    """A process of a round, which is stopped but while one of these calls lasts."""

    record: Record  # of the first training; not ok as soon as the process has failed

    def turn(self, number: int) -> None:
        """Train for a turn; a process that has failed takes no part."""

    def open_service(self) -> None:
        """Compile what answers requests. No turn comes after it."""

    def serve(self, turn: int) -> None:
        """Answer requests for a short time; a process that has failed takes no part."""

    def learn(self, limit_s: float, cut: str) -> None:
        """Tell what was learned, after all that is measured; train once more for `limit_s` at most.

        If that is 0, the training is left out, and `cut` says why.
        """

    def finish(self) -> Sample:
        """End the process; return its record with all turns, and a repetition to check."""


class ProcessLive:
    """A process on this machine, in a worker of its own. The times of its turns are taken by itself."""

    def __init__(
        self,
        request: TimeRequest,
        worker: Worker,
        scratch: Path,
        time_limit_s: float,
        turn_kind: type[TurnRequest] = TurnRequest,
    ) -> None:
        self.request = request
        self.worker = worker
        self.scratch = scratch  # folder for the repetition
        self.time_limit_s = time_limit_s  # of each request
        self.turn_kind = turn_kind
        self.replies: list[TurnReply] = []
        self.asked_s: list[float] = []  # how long each reply took
        self.repetition: Repetition | None = None
        self.served: list[ServingReply] | None = None  # None until the service is opened
        self.unserved = ""  # why it ended
        self.learned: Learned | None = None  # None until it is asked for

    def begin(self) -> None:
        """Start the process and let it train once."""
        self.record = record_of(self.request, self.worker, self.time_limit_s)
        if self.record.status != "ok":
            self.worker.end()

    def turn(self, number: int) -> None:
        """Let the process go on, train for a turn, and stop it again."""
        if self.record.status != "ok":
            return
        reply, asked_s = self._ask(self.turn_kind(turn=number))
        if isinstance(reply, Failure):
            self._fail(reply)
        else:
            self.replies.append(reply)
            self.asked_s.append(asked_s)

    def open_service(self) -> None:
        """Take what the turns have left, then let the process go on and compile what answers requests.

        What happens from here on costs the process its inference only: its training is finished.
        """
        self._take_over()
        if self.record.status == "ok":
            self.served = []
            self._served(OpenRequest(seed=self.request.job.block))

    def serve(self, turn: int) -> None:
        """Let the process go on, answer requests for a turn, and stop it again."""
        if self.served is not None and not self.unserved:
            self.served += self._served(ServeRequest(turn=turn))

    def _served(self, request: Request[R]) -> tuple[R, ...]:
        """Return the reply of the service; none if that was its end."""
        reply, _ = self._ask(request)
        if isinstance(reply, Failure):
            self.unserved = f"{reply.status}: {reply.reason}"
            return ()
        return (reply,)

    def learn(self, limit_s: float, cut: str) -> None:
        """Let the process go on and tell what was learned. It costs the process that only if it fails."""
        if self.served is None:
            self._take_over()
        if self.record.status != "ok":
            return
        if self.unserved:
            self.learned = Learned(reason="the process had ended in its inference")
            return
        reply, _ = self._ask(LearnRequest(job=self.request.job, limit_s=limit_s, cut=cut))
        if isinstance(reply, Failure):
            self.learned = Learned(reason=f"{reply.status}: {reply.reason}")
        elif wrong := fault_of_learned(reply.learned):  # code of a backend can write to the pipe, too
            self.learned = Learned(reason=f"failed: the process sent {wrong}")
        else:
            self.learned = reply.learned

    def finish(self) -> Sample:
        """Return the record with all turns, and the last watched repetition; end the process."""
        if self.served is None and self.learned is None:
            self._take_over()
        self.worker.end()
        if self.served is not None:
            self.record = replace(self.record, inference=inference_of(self.served, self.unserved))
        if self.learned is not None:
            self.record = replace(self.record, learned=self.learned)
        self.record = with_left(self.record, self.worker.left)
        if self.record.timing is None or not self.replies:
            return Sample(self.record, None)
        steady = summed(reply.steady for reply in self.replies)
        timing = replace(self.record.timing, turns=turns_of(self.replies, self.asked_s), steady=steady)
        return Sample(replace(self.record, timing=timing), self.repetition)

    def _take_over(self) -> None:
        """Take the last watched repetition, if turns have left one."""
        if self.record.status != "ok" or not self.replies:
            return
        reply, _ = self._ask(HandOverRequest(folder=str(self.scratch)))
        path = self.scratch / REPETITION_FILE
        if isinstance(reply, Failure):
            self._fail(reply)
        elif path.exists():
            self.repetition = load_repetition(path)

    def _ask(self, request: Request[R]) -> tuple[R | Failure, float]:
        """Let the process go on for one request, then stop it, or end it if it failed; return the time to the reply."""
        self.worker.resume()
        before_s = time.monotonic()
        reply = self.worker.run(request, self.time_limit_s)
        asked_s = time.monotonic() - before_s
        if isinstance(reply, Failure):
            self.worker.end()  # its memory is free for the others
        else:
            self.worker.pause()
        return reply, asked_s

    def _fail(self, failure: Failure) -> None:
        self.record = failed(self.request, failure, self.record.started)


def record_of(request: TimeRequest, worker: Worker, time_limit_s: float) -> Record:
    """Return the record of a first training, with the wall time measured by the parent; after a failure, without times.

    The wall time is the age of the worker process, so a worker must not be used for more than one timed job.
    """
    started = utc_now()
    reply = worker.run(request, time_limit_s)
    if isinstance(reply, Failure):
        return failed(request, reply, started)
    row, cores = request.job.row, len(worker.cores)
    limit = peak_flops_per_s(cores, row.precision) if row.device == "cpu" else None
    timing = reply.timing and replace(reply.timing, wall_s=worker.age_s, product_limit_flops_per_s=limit)
    return replace(reply, started=started, timing=timing)


def failed(request: TimeRequest, failure: Failure, started: str) -> Record:
    """Return the record of a process that failed: it has no times."""
    return Record(job=request.job, status=failure.status, reason=failure.reason, started=started, output=failure.output)


def with_left(record: Record, left: tuple[str, ...]) -> Record:
    """Return the record with what the process has left running, in the reason if it has nothing else."""
    if not left:
        return record
    if record.resources is None:
        return replace(record, reason=f"{record.reason}; {left_running(left)}")
    return replace(record, resources=replace(record.resources, left=left))


def sample_alone(
    request: TimeRequest, worker: Worker, scratch: Path, time_limit_s: float, turns: int = TURNS_ALONE
) -> Sample:
    """Return the sample of a process that takes some turns alone: nothing trains beside it, so it never stops."""
    live = ProcessLive(request, worker, scratch, time_limit_s)
    live.begin()
    for number in range(turns):
        live.turn(number)
    return live.finish()


def turns_of(replies: Sequence[TurnReply], asked_s: Sequence[float]) -> Turns:
    """Return what a process did in its turns."""
    return Turns(
        passes=tuple(reply.passes for reply in replies),
        wall_s=tuple(reply.wall_s for reply in replies),
        cpu_s=tuple(reply.cpu_s for reply in replies),
        longest_s=tuple(reply.longest_s for reply in replies),
        reads=tuple(reply.reads for reply in replies),
        read_s=tuple(reply.read_s for reply in replies),
        took_s=tuple(reply.took_s for reply in replies),
        asked_s=tuple(asked_s),
    )
