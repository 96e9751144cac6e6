"""Lines that come through the pipe of a worker: believed only if they are a reply to what was asked."""

from __future__ import annotations

import json
from typing import Any

from edits import ALL, GENTLE, Edit, edited
from hypothesis import strategies as st
from simple_reader import assert_same
from support import a_calibration, a_record, a_row
from target import fuzz

from backends.registry import BUILT_IN
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.protocol import (
    REASON_CHARACTERS,
    BadReply,
    CalibrationReply,
    Done,
    Failure,
    Request,
    TurnReply,
    decode_reply,
    encode_reply,
)
from bench.harness.time_job import TimeRequest
from bench.harness.turn_job import HandOverRequest, TurnRequest
from bench.records.schema import Record, Steady

KEY = "a key"
RECORD = a_record(a_row("linear_fit"))
STEADY = Steady(window_s=0.1, cpu_s=0.2, vanished_cpu_s=0.0, waited_s=None)
TURN = TurnReply(passes=3, wall_s=0.3, longest_s=0.2, cpu_s=0.1, reads=2, read_s=1e-5, took_s=0.5, steady=STEADY)
EXCHANGES: list[tuple[Request[Any], bytes, type]] = [
    (TimeRequest(job=RECORD.job, backend=BUILT_IN["numpy"]), encode_reply(RECORD, KEY), Record),
    (CalibrateRequest(), encode_reply(CalibrationReply(calibration=a_calibration()), KEY), CalibrationReply),
    (TurnRequest(turn=7), encode_reply(TURN, KEY), TurnReply),
    (HandOverRequest(folder="a folder"), encode_reply(Done(note="a note"), KEY), Done),
    (TurnRequest(turn=7), encode_reply(Failure(status="failed", reason="why", output="last lines"), KEY), TurnReply),
]


def edit_of(number: int, made: list[Edit]) -> tuple[int, bytes]:
    return number, edited(EXCHANGES[number][1], made)


def assert_right(number: int, line: bytes) -> int:
    request, _, wanted = EXCHANGES[number]
    try:
        reply = decode_reply(line, request, KEY)
    except BadReply as error:
        said = str(error)
        assert len(said) < REASON_CHARACTERS
        return len(line)
    told = json.loads(line)["reply"]
    if isinstance(reply, Failure):
        assert reply.status == told["status"] != "ok"
        assert len(reply.reason) <= REASON_CHARACTERS + 2
        return len(line)
    assert isinstance(reply, wanted)
    assert_same(reply, {key: value for key, value in told.items() if key != "type"})
    if isinstance(reply, Record):
        assert reply.job == RECORD.job
    return len(line)


SOME = st.integers(0, len(EXCHANGES) - 1)


@fuzz("replies of workers: edited", st.builds(edit_of, SOME, ALL | GENTLE), share=60_000)
def test_an_edited_reply_is_refused_or_means_what_stands_in_it(case: tuple[int, bytes]) -> int:
    return assert_right(*case)


@fuzz("replies of workers: any bytes", st.tuples(SOME, st.binary(max_size=500)), share=12_000)
def test_bytes_that_are_no_reply_are_refused(case: tuple[int, bytes]) -> int:
    return assert_right(*case)
