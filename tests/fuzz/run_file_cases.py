"""Run files to begin with: some that are made up, some that are kept in `results/`; and an independent reader."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from edits import ALL, Edit, edited
from hypothesis import strategies as st
from support import ROOT, a_block, a_header, a_parity_result, a_quality, a_record, a_row, rows_of

from bench.records.schema import Inference, Learned, Lesson, Line, Snapshot, Turns

KEPT = ("reference", "growth-regression", "ratios-large")  # of schemas 2 and 3
SHORT = 9000  # bytes of a line; longer ones hold only more losses
FAST, SLOW, GONE = (
    a_row("linear_fit", name, mode) for name, mode in (("jax", "jit"), ("numpy", "loop"), ("torch", "x"))
)
POINTS = tuple(a_row(f"linear_fit:epochs={epochs}") for epochs in (1, 2, 3))
TURNS = Turns(
    passes=(3, 0, 2),
    wall_s=(0.3, 0.0, 0.22),
    cpu_s=(0.31, 0.0, 0.2),
    longest_s=(0.12, 0.0, 0.13),
    reads=(2, 0, 1),
    read_s=(2e-5, 0.0, 1e-5),
    took_s=(0.4, 0.1, 0.3),
    asked_s=(0.41, 0.1, 0.3),
)
LEARNED = a_quality(losses=(1.0, 0.5), parameters=(2.9, -4.1, 3.1), truth=(3.0, -4.0, 5.0), repeated=0.9, predicted=0.1)

ANSWERED = Inference(
    open_s=0.5,
    calls=400,
    latency_median_s=4e-5,
    latency_p95_s=5e-5,
    latency_p99_s=6e-5,
    latency_s=(4e-5, 4.1e-5),
    rows=256,
    batches=20,
    batch_s=(3e-4, 3.1e-4),
    predicted=0.5,
)

MEASURED: dict[str, Any] = {"quality": LEARNED, "inference": ANSWERED}
TOLD = Learned(outputs=((0.25, 0.75), (None, 1.0)), confusion=((3, 1), (0, 2)), metric_by_pass=(0.5, None), cut="late")
LESSON = Lesson(
    task="linear_fit",
    inputs=((0.5, 1.0), (1.5, -2.0)),
    images=(b"\x00\xff", b"ab"),
    image_shape=(1, 2),
    targets=(1.0, 0.0),
    classes=("one", "two"),
    snapshots=(Snapshot(step=0, outputs=(0.5, None)), Snapshot(step=3, outputs=(0.75, 0.25))),
    losses=(1.0, None),
    allowed=(1e-3, None),
)


def _file_of(lines: Iterable[Line], **header: Any) -> bytes:
    lines = tuple(lines)
    whole = a_header(*rows_of(lines), **header)
    return b"".join(msgspec.json.encode(line) + b"\n" for line in (whole, *lines))


def _three_rows() -> bytes:
    """Return a run of a row with turns, a slower one, and one that failed."""
    records = [
        a_record(
            row,
            block,
            *(2.0, 0.1 * factor, 0.11 * factor),
            quality=LEARNED,
            inference=ANSWERED,
            timing={"steps_per_pass": 1},
        )
        for block in range(2)
        for row, factor in ((FAST, 1.0), (SLOW, 1.5))
    ]
    turned = [
        msgspec.structs.replace(each, timing=msgspec.structs.replace(each.timing, turns=TURNS)) for each in records
    ]
    turned[0] = msgspec.structs.replace(turned[0], learned=TOLD)
    failed = a_record(GONE, status="crashed", reason="signal 11\nsecond line", output="the last lines")
    verdicts = [a_parity_result(FAST, gradient=1e-15), a_parity_result(SLOW, gradient=1e-15, envelope=0.5)]
    blocks = [a_block("linear_fit", block, 2e-3 * (1 + block)) for block in range(2)]
    settings = {"linear_fit": {"epochs": 5, "data.weights": [3.0, -4.0], "batch_size": "all"}}
    return _file_of([*verdicts, LESSON, *turned, *blocks, failed], versions={"numpy": "2.3.5"}, tasks=settings)


def _a_sweep() -> bytes:
    """Return a run over a setting, as `bench sweep` writes it."""
    records = [
        a_record(row, block, 1.0, 0.1 * size, 0.1 * size, timing={"steps_per_pass": 2, "flops_per_pass": 100 * size})
        for size, row in enumerate(POINTS, start=1)
        for block in range(2)
    ]
    return _file_of([*map(a_parity_result, POINTS), *records])


def _without_turns() -> bytes:
    """Return a run of an earlier version: its processes did not take turns."""
    records = [a_record(FAST, block, timing={"steps_per_pass": 1}, quality=LEARNED) for block in range(3)]
    return _file_of([a_parity_result(FAST), *records]).replace(b'"schema":3', b'"schema":2')


def _kept(name: str) -> bytes:
    """Return the header of a kept run and, of each kind, the first lines that are short."""
    head, *lines = (ROOT / "results" / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    chosen: dict[str, list[bytes]] = {"verdict": [], "lesson": [], "record": [], "block": []}
    for line in lines:
        if len(line) < SHORT:
            chosen[json.loads(line)["type"]].append(line)
    return b"".join([head, *(line for each in chosen.values() for line in each[:3])])


@cache
def bases() -> tuple[bytes, ...]:
    """Return whole run files; the made-up ones, which are short, come more often."""
    made_up = (_three_rows(), _a_sweep(), _without_turns())
    return (*made_up, *made_up, *made_up, *map(_kept, KEPT))


def changed(base: int, edits: list[Edit]) -> bytes:
    """Return the content of a run file with edits made."""
    return edited(bases()[base], edits)


def mutated(edits: st.SearchStrategy[list[Edit]] = ALL) -> st.SearchStrategy[bytes]:
    """Return contents of run files, most of them damaged."""
    return st.builds(changed, st.integers(0, 11), edits)
