"""Runs of several machines, as users of the command line see them: by machine, and from machine to machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_up_machines import BASE, QUICK, WIDE, a_computer, a_run_on, lab
from made_up_pages import answering
from made_up_runs import noisy, right
from run_files import Bench
from support import a_header, write_run

from bench.records.schema import Record

HARM = "<b>|x|](http://a.b)\x1b[31m\\input{x}"


@pytest.fixture
def four(tmp_path: Path) -> list[str]:
    """Return the names of the run files of four machines, of the first of which there are two."""
    lab(tmp_path, 4)
    a_run_on(tmp_path / "later.jsonl", a_computer(0, avx512=True), {QUICK: 0.5, WIDE: 3.0})
    return [*(f"host-{number}.jsonl" for number in range(4)), "later.jsonl"]


def headings(text: str, level: str = "##") -> list[str]:
    return re.findall(rf"^{level} (.*)$", text, re.MULTILINE)


def test_tables_stand_by_machine_and_the_runs_of_one_stand_together(bench_here: Bench, four: list[str]) -> None:
    result = bench_here("table", *four)
    assert not result.returncode, result.stderr
    machines = ["processor 0, 2 cores", "processor 1, 4 cores", "processor 2, 2 cores", "processor 0, 4 cores"]
    assert headings(result.stdout) == [*machines, "From machine to machine", "Behind the tables of all machines"]
    tables = headings(result.stdout, "###")
    assert tables[:3] == ["iris_mlp (host-0.jsonl)", "iris_mlp (later.jsonl)", "iris_mlp"]
    assert "These runs are of 4 machines. Rows are ranked within a machine, and never across machines." in result.stdout
    part = result.stdout.partition("## From machine to machine")[2].partition("## Behind")[0]
    assert "### iris_mlp, time of a pass / that of numpy loop" in part
    assert re.search(r"\| jax \| scan \| 0\.5\d \[0\.\d\d, 0\.\d\d\] \| 0\.\d\d to 0\.\d\d \| 4 \| 0\.", part)
    assert "fastest" not in part
    assert "slower" not in part


def test_one_machine_looks_as_ever(bench_here: Bench, four: list[str]) -> None:
    result = bench_here("table", four[0])
    assert headings(result.stdout) == []
    assert "machine to machine" not in result.stdout
    assert headings(result.stdout, "###")[0] == "iris_mlp"


@pytest.mark.parametrize(
    ("style", "group"),
    [
        ("github-summary", "### processor 1, 4 cores"),
        ("html", '<h2 class="group">processor 1, 4 cores</h2>'),
        ("latex", r"\caption{processor 1, 4 cores: iris\_mlp: jax scan is the fastest"),
        ("terminal", "processor 1, 4 cores\n"),
    ],
)
def test_every_format_for_people_names_the_machine_of_a_table(
    bench_here: Bench, four: list[str], style: str, group: str
) -> None:
    text = bench_here("table", *four, "--format", style).stdout
    assert group in text
    assert "From machine to machine" in text


def test_for_programs_each_line_has_its_machine(bench_here: Bench, four: list[str]) -> None:
    lines = json.loads(bench_here("table", *four, "--format", "json").stdout)
    machines = [line["machine"] for line in lines]
    assert len(set(machines)) == 4
    assert machines == sorted(machines, key=machines.index)  # those of one stand together
    samples = json.loads(bench_here("table", *four, "--samples", "--format", "json").stdout)
    assert {line["machine"] for line in samples} == set(machines)


def test_how_ratios_differ_is_shown_alone_and_for_programs(bench_here: Bench, four: list[str]) -> None:
    alone = bench_here("table", *four, "--machines").stdout
    assert headings(alone, "###") == ["iris_mlp, time of a pass / that of numpy loop"]
    jax, torch = json.loads(bench_here("table", *four, "--machines", "--format", "json").stdout)
    assert (jax["backend"], jax["other"], jax["machines"]) == ("jax", "numpy loop", 4)
    assert jax["new_low"] < jax["ratio_low"] < jax["ratio"] < jax["ratio_high"] < jax["new_high"]
    assert torch["lowest"] < 2.2 < 2.8 < torch["highest"]


def test_inference_stands_by_machine_too(bench_here: Bench, tmp_path: Path) -> None:
    for number in range(2):
        lines = right({BASE: noisy(0.1, 6, 0.01), QUICK: noisy(0.05, 6, 0.01)})
        header = a_header(BASE, QUICK, machine=a_computer(number), inference=True)
        asked = (answering(line) if isinstance(line, Record) else line for line in lines)
        write_run(tmp_path / f"{number}.jsonl", header, asked)
    text = bench_here("table", "0.jsonl", "1.jsonl", "--inference").stdout
    assert headings(text) == ["processor 0, 2 cores", "processor 1, 4 cores", "Behind the tables of all machines"]
    assert "**processor 1, 4 cores**" in text
    assert "never across machines" in text


def test_columns_rows_and_order_can_be_chosen(bench_here: Bench, four: list[str]) -> None:
    options = ("--columns", "backend,highest", "--sort", "-highest", "--where", "backend!=numpy")
    text = bench_here("table", *four, "--machines", "--baseline", "jax", *options).stdout
    assert re.findall(r"^\| (\w+) \| \d", text, re.MULTILINE) == ["torch"]
    assert "1 of 2 rows are shown" in text
    wrong = bench_here("table", *four, "--machines", "--columns", "speed")
    assert wrong.returncode == 2
    assert "choose from task, other, backend" in wrong.stderr


def test_what_cannot_be_told_is_said(bench_here: Bench, four: list[str], tmp_path: Path) -> None:
    assert "All runs are of one machine" in bench_here("table", four[0], "--machines").stdout
    a_run_on(tmp_path / "one.jsonl", a_computer(5), {QUICK: 0.5}, threads=1)
    both = bench_here("table", four[0], "one.jsonl").stdout
    assert "with the same settings and number of threads (--threads)" in both
    two = bench_here("table", *four[:2]).stdout
    assert "Two machines say too little about how machines differ; 3 at least are needed" in two


def test_a_row_that_is_wrong_on_a_machine_is_named_there(bench_here: Bench, four: list[str], tmp_path: Path) -> None:
    a_run_on(tmp_path / "bad.jsonl", a_computer(8), {QUICK: 0.001, WIDE: 2.0}, wrong=[QUICK])
    part = bench_here("table", *four, "bad.jsonl").stdout.partition("## From machine to machine")[2]
    assert "jax scan is not ranked in a run on processor 2, 2 cores (" in part
    assert ": parity: loss 2 at step 7" in part
    assert "0.00" not in part


def test_facts_that_go_with_a_ratio_are_told_as_description(bench_here: Bench, tmp_path: Path) -> None:
    lab(tmp_path, 12)
    text = bench_here("table", ".", "--machines").stdout
    assert re.search(
        r"torch eager: machines by BLAS of NumPy and avx512f: openblas 0.3.30 Haswell \(6\): 2\.\d\d, "
        r"openblas 0.3.30 SkylakeX \(6\): [23]\.\d\d \(p = 0\.0\d+, corrected for \d facts and 2 rows\)",
        text,
    )
    assert "describes these machines and need not be its cause" in text


def test_names_of_machines_do_no_harm(bench_here: Bench, four: list[str], tmp_path: Path) -> None:
    a_run_on(tmp_path / "harm.jsonl", a_computer(6, cpu=HARM), {QUICK: 0.4, WIDE: 2.0})
    for style in ("terminal", "markdown", "html", "latex"):
        text = bench_here("table", *four, "harm.jsonl", "--format", style).stdout
        assert "\x1b" not in text
        if style in ("markdown", "html"):
            assert "<b>" not in text
        if style == "latex":
            assert r"\input" not in re.sub(r"^%.*$", "", text, flags=re.MULTILINE)


def test_two_machines_that_are_alike_but_for_their_ids_are_not_compared_as_one(
    bench_here: Bench, tmp_path: Path
) -> None:
    alike = {"cpu": "a CPU", "cores": 2}
    for number in (1, 2):
        a_run_on(tmp_path / f"{number}.jsonl", a_computer(number, **alike), {QUICK: 0.5}, host=f"node{number}")
    refused = bench_here("compare", "1.jsonl", "2.jsonl")
    assert refused.returncode == 5
    assert "machine id: 000000000001 then, 000000000002 now; host: node1 then, node2 now" in refused.stderr
    assert "To compare anyway: --allow machine" in refused.stderr
    assert bench_here("compare", "1.jsonl", "2.jsonl", "--allow", "machine").returncode in (0, 4, 5)
    history = bench_here("history", "1.jsonl", "2.jsonl").stdout
    assert "machine 2: node2" in history
    assert "never joined" in history
