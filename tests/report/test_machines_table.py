"""What people read of several machines: titles that tell questions apart, and notes on what numbers rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from made_up_machines import BASE, QUICK, WIDE, a_computer, a_run_on, lab
from msgspec.structs import replace

from bench.analysis.across import across_runs
from bench.analysis.goes_with import GoesWith, Part
from bench.analysis.summary import summarise
from bench.records.machines import by_machine, names_of_runs
from bench.records.runfile import Records, Run
from bench.report.document import Panel
from bench.report.machines_table import about_machines, fact_in_words, panels_of_rows, untold


def panels(runs: Sequence[Run]) -> list[Panel]:
    rows = summarise(runs)
    return [*panels_of_rows(across_runs(runs, rows=rows), runs, {each.row for each in rows})]


def notes(runs: Sequence[Run]) -> str:
    (panel,) = panels(runs)
    return "\n".join(panel.notes)


def test_questions_of_a_task_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    changes = ({}, {"threads": 1}, {"tasks": {"iris_mlp": {"epochs": 2, "model.hidden": (8, 4)}}})
    runs = [
        a_run_on(tmp_path / f"{number}-{place}.jsonl", a_computer(number), {QUICK: 0.5}, **change)
        for place, change in enumerate(changes)
        for number in range(2)
    ]
    assert [panel.title.partition(", time of")[0] for panel in panels(runs)] == [
        "iris_mlp with 2 threads, epochs=50",
        "iris_mlp with 1 thread, epochs=50",
        "iris_mlp with 2 threads, epochs=2",
    ]


def test_only_rows_that_are_shown_stand_there(tmp_path: Path) -> None:
    runs = lab(tmp_path, 3)
    found = across_runs(runs)
    (panel,) = panels_of_rows(found, runs, {WIDE, BASE})
    assert list(panel.table["backend"]) == ["torch"]
    assert [*panels_of_rows(found, runs, {BASE})] == []


def test_a_baseline_that_is_wrong_on_machines_is_named_with_them(tmp_path: Path) -> None:
    bad = [
        a_run_on(tmp_path / f"bad-{number}.jsonl", a_computer(number, cpu=f"bad {number}"), {QUICK: 0.5}, wrong=[BASE])
        for number in range(20, 26)
    ]
    told = notes([*lab(tmp_path, 3), *bad])
    first = "bad 20, 2 cores; bad 21, 4 cores; bad 22, 2 cores; bad 23, 4 cores; 2 more"
    assert f"numpy loop is not ranked in a run on {first}: parity: loss 2 at step 7" in told


def test_machines_with_a_single_round_are_named(tmp_path: Path) -> None:
    runs = lab(tmp_path, 3)
    kept = [record for record in runs[0].records if record.job.block == 0]
    one = Run(**{**vars(runs[0]), "records": Records.of(kept)})
    assert "One round alone was measured on processor 0, 2 cores: their errors assume" in notes([one, *runs[1:]])
    assert "One round" not in notes(runs)


def test_facts_are_told_as_description() -> None:
    numbers = GoesWith(("cores",), (), 1.25, 0.01)
    assert fact_in_words(numbers) == "with twice the cores the ratio is 1.25 times as large"
    parts = GoesWith(("avx512f", "processor"), (Part("with", 4, 1.3), Part("without", 6, 1.1)), None, 0.01)
    assert fact_in_words(parts) == "machines by avx512f and processor: with (4): 1.30, without (6): 1.10"


def test_runs_stand_by_machine_in_the_order_in_which_machines_come_first(tmp_path: Path) -> None:
    runs = lab(tmp_path, 3)
    again = a_run_on(tmp_path / "again.jsonl", a_computer(0, avx512=True), {QUICK: 0.5})
    assert [run.path.name for run in by_machine([*runs, again])] == [
        *("host-0.jsonl", "again.jsonl", "host-1.jsonl", "host-2.jsonl")
    ]
    assert set(names_of_runs([runs[0], again]).values()) == {""}


@pytest.mark.parametrize("change", ["", "node"])
def test_one_machine_says_nothing_of_machines(change: str, tmp_path: Path) -> None:
    first, other = (a_run_on(tmp_path / f"{day}.jsonl", a_computer(0), {QUICK: 0.5}) for day in (1, 2))
    other = Run(**{**vars(other), "header": replace(other.header, host=change)})
    assert bool(about_machines([first, other])) == bool(change)
    assert "All runs are of one machine" in untold([first], ())[0]
