"""What a worker process is asked and what it answers: a line of JSON each way.

A request knows how it is answered: its class stands beside the job, and `answer` does the job in the worker. A line
names the class, so that the worker's loop imports the module of the one job that it was asked for and no other.
"""

from __future__ import annotations

import importlib
from typing import Generic, TypeVar, cast

import msgspec
from msgspec import Struct

from backends.registry import Entry
from bench.records.schema import Calibration, Job, Record, Status


class CalibrationReply(Struct, frozen=True, kw_only=True, tag="calibration"):
    """How fast the machine is."""

    calibration: Calibration


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The job is done: its arrays are in the folder of the request, or its check passes."""

    note: str = ""  # for people: what a check could not be tried on


class Failure(Struct, frozen=True, kw_only=True, tag="failure"):
    """The job gave no result."""

    status: Status  # any but ok
    reason: str
    output: str = ""  # the last lines that the worker printed; empty where the job is unsupported


Reply = Record | CalibrationReply | Done | Failure
R = TypeVar("R", Record, CalibrationReply, Done)  # the reply to a request, unless it fails


class Request(Struct, Generic[R], frozen=True, kw_only=True):
    """What a worker is asked to do."""

    spawned_s: float = 0.0  # when its process was started, on the clock `time.monotonic` that all processes share

    def answer(self) -> R:
        """Do it, in the worker. May raise anything; `Unsupported`, `DataMissing` and `UserError` have a meaning."""
        raise NotImplementedError


class JobRequest(Request[R], frozen=True, kw_only=True):
    """A request to train with a backend."""

    job: Job
    backend: Entry  # where the code is; a worker looks up no names, so that a backend need not stand in the registry


class _Line(Struct, frozen=True):
    module: str
    name: str
    request: msgspec.Raw


def encode_request(request: Request[R]) -> bytes:
    """Return the line of a request, without its end."""
    kind = type(request)
    return msgspec.json.encode(_Line(kind.__module__, kind.__name__, msgspec.Raw(msgspec.json.encode(request))))


def decode_request(line: bytes) -> Request[Record] | Request[CalibrationReply] | Request[Done]:
    """Return the request of a line; import the module that its class stands in."""
    parts = msgspec.json.decode(line, type=_Line)
    kind = getattr(importlib.import_module(parts.module), parts.name)
    return cast(Request[Done], msgspec.json.decode(parts.request, type=kind))


def encode_reply(reply: Reply) -> bytes:
    """Return the line of a reply, without its end."""
    return msgspec.json.encode(reply)


def decode_reply(line: bytes) -> Reply:
    """Return the reply of a line."""
    return cast(Reply, msgspec.json.decode(line, type=Reply))
