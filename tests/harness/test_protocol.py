"""Requests and replies: what is sent is what arrives, by the class that the request names."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_type_hints

import msgspec
import pytest
from support import ROOT, a_job, a_record, a_row

from backends.contract import Placement
from backends.registry import BUILT_IN, REFERENCE
from bench.conformance.job import CheckRequest
from bench.harness import child
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.learn_job import LearnRequest
from bench.harness.lesson_job import LessonRequest
from bench.harness.protocol import (
    BadReply,
    CalibrationReply,
    Done,
    Failure,
    LearnedReply,
    Reply,
    Request,
    TurnReply,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    key_of,
)
from bench.harness.time_job import TimeRequest
from bench.harness.turn_job import HandOverRequest, TurnRequest
from bench.harness.workbench import Workbench
from bench.parity.jobs import EnvelopeRequest, FollowRequest, TraceRequest, TrainRequest
from bench.records.schema import Calibration, Learned, Lesson, Record, Steady
from bench.selftest import FAULTY
from bench.selftest.by_hand import ByHandRequest, ByHandTurnRequest

KEY = "the key of a request"
JOB = a_job(a_row("linear_fit"), {"epochs": "5"})
NUMPY = BUILT_IN["numpy"]
PLACEMENT = Placement(mode="loop", device="cpu", precision="float64", threads=3)
REQUESTS = [
    CalibrateRequest(),
    TimeRequest(job=JOB, backend=NUMPY, spawned_s=1 / 3, watched=(1, 3, 6)),
    TurnRequest(turn=7),
    HandOverRequest(folder="a folder"),
    ByHandTurnRequest(turn=0),
    ByHandRequest(job=JOB, backend=FAULTY),
    TraceRequest(job=JOB, backend=REFERENCE, folder="a folder", seeds=(3, 1)),
    TrainRequest(job=JOB, backend=BUILT_IN["keras-jax"]),
    FollowRequest(job=JOB, backend=NUMPY, steps=7),
    EnvelopeRequest(job=JOB, backend=REFERENCE, epochs=2),
    LearnRequest(job=JOB, limit_s=1.5, cut="no time"),
    LessonRequest(job=JOB, backend=REFERENCE),
    CheckRequest(check="shapes", backend=NUMPY, placement=PLACEMENT),
]
STEADY = Steady(window_s=0.1, cpu_s=0.2, vanished_cpu_s=0.0, waited_s=None)
REPLIES: list[Reply] = [
    a_record(a_row("linear_fit")),
    CalibrationReply(calibration=Calibration(loops_s=(0.1, 1 / 3))),
    TurnReply(passes=3, wall_s=1 / 3, longest_s=0.2, cpu_s=0.1, reads=2, read_s=1e-5, took_s=0.5, steady=STEADY),
    LearnedReply(learned=Learned(outputs=((0.1, None),), metric_by_pass=(0.5,))),
    Lesson(task="mnist_mlp", images=(b"\x00\xff",), image_shape=(1, 2), targets=(7.0,)),
    Done(note="not run on words"),
    Failure(status="timeout", reason="too slow", output="two\nlines"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_arrives_as_it_was_sent(request_: Request[Done]) -> None:
    line = encode_request(request_, KEY)
    assert b"\n" not in line
    arrived = decode_request(line)
    assert type(arrived) is type(request_)
    assert arrived == request_
    assert key_of(line) == KEY


ASKED: list[Request[Any]] = [
    TimeRequest(job=a_record(a_row("linear_fit")).job, backend=NUMPY),
    CalibrateRequest(),
    TurnRequest(turn=7),
    LearnRequest(job=JOB, limit_s=1.5),
    LessonRequest(job=JOB, backend=REFERENCE),
    HandOverRequest(folder="a folder"),
    TurnRequest(turn=7),
]


@pytest.mark.parametrize(("reply", "request_"), zip(REPLIES, ASKED, strict=True), ids=lambda each: type(each).__name__)
def test_a_reply_arrives_as_it_was_sent(reply: Reply, request_: Request[Any]) -> None:
    line = encode_reply(reply, KEY)
    assert b"\n" not in line
    assert decode_reply(line, request_, KEY) == reply


@pytest.mark.parametrize("reply", REPLIES[:-1], ids=lambda reply: type(reply).__name__)
@pytest.mark.parametrize("request_", ASKED[:-1], ids=lambda request: type(request).__name__)
def test_only_the_type_of_reply_that_was_asked_for_is_believed(reply: Reply, request_: Request[Any]) -> None:
    if REPLIES.index(reply) == ASKED.index(request_):
        return
    with pytest.raises(BadReply, match=f"a {type(reply).__name__}; wanted a "):
        decode_reply(encode_reply(reply, KEY), request_, KEY)


@pytest.mark.parametrize("changes", [{"block": 3}, {"threads": 1}, {"row": a_row("iris_mlp")}], ids=str)
def test_a_record_of_another_job_is_not_believed(changes: dict[str, Any]) -> None:
    other = msgspec.structs.replace(ASKED[0], job=msgspec.structs.replace(ASKED[0].job, **changes))  # type: ignore[attr-defined]
    with pytest.raises(BadReply, match="a record of linear_fit numpy loop cpu float32, round 1; wanted one of"):
        decode_reply(encode_reply(REPLIES[0], KEY), other, KEY)


@pytest.mark.parametrize(
    "line",
    [
        encode_reply(REPLIES[2], KEY).replace(b'"passes":3', b'"passes":3,"more":1'),
        encode_reply(REPLIES[2], KEY).replace(b'"passes":3', b'"passes":-3'),
        encode_reply(REPLIES[2], KEY).replace(b'"wall_s":0.3', b'"wall_s":-0.3'),
        b"\n",
        b"hello\n",
        b"\xff\n",
        b"[" * 10**5,
        encode_reply(REPLIES[2], KEY) * 2,
        msgspec.json.encode(REPLIES[2]),
        msgspec.json.encode({"key": KEY, "reply": {"type": "failure", "status": "ok", "reason": ""}}),
        b"{}\n",
    ],
)
def test_what_is_no_reply_is_not_believed(line: bytes) -> None:
    with pytest.raises(BadReply):
        decode_reply(line, ASKED[2], KEY)


@pytest.mark.parametrize("key", ["", "another one"])
def test_a_reply_with_another_key_is_not_believed(key: str) -> None:
    with pytest.raises(BadReply, match="its key is not that of the request, so it was not written by the suite"):
        decode_reply(encode_reply(REPLIES[2], key), ASKED[2], KEY)


def test_every_request_names_the_type_of_its_reply() -> None:
    replies = {type(request): get_type_hints(type(request).answer)["return"] for request in REQUESTS}
    assert set(replies.values()) == {Record, CalibrationReply, TurnReply, LearnedReply, Lesson, Done}


def asked(module: str, name: str, request_: bytes = b"{}") -> bytes:
    return msgspec.json.encode({"key": KEY, "module": module, "name": name, "request": msgspec.Raw(request_)})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{}", "ValidationError: Object missing required field `key`"),
        (asked("bench.no_such", "X"), "ModuleNotFoundError"),
        (asked("bench.harness.protocol", "Nothing"), "AttributeError"),
        (asked("bench.harness.time_job", "TimeRequest"), "required field `job`"),
        (asked("bench.harness.turn_job", "TurnRequest", b'{"turn":0}'), "has left a Repeater"),
        (asked("bench.harness.protocol", "Request"), "NotImplementedError"),
    ],
)
def test_a_line_that_cannot_be_answered_is_a_failure_and_not_the_end(line: bytes, reason: str) -> None:
    reply = child.answer(line, Workbench())
    assert isinstance(reply, Failure)
    assert reply.status == "failed"
    assert reason in reply.reason


def test_the_loop_of_a_worker_imports_no_job() -> None:
    code = "import bench.harness.child, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = ("bench.parity", "bench.conformance", "bench.selftest", "bench.runs", "bench.analysis", "bench.report")
    assert [name for name in loaded.split() if name.startswith(folders) or name.endswith("_job")] == []
