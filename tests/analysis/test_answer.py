"""What to use for one training and for a long one, by times that are made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import a_header, a_parity_result, a_quality, a_record, a_row, write_run

from bench.analysis.answer import Answer, answers
from bench.analysis.process import one_training_s, passes_of
from bench.analysis.summary import summarise
from bench.records.columns import Columns
from bench.records.runfile import read_run
from bench.records.schema import Row
from bench.report.answer_sentence import answer_sentence

QUICK_TO_START, FAST, ALSO_FAST = (a_row("iris_mlp", name, "x") for name in ("early", "fast", "also"))
PASSES = 3
STEPS = 100
LEARNED = a_quality(losses=(1.0,) * PASSES * STEPS)
ROUNDS = 12


def answer_of(
    folder: Path, costs: dict[Row, tuple[float, float]], wrong: tuple[Row, ...] = (), noise: float = 0.002
) -> Answer:
    """Return the answer where each row takes so many seconds to import, and so many for each of its passes."""
    rng = np.random.default_rng(1)
    records = []
    for number in range(ROUNDS):
        for row, (import_s, pass_s) in costs.items():
            off = math.exp(noise * rng.standard_normal())
            times_s = (off * pass_s,) * (PASSES + 4)
            timing = {"import_s": off * import_s, "steps_per_pass": STEPS}
            records.append(a_record(row, number, *times_s, timing=timing, quality=LEARNED))
    verdicts = [a_parity_result(row, agrees=row not in wrong) for row in costs]
    run = read_run(write_run(folder / "r.jsonl", a_header(*costs), [*verdicts, *records]))
    (found,) = answers(run, summarise([run]))
    return found


def test_one_training_is_all_that_its_user_waits_for_and_nothing_that_only_a_benchmark_does() -> None:
    record = a_record(FAST, 0, 1.0, 0.5, 0.5, 9.0, timing={"steps_per_pass": STEPS}, quality=LEARNED)
    records = Columns.of([record, a_record(FAST, status="crashed")])
    assert passes_of(records).tolist() == [PASSES, 0]
    # start 0.125, import 1, data 0.0625, set-up 0.5, evaluation 0.25, and three passes
    expected = 0.125 + 1 + 0.0625 + 0.5 + 0.25 + 2.0
    assert one_training_s(records).tolist() == pytest.approx([expected, math.nan], nan_ok=True)


def test_a_row_that_is_quick_to_start_and_one_that_is_fast_are_told_apart_and_when_the_second_gains(
    tmp_path: Path,
) -> None:
    found = answer_of(tmp_path, {QUICK_TO_START: (0.1, 0.2), FAST: (4.1, 0.1)})
    assert (found.task, found.passes) == ("iris_mlp", PASSES)
    assert (found.once.row, found.long.row) == (QUICK_TO_START, FAST)
    assert found.once.tied == found.long.tied == ()
    # 4 s more to start, 0.1 s less a pass: 40 passes
    assert found.passes_to_gain == pytest.approx(40, abs=1)
    sentence = f"{found.task}: {answer_sentence(found)}"
    assert sentence.startswith("iris_mlp: use early x for one training of 3 passes (1.64 s with import and set-up)")
    assert sentence.endswith(f", and fast x from {found.passes_to_gain} passes on (100 ms a pass)")


def test_a_row_that_is_cheapest_once_and_cannot_be_told_from_the_fastest_is_the_answer_to_both(tmp_path: Path) -> None:
    found = answer_of(tmp_path, {QUICK_TO_START: (0.1, 0.1001), FAST: (2.0, 0.1), ALSO_FAST: (3.0, 0.2)}, noise=0.01)
    assert found.once.row == found.long.row == QUICK_TO_START
    assert found.passes_to_gain is None
    assert found.long.tied == (FAST,)
    sentence = f"{found.task}: {answer_sentence(found)}"
    assert "use early x for one training of 3 passes (" in sentence
    assert sentence.endswith(" ms a pass; this run cannot tell fast x from it)")


def test_rows_that_are_wrong_are_no_answer(tmp_path: Path) -> None:
    found = answer_of(tmp_path, {QUICK_TO_START: (0.1, 0.01), FAST: (2.0, 0.1)}, wrong=(QUICK_TO_START,))
    assert found.once.row == found.long.row == FAST


def test_there_is_no_answer_where_a_row_has_fewer_losses_than_a_pass_has_steps(tmp_path: Path) -> None:
    records = [a_record(row, 0, 1.0, 0.1, timing={"steps_per_pass": STEPS}) for row in (QUICK_TO_START, FAST)]
    verdicts = [a_parity_result(row) for row in (QUICK_TO_START, FAST)]
    run = read_run(write_run(tmp_path / "r.jsonl", a_header(QUICK_TO_START, FAST), [*verdicts, *records]))
    assert answers(run, summarise([run])) == ()


def test_rows_are_sorted_by_what_is_asked(tmp_path: Path) -> None:
    answer_of(tmp_path, {QUICK_TO_START: (0.1, 0.2), FAST: (4.1, 0.1)})
    run = read_run(tmp_path / "r.jsonl")
    assert [each.row for each in summarise([run])] == [FAST, QUICK_TO_START]
    assert [each.row for each in summarise([run], rank="total")] == [QUICK_TO_START, FAST]
