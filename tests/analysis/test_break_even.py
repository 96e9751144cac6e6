"""From how many passes on a mode pays: against lines that are known, with noise, and where nothing can be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from support import a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.break_even import BreakEven
from bench.analysis.columns import summary_columns
from bench.analysis.summary import RowSummary, summarise
from bench.records.runfile import read_run
from bench.records.schema import Row, WarmStart
from bench.report.break_even_sentences import break_even_sentences

PLAIN, COMPILED, OTHER = (a_row("iris_mlp", "torch", mode) for mode in ("eager", "compile-pass", "compile"))
ELSEWHERE = a_row("iris_mlp", "jax", "scan")
Costs = dict[Row, tuple[float, float]]  # extra time of the first call, and pass


def summaries(
    folder: Path, costs: Costs, rounds: int = 6, noise: float = 0.01, seed: int = 0, *, apart: bool = False
) -> dict[Row, RowSummary]:
    """Return the rows of a run in which each has a set-up of 0.5 s; `apart`: no two rows in the same round."""
    rng = np.random.default_rng(seed)
    records = []
    for place, (row, (first_s, pass_s)) in enumerate(costs.items()):
        for number in range(rounds):
            off, other = np.exp(noise * rng.standard_normal(2)).tolist()
            times_s = (off * pass_s + other * first_s, *(off * pass_s,) * 4)
            records.append(a_record(row, number + apart * place * rounds, *times_s))
    path = write_run(folder / f"{seed}.jsonl", a_header(*costs), [*map(a_parity_result, costs), *records])
    return {each.row: each for each in summarise([read_run(path)])}


def found(folder: Path, costs: Costs, **kind: float) -> BreakEven:
    even = summaries(folder, costs, **kind)[COMPILED].break_even  # type: ignore[arg-type]
    assert even is not None
    return even


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("rounds", [1, 6])
def test_a_mode_that_compiles_is_ahead_from_the_pass_on_that_its_times_say(
    rounds: int, apart: bool, tmp_path: Path
) -> None:
    even = found(tmp_path, {PLAIN: (0.1, 0.2), COMPILED: (5.1, 0.1)}, rounds=rounds, noise=0.005, apart=apart)
    assert even.plain == PLAIN
    assert even.verdict == "later"
    assert even.rounds == rounds
    assert even.low < 50 < even.high
    assert even.passes == pytest.approx(50, rel=0.05)


def test_the_interval_contains_the_truth_in_nineteen_of_twenty_runs_or_more(tmp_path: Path) -> None:
    costs = {PLAIN: (0.1, 0.2), COMPILED: (5.1, 0.15)}
    evens = [found(tmp_path, costs, noise=0.03, seed=seed) for seed in range(24)]
    assert sum(even.low <= 100 <= even.high for even in evens) >= 22
    assert max(even.high for even in evens) < 1000


def warm_summaries(folder: Path, warm: dict[Row, WarmStart]) -> dict[Row, RowSummary]:
    """Return the rows of a run of one round in which a pass of the compiled mode gains 0.1 s, and some start warm."""
    times_s = {PLAIN: (0.3, *(0.2,) * 4), COMPILED: (5.2, *(0.1,) * 4)}
    records = [replace(a_record(row, 0, *each), warm=warm.get(row)) for row, each in times_s.items()]
    path = write_run(folder / "warm.jsonl", a_header(*times_s), [*map(a_parity_result, times_s), *records])
    return {each.row: each for each in summarise([read_run(path)])}


def test_compiled_code_that_was_kept_makes_a_mode_pay_earlier(tmp_path: Path) -> None:
    rows = warm_summaries(tmp_path, {COMPILED: WarmStart(setup_s=0.5, first_pass_s=1.2)})
    cold, warm = rows[COMPILED].break_even, rows[COMPILED].warm_break_even
    assert cold is not None
    assert warm is not None
    assert cold.passes == pytest.approx(50)
    assert warm.passes == pytest.approx(10)
    assert rows[PLAIN].warm_break_even is None
    assert "torch compile-pass from pass 10 [" in break_even_sentences(rows.values())[1]


def test_a_plain_mode_with_a_warm_start_is_taken_at_its_warm_start(tmp_path: Path) -> None:
    both = {COMPILED: WarmStart(setup_s=0.5, first_pass_s=1.2), PLAIN: WarmStart(setup_s=0.1, first_pass_s=0.2)}
    warm = warm_summaries(tmp_path, both)[COMPILED].warm_break_even
    assert warm is not None
    assert warm.passes == pytest.approx(15)


def test_a_warm_start_that_failed_tells_nothing(tmp_path: Path) -> None:
    rows = warm_summaries(tmp_path, {COMPILED: WarmStart(reason="crashed: as told")})
    assert rows[COMPILED].warm_break_even is None
    assert break_even_sentences(rows.values())[1].endswith("torch compile-pass did not start again: crashed: as told")
    columns = summary_columns(rows[COMPILED])
    assert np.isnan(columns["warm_first_pass_s"])
    assert columns["warm_reason"] == "crashed: as told"


def test_a_mode_that_costs_nothing_to_start_is_ahead_at_once(tmp_path: Path) -> None:
    assert found(tmp_path, {PLAIN: (1.0, 0.2), COMPILED: (0.1, 0.1)}).verdict == "at once"


def test_a_mode_of_slower_passes_is_not_ahead_in_the_long_run(tmp_path: Path) -> None:
    assert found(tmp_path, {PLAIN: (0.1, 0.1), COMPILED: (5.1, 0.2)}).verdict == "not in the long run"


def test_passes_that_differ_no_more_than_processes_do_tell_nothing(tmp_path: Path) -> None:
    costs = {PLAIN: (0.1, 0.1), COMPILED: (5.1, 0.0999)}
    assert found(tmp_path, costs, noise=0.05).verdict == "cannot tell"
    assert found(tmp_path, {**costs, COMPILED: (5.1, 0.095)}, rounds=1, seed=1).verdict == "cannot tell"


def test_only_ranked_rows_of_the_same_framework_are_compared(tmp_path: Path) -> None:
    rows = summaries(tmp_path, {PLAIN: (0.1, 0.2), COMPILED: (5.1, 0.1), ELSEWHERE: (0.1, 0.01)})
    assert rows[PLAIN].break_even is None
    assert rows[ELSEWHERE].break_even is None  # its plain mode was not run
    records = [a_record(row) for row in (PLAIN, COMPILED)]
    verdicts = [a_parity_result(PLAIN, agrees=False), a_parity_result(COMPILED)]
    run = read_run(write_run(tmp_path / "wrong.jsonl", a_header(PLAIN, COMPILED), [*verdicts, *records]))
    assert {each.break_even for each in summarise([run])} == {None}


def test_one_sentence_a_task_says_it(tmp_path: Path) -> None:
    rows = summaries(tmp_path, {PLAIN: (0.1, 0.2), COMPILED: (5.1, 0.1), OTHER: (5.1, 0.3)}, noise=0.0)
    assert break_even_sentences(rows.values()) == [
        "iris_mlp: torch compile-pass from pass 50 [50, 50] on, torch compile (not in the long run)"
    ]
