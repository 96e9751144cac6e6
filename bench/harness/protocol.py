"""Requests to a worker process and its replies, one line of JSON each.

The class of a request is defined next to its job, and `answer` does the job in the worker. A line names the class, so
the worker imports only the modules of the jobs that it is asked to do. It also has a key, drawn anew for each request,
which the reply repeats: another line on the pipe, however well it is made up, is not taken for the reply.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct

from backends.registry import Entry
from bench.harness.output import beginning
from bench.harness.workbench import Workbench
from bench.records.schema import Calibration, Count, Job, Learned, Lesson, Record, Seconds, Status, Steady, Strict

REASON_CHARACTERS = 5000


class BadReply(Exception):
    """Raised for a line of a worker that is not the reply to the request; the message says why."""


class CalibrationReply(Strict, frozen=True, kw_only=True, tag="calibration"):
    """The result of the calibration loop."""

    calibration: Calibration


class Done(Strict, frozen=True, kw_only=True, tag="done"):
    """The job is done: its arrays are in the folder of the request, or its check passed."""

    note: str = ""  # for people: the cases that a check could not be run on


class Failure(Strict, frozen=True, kw_only=True, tag="failure"):
    """The job gave no result."""

    status: Status  # any but ok
    reason: str
    output: str = ""  # the last lines that the worker printed; empty if the job is unsupported


class TurnReply(Strict, frozen=True, kw_only=True, tag="turn"):
    """What a process did in one turn of its round."""

    passes: Count  # that were timed
    wall_s: Seconds  # sum of their times
    longest_s: Seconds  # the longest of them
    cpu_s: Seconds  # CPU time of the process and its children during them
    reads: Count  # readings of the parameters: at the end of each repetition, and at the end of the turn
    read_s: Seconds  # sum of their times
    took_s: Seconds  # the whole turn
    steady: Steady  # activity of its threads while it was timed


class ServingReply(Strict, frozen=True, kw_only=True, tag="serving"):
    """What a process answered in one turn of its service."""

    open_s: Seconds  # that it took to open the service
    calls_s: tuple[Seconds, ...]  # each call with one row
    batches: Count  # calls with a batch
    batches_s: Seconds  # sum of their times
    predicted: float  # how far the answers are off that were checked, see `Inference`


class LearnedReply(Strict, frozen=True, kw_only=True, tag="learned"):
    """What the model of a process has learned."""

    learned: Learned


class StartReply(Strict, frozen=True, kw_only=True, tag="start"):
    """How long a process took until its first pass was over."""

    import_s: Seconds
    setup_s: Seconds
    first_pass_s: Seconds


Reply = Record | CalibrationReply | TurnReply | ServingReply | LearnedReply | StartReply | Lesson | Done | Failure
# The reply to a request, unless it fails.
R = TypeVar("R", Record, CalibrationReply, TurnReply, ServingReply, LearnedReply, StartReply, Lesson, Done)


class Place(NamedTuple):
    """The environment whose packages a process imports, and what it needs to have empty."""

    python: str = ""  # the Python that runs it; empty for the suite's own
    path: str = ""  # a folder whose packages come before all others; empty for none
    caches: tuple[str, ...] = ()  # variables that say where compiled code is kept
    keeping: tuple[str, ...] = ()  # NAME=VALUE by which compiled code is kept; {} stands for a folder
    gpus: bool = True  # whether it may see the GPUs


HERE = Place()


def place_of(backend: Entry) -> Place:
    """Return where the code of a backend runs."""
    return Place(backend.python, backend.path, backend.caches)


class Request(Struct, Generic[R], frozen=True, kw_only=True):
    """What a worker is asked to do."""

    spawned_s: float = 0.0  # start of its process on the clock `time.monotonic`, which all processes share

    @property
    def place(self) -> Place:
        """Where its process runs."""
        return HERE

    def answer(self, workbench: Workbench) -> R:
        """Do the job, in the worker. May raise anything; `child.answer` turns every exception into a `Failure`.

        `workbench` has what earlier requests to the same process have left.
        """
        raise NotImplementedError


class JobRequest(Request[R], frozen=True, kw_only=True):
    """A request to train with a backend."""

    job: Job
    backend: Entry  # where the code is; workers look up no names, so a backend does not have to be in the registry

    @property
    def place(self) -> Place:
        """Where the code of the backend is; a row on the CPU sees no GPU, which its framework might use or set up."""
        return place_of(self.backend)._replace(gpus=self.job.row.device == "gpu")


class _RequestLine(Struct, frozen=True):
    key: str
    module: str
    name: str
    request: msgspec.Raw


class _ReplyLine(Strict, frozen=True):
    key: str
    reply: msgspec.Raw


def encode_request(request: Request[R], key: str) -> bytes:
    """Return a request as a line, without the line break."""
    kind = type(request)
    raw = msgspec.Raw(msgspec.json.encode(request))
    return msgspec.json.encode(_RequestLine(key, kind.__module__, kind.__name__, raw))


AnyRequest = (
    Request[Record]
    | Request[CalibrationReply]
    | Request[TurnReply]
    | Request[ServingReply]
    | Request[LearnedReply]
    | Request[Lesson]
    | Request[StartReply]
    | Request[Done]
)


def decode_request(line: bytes) -> AnyRequest:
    """Return the request that a line contains; import the module of its class."""
    parts = msgspec.json.decode(line, type=_RequestLine)
    kind = getattr(importlib.import_module(parts.module), parts.name)
    return cast(Request[Done], msgspec.json.decode(parts.request, type=kind))


def key_of(line: bytes) -> str:
    """Return the key of the request that a line contains."""
    return msgspec.json.decode(line, type=_RequestLine).key


def encode_reply(reply: Reply, key: str) -> bytes:
    """Return the reply to the request with this key as a line, without the line break."""
    return msgspec.json.encode(_ReplyLine(key=key, reply=msgspec.Raw(msgspec.json.encode(reply))))


@cache
def _reply_to(request: type[Request[Any]]) -> type:
    """Return the type of the reply to requests of a class."""
    return cast(type, get_type_hints(request.answer)["return"])


def decode_reply(line: bytes, request: Request[R], key: str) -> Reply:
    """Return the reply that a line contains. Raises `BadReply`: code of a backend can write to the pipe, too."""
    try:
        parts = msgspec.json.decode(line, type=_ReplyLine)
        if parts.key != key:
            raise BadReply("its key is not that of the request, so it was not written by the suite")
        reply = cast(Reply, msgspec.json.decode(parts.reply, type=Reply))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReply(str(error)) from error
    if isinstance(reply, Failure):
        return _bounded(reply)
    wanted = _reply_to(type(request))
    if not isinstance(reply, wanted):
        raise BadReply(f"a {type(reply).__name__}; wanted a {wanted.__name__}")
    if isinstance(reply, Record) and isinstance(request, JobRequest) and not _same(reply.job, request.job):
        raise BadReply(f"a record of {reply.job.row}, round {reply.job.block + 1}; wanted one of {request.job.row}")
    return cast(Reply, reply)


def _same(job: Job, other: Job) -> bool:
    """Return whether two jobs are the same to a reader of JSON, which knows no tuples."""
    return msgspec.json.encode(job) == msgspec.json.encode(other)


def _bounded(failure: Failure) -> Failure:
    """Return a failure whose reason, which may be text of a backend, has a reasonable length."""
    if failure.status == "ok":
        raise BadReply("a failure whose status is ok")
    return msgspec.structs.replace(failure, reason=beginning(failure.reason, REASON_CHARACTERS))
