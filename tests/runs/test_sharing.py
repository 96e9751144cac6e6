"""Which rows run side by side: as many as memory allows, of the machine and of its GPU."""

from __future__ import annotations

import math

from msgspec.structs import replace
from support import a_record, a_row

from bench.records.columns import Columns
from bench.records.schema import Record, Row
from bench.runs.sharing import (
    DEVICE_CONTEXT_BYTES,
    USABLE_SHARE,
    Space,
    fastest,
    side_by_side,
    space_of,
    space_taken,
    usable,
)
from bench.tasks.memory import needs
from bench.tasks.names import find_task

GIB = 2**30
A, B, C, D = ROWS = tuple(a_row("linear_fit", "numpy", mode) for mode in "abcd")
ON_GPU = replace(A, device="gpu")
NONE = Columns.of([])


def record_of(row: Row, block: int = 0, pass_s: float = 0.1, **timing: int) -> Record:
    return a_record(row, block, 9.0, pass_s, timing=timing)


def one_gib_each(*rows: Row) -> dict[Row, Space]:
    return {row: Space(GIB, 0) for row in rows}


def test_what_a_row_took_is_what_it_takes_and_an_upper_bound_before_that() -> None:
    bound = needs(find_task("linear_fit"), "float32").total
    assert space_of(A, {}, Columns.of([record_of(B, peak_memory_bytes=7)])) == Space(bound, 0)
    records = [record_of(A, number, peak_memory_bytes=number) for number in (5, 7, 6)]
    assert space_of(A, {}, Columns.of(records)) == Space(7, 0)
    assert space_of(A, {"data.rows": 10**8}, NONE).host > bound + GIB


def test_a_row_on_a_gpu_takes_its_memory_and_that_of_its_context() -> None:
    bound = needs(find_task("linear_fit"), "float32").total
    assert space_of(ON_GPU, {}, NONE) == Space(bound, bound)
    records = [record_of(ON_GPU, peak_memory_bytes=5, peak_device_memory_bytes=GIB)]
    assert space_of(ON_GPU, {}, Columns.of(records)) == Space(5, GIB + DEVICE_CONTEXT_BYTES)


def test_what_a_process_has_taken_is_its_peak_and_nothing_if_it_has_failed() -> None:
    assert space_taken(record_of(A, peak_memory_bytes=5)) == Space(5, 0)
    on_gpu = record_of(ON_GPU, peak_memory_bytes=5, peak_device_memory_bytes=GIB)
    assert space_taken(on_gpu) == Space(5, GIB + DEVICE_CONTEXT_BYTES)
    assert space_taken(replace(on_gpu, status="crashed", timing=None)) == Space(0, 0)


def test_a_part_of_the_free_memory_is_left_and_what_is_unknown_is_not_limited() -> None:
    assert usable({"cpu": 10 * GIB, "gpu": None}) == Space(USABLE_SHARE * 10 * GIB, math.inf)
    assert usable({"cpu": None, "gpu": 0}) == Space(math.inf, 0)


def test_all_rows_that_fit_run_in_their_order() -> None:
    assert side_by_side((C, A, B), A, NONE, one_gib_each(*ROWS), Space(3 * GIB, 0)) == (C, A, B)


def test_the_memory_of_the_gpu_is_a_limit_of_its_own() -> None:
    rows = tuple(replace(row, device="gpu") for row in ROWS)
    spaces = {row: Space(1, GIB) for row in rows}
    assert side_by_side(rows, None, NONE, spaces, Space(math.inf, 2.5 * GIB)) == rows[:2]


def test_rows_that_had_fewer_rounds_come_first_and_the_fastest_is_always_there() -> None:
    records = [record_of(row, number) for number, row in enumerate((B, C, C, D))]
    chosen = side_by_side((D, C, B, A), C, Columns.of(records), one_gib_each(*ROWS), Space(2 * GIB, 0))
    assert chosen == (C, A)
    records += [record_of(C, 4), record_of(A, 4)]
    assert side_by_side((D, C, B, A), C, Columns.of(records), one_gib_each(*ROWS), Space(2 * GIB, 0)) == (D, C)


def test_a_row_that_is_too_large_to_run_beside_the_fastest_runs_alone_when_it_is_behind() -> None:
    spaces = {A: Space(GIB, 0), B: Space(3 * GIB, 0)}
    free = Space(3.5 * GIB, 0)
    assert side_by_side((A, B), A, Columns.of([record_of(A)]), spaces, free) == (B,)
    assert side_by_side((A, B), A, Columns.of([record_of(A), record_of(B)]), spaces, free) == (A,)


def test_the_fastest_is_the_one_with_the_shortest_pass_of_those_that_are_ranked() -> None:
    records = [record_of(A, 0, 0.1), record_of(A, 1, 9.0), record_of(A, 2, 0.1), record_of(B, 0, 0.2)]
    assert fastest(Columns.of(records), ()) == A
    assert fastest(Columns.of(records), {A}) == B
    assert fastest(Columns.of([replace(record, timing=None) for record in records]), ()) is None
