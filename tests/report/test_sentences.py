"""The sentences below a table: what the run could tell, what disturbed it, where it was made."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from made_up_runs import FAST, SLOW, WRONG, mixed_run, noisy, right, run_of, summary_of
from support import a_block, a_header, a_machine, a_parity_result, a_record, a_row, write_run

from bench.analysis.summary import summarise
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal, Record, Row, Turns
from bench.records.sources import read_runs
from bench.report.sentences import (
    about_untold,
    caption,
    goal_in_words,
    noise_sentences,
    parameter_sentences,
    response_sentences,
    untold_sentences,
)
from bench.report.units import bracketed


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return mixed_run(tmp_path)


def test_what_disturbed_a_run_is_told_by_round_with_the_count(tmp_path: Path) -> None:
    slower = [a_block("linear_fit", block, 2e-3 if block else 3e-3) for block in range(4)]
    stolen = a_block("line_fit", 2, stolen_cores=0.5)
    paths = [write_run(tmp_path / name, a_header(), lines) for name, lines in (("a", [*slower, stolen]), ("b", slower))]
    assert noise_sentences(read_runs(paths)) == [
        f"{paths[0]}: noise in 2 of 5 rounds, which are included in the results: linear_fit round 1: the calibration "
        "loop took 1.50 times its usual time; "
        "line_fit round 3: the hypervisor gave 0.5 cores to other virtual machines",
        f"{paths[1]}: noise in 1 of 4 rounds, which are included in the results: linear_fit round 1: the calibration "
        "loop took 1.50 times its usual time",
    ]


def test_of_many_noisy_rounds_a_few_are_shown(tmp_path: Path) -> None:
    blocks = [a_block("linear_fit", block, foreign_cores=1.0) for block in range(7)]
    (sentence,) = noise_sentences([read_run(write_run(tmp_path / "run", a_header(), blocks))])
    assert sentence.startswith("noise in 7 of 7 rounds, which are included in the results: linear_fit round 1: ")
    assert sentence.count("other processes") == 3
    assert sentence.endswith("; and 4 more")


def test_a_quiet_run_is_not_called_noisy(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", a_header(), [a_block("linear_fit", block) for block in range(3)])
    assert noise_sentences([read_run(path)]) == []


# Detectable differences


def test_the_detectable_difference_of_a_task(tmp_path: Path) -> None:
    run = run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)}))
    lines = summary_of(run)
    size = 100 * lines["detectable"][1]
    assert untold_sentences(summarise([run])) == [f"linear_fit: detectable difference: {size:.1f} %"]


def test_where_rows_are_not_alike_the_range_over_rows_is_given(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 6, 0.001), SLOW: noisy(0.3, 6, 0.01, seed=1), WRONG: noisy(0.3, 6, 0.05, seed=2)}
    run = run_of(tmp_path, right(times))
    lines = summary_of(run)
    (sentence,) = untold_sentences(summarise([run]))
    low, middle, high = (100 * lines["detectable"].quantile(share) for share in (0.0, 0.5, 1.0))
    assert sentence == (f"linear_fit: detectable difference: {middle:.1f} % (by row {low:.1f} to {high:.1f} %)")


def test_rows_that_cannot_be_told_apart_are_named_with_the_rounds_that_would(tmp_path: Path) -> None:
    run = run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.2), SLOW: noisy(0.1, 6, 0.2, seed=1)}))
    lines = summary_of(run)
    (sentence,) = untold_sentences(summarise([run]))
    between = bracketed(lines["ratio"][1], None)
    first, second = lines["backend"]
    assert f"; inconclusive, compared with {first} x: {second} x {between} [" in sentence
    assert sentence.endswith(f"] (6 rounds; about {int(lines['rounds_needed'][1])} would be enough)")
    assert lines["rounds_needed"][1] > 6


def test_one_round_is_told_as_such(tmp_path: Path) -> None:
    run = run_of(tmp_path, right({FAST: {0: 0.1}, SLOW: {0: 0.2}}))
    rows = summarise([run])
    assert untold_sentences(rows) == ["linear_fit: detectable difference: 71.5 %; one round of all rows"]
    assert about_untold(rows) == (
        "Below 5 % counts as equal. One round cannot show how much the processes of a row differ: its intervals assume "
        "10 % (standard deviation)."
    )
    several = run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)}))
    assert about_untold(summarise([several])) == "Below 5 % counts as equal."


def turning(row: Row, number: int, slow_factor: float) -> Record:
    """Return a record whose turns are slow now and then, by this factor."""
    wall_s = tuple(0.1 * (slow_factor if turn % 4 == 0 else 1.0) for turn in range(20))
    turns = Turns(passes=(1,) * 20, wall_s=wall_s, cpu_s=wall_s)
    return a_record(row, number, 1.0, 0.1, timing={"turns": turns})


@pytest.mark.parametrize(("factor", "told"), [(1.05, True), (2.0, False)])
def test_rows_that_respond_differently_to_a_slow_machine_are_told(factor: float, told: bool, tmp_path: Path) -> None:
    records = [turning(row, number, each) for row, each in ((FAST, factor), (SLOW, 2.0)) for number in range(3)]
    run = run_of(tmp_path, [*records, *map(a_parity_result, (FAST, SLOW))])
    found = response_sentences(summarise([run]))
    assert bool(found) == told
    if told:
        assert "the machine was slow in up to 25 % of the turns" in found[0]
        assert "x 1.90" in found[0] or "x 0.53" in found[0]


def test_each_task_of_each_run_is_told_of_by_the_run_where_several_have_it(tmp_path: Path) -> None:
    rows = [a_row(task, name, "x") for task in ("line_fit", "linear_fit") for name in ("fast", "slow")]
    times = {row: noisy(0.1 * (i + 1), 6, 0.01, seed=i) for i, row in enumerate(rows)}
    runs = [run_of(tmp_path, right(times)), run_of(tmp_path, right(dict(itertools.islice(times.items(), 2))))]
    assert [sentence.partition(": ")[0] for sentence in untold_sentences(summarise(runs))] == [
        f"line_fit ({runs[0].path})",
        "linear_fit",  # which one run has
        f"line_fit ({runs[1].path})",
    ]


def test_of_a_row_alone_nothing_is_told(tmp_path: Path) -> None:
    assert untold_sentences(summarise([run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01)}))])) == []


def test_a_bias_that_has_not_converged_is_made_visible(mixed: Run) -> None:
    (sentence,) = parameter_sentences(summarise([mixed]))
    assert "true parameters w = (3, -4), b = 5" in sentence
    assert "learned w = (2.9, -4.1), b = 3.1" in sentence


def test_a_caption_says_where_how_and_in_which_order() -> None:
    machine = a_machine(cpu="a Xeon", gpus=("H200",), load=0.25)
    goal = Goal(workers=None, effect=0.05, time_s=90.0)
    text = caption(a_header(machine=machine, versions={"numpy": "2.3"}, commit="abc", goal=goal, schedule_seed=17))
    for part in ("a Xeon, 2 cores, 8 GiB, H200", "load 0.25 before", "2 threads per process", "numpy 2.3; commit abc"):
        assert part in text
    assert text.endswith("; until differences of 5 % are detectable, for 1.5 min at most, schedule seed 17.")


def test_a_number_of_processes_is_a_goal_too() -> None:
    assert goal_in_words(Goal(workers=5, effect=0.05, time_s=60.0)) == "5 processes per row"
