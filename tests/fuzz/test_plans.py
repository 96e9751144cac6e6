"""Headers of runs that are gone on with: refused with a sentence, or a plan whose jobs can all be worked out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from edits import GENTLE, IN_A_LINE, Edit, edited, edits
from hypothesis import strategies as st
from scratch import scratch_file
from support import a_header, a_row
from target import fuzz
from task_texts import NAME, assert_is_sentence, size_of

from bench.errors import UserError
from bench.records.provenance import differences
from bench.records.runfile import read_run
from bench.runs.plan import Plan, resolved, round_order, turn_order
from bench.runs.session import plan_of
from bench.tasks.names import TaskRef
from bench.tasks.settings import settings

ROWS = (("numpy", "loop"), ("torch", "eager"), ("jax", "scan"))
TASKS = ("linear_fit", "iris_mlp:epochs=2", "line_fit")
HEADER = a_header(
    *(a_row(task, *row) for task in TASKS for row in ROWS),
    settings={"optimizer.learning_rate": "0.01", "batch_size": "all", "seed": 3},
    tasks={name: settings(TaskRef.parse(name).task()) for name in TASKS},
    versions={"numpy": "2.3.5"},
    environment={"OMP_NUM_THREADS": "2"},
)
LINE = msgspec.json.encode(HEADER)


def planned(line: bytes) -> Plan | None:
    """Return the plan of a run file that has only this header; None if it is refused as a user should see it."""
    try:
        header = read_run(scratch_file("header.jsonl", line + b"\n")).header
        plan = plan_of(header, None)
        found = resolved(header.rows, header.settings)
        for row in plan.rows:
            assert plan.job(row, 0).threads >= 1
    except UserError as error:
        assert_is_sentence(error)
        return None
    assert plan.rows == header.rows
    assert found.keys() == {row.task for row in header.rows}
    for each in differences(header, msgspec.structs.replace(HEADER, tasks=found)):
        str(each)
    for task, rows in plan.tasks.items():
        assert sorted(round_order(rows, seed=plan.seed, block=0)) == sorted(rows)
        assert sorted(turn_order(rows, seed=plan.seed, block=1, turn=2)) == sorted(rows)
        assert len(plan.watched(task)) == len(set(plan.watched(task)))
    return plan


@fuzz("plans: edited headers", GENTLE | edits(*IN_A_LINE), share=88_000)
def test_an_edited_header_is_refused_or_gives_a_plan(made: Sequence[Edit]) -> int:
    line = edited(LINE, made).replace(b"\n", b"")
    planned(line)
    return len(line)


@fuzz("plans: headers of other tasks", st.lists(NAME, min_size=1, max_size=2), share=30_000)
def test_a_header_of_any_tasks_is_refused_or_gives_a_plan(names: list[str]) -> int:
    rows = tuple(a_row(name) for name in names if name.isprintable())
    line = msgspec.json.encode(msgspec.structs.replace(HEADER, rows=rows, settings={}))
    plan = planned(line)
    assert plan is None or tuple(plan.tasks) == tuple(dict.fromkeys(row.task for row in rows))
    return size_of(*names)


def test_the_header_to_begin_with_gives_a_plan() -> None:
    changed = planned(LINE.replace(b'"0.01"', b"0.02"))
    assert changed is not None
    assert changed.rows == HEADER.rows
