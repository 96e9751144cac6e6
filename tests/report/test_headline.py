"""The headline of a run: which row stands for a framework, which is the fastest, and what table and picture show."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import a_header, a_machine, a_parity_result, a_record, a_row, write_run

from bench.analysis.summary import summarise
from bench.records.runfile import Run, read_run
from bench.report import pages
from bench.report.alternatives import BOUND, Pair, table
from bench.report.headline import TaskHeadline, as_table, draw, headlines, verdict
from bench.report.pictures.style import CannotPlot

Passes = Mapping[tuple[str, str], float]  # of backend and mode: seconds
PASSES: Passes = {
    ("numpy", "loop"): 0.4,
    ("torch", "eager"): 0.8,
    ("torch", "compile"): 0.2,
    ("tensorflow", "graph"): 0.3,
    ("tensorflow", "xla"): 0.1001,
    ("jax", "jit"): 0.7,
    ("jax", "scan"): 0.1,
    ("sklearn", "partial_fit"): 0.01,
}


def a_run(folder: Path, passes: Passes = PASSES, *, task: str = "mnist_mlp", blocks: int = 6, wrong: str = "") -> Run:
    """Return a run with these passes, which differ by a hundredth from block to block."""
    rows = {(backend, mode): a_row(task, backend, mode) for backend, mode in passes}
    lines = [
        a_record(row, block, 1.0, *(passes[kind] * (1 + 0.01 * ((block + number) % 3)),) * 4)
        for number, (kind, row) in enumerate(rows.items())
        for block in range(blocks)
    ]
    verdicts = [a_parity_result(row, agrees=row.backend != wrong) for row in rows.values()]
    return read_run(write_run(folder / "run.jsonl", a_header(*rows.values()), [*verdicts, *lines]))


def test_a_framework_is_shown_by_its_fastest_mode_and_a_guest_is_not(tmp_path: Path) -> None:
    (found,) = headlines(a_run(tmp_path))
    assert [(best.backend, best.mode) for best in found.best] == [
        *(("numpy", "loop"), ("torch", "compile"), ("tensorflow", "xla"), ("jax", "scan"))
    ]
    assert all(best.interval and best.interval.low <= best.pass_s <= best.interval.high for best in found.best)


def test_frameworks_that_the_run_cannot_tell_from_the_fastest_are_named_with_it(tmp_path: Path) -> None:
    (found,) = headlines(a_run(tmp_path))
    assert set(found.contenders) == {"jax", "tensorflow"}
    assert verdict(found).startswith("cannot tell: ")


def test_a_framework_is_the_fastest_where_only_its_own_modes_come_near(tmp_path: Path) -> None:
    passes = {("numpy", "loop"): 0.4, ("jax", "jit"): 0.1002, ("jax", "scan"): 0.1}
    (found,) = headlines(a_run(tmp_path, passes))
    assert (found.contenders, verdict(found)) == (("jax",), "JAX")


def test_a_row_that_is_wrong_is_not_shown(tmp_path: Path) -> None:
    (found,) = headlines(a_run(tmp_path, wrong="jax"))
    assert [best.backend for best in found.best] == ["numpy", "torch", "tensorflow"]
    assert "| mnist_mlp" in (shown := as_table([found], a_header()))
    assert re.search(r"101 ms \(xla\) +\| +\| TensorFlow", shown)


def test_one_round_tells_only_what_is_far_apart(tmp_path: Path) -> None:
    (found,) = headlines(a_run(tmp_path, blocks=1))
    assert set(found.contenders) == {"jax", "tensorflow"}


def test_only_headline_tasks_are_shown(tmp_path: Path) -> None:
    assert headlines(a_run(tmp_path, task="iris_mlp")) == []


def test_the_table_says_where_and_with_what_it_was_measured(tmp_path: Path) -> None:
    header = a_header(machine=a_machine(cpu="a chip", cores=8), versions={"torch": "9.1", "keras": "3"}, threads=4)
    below = as_table(headlines(a_run(tmp_path)), header).split("\n\n")[1]
    assert below == "Typical pass of 6 processes on 2026-01-01: a chip, 4 of 8 cores, no GPU; torch 9.1.\n"


def texts(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def test_the_picture_has_every_task_row_and_time(tmp_path: Path) -> None:
    found = headlines(a_run(tmp_path))
    draw(found, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert {"mnist_mlp", "JAX scan", "NumPy loop", "PyTorch compile", "TensorFlow xla"} <= set(shown)
    assert {"404 ms", "201 ms", "101 ms"} <= set(shown)
    draw(found, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_picture_of_a_single_process_has_no_interval(tmp_path: Path) -> None:
    draw(headlines(a_run(tmp_path, blocks=1)), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(CannotPlot, match=r"pip install 'levelfield\[report\]'"):
        draw([TaskHeadline("mnist_mlp", (), ())], tmp_path / "a.svg")


# Beside what people use instead


def test_ratios_are_taken_within_blocks(tmp_path: Path) -> None:
    a_run(tmp_path)
    pairs = (Pair("run", "mnist_mlp", "torch", "numpy"), Pair("run", "mnist_mlp", "torch", "torch:eager"))
    shown = [[cell.strip() for cell in line.split("|")] for line in table(tmp_path, pairs).splitlines()[2:]]
    assert [line[2:4] for line in shown] == [["torch compile", "numpy loop"], ["torch compile", "torch eager"]]
    assert [float(line[4]) for line in shown] == pytest.approx([0.5, 0.25], rel=0.03)
    assert re.fullmatch(r"0\.\d\d, 0\.\d\d", shown[0][5])


def test_a_row_beside_the_bound_is_over_its_share_of_it(tmp_path: Path) -> None:
    (scan,) = [each for each in summarise((a_run(tmp_path),)) if each.row.mode == "scan"]
    shown = table(tmp_path, (Pair("run", "mnist_mlp", "jax", BOUND),)).splitlines()[2].split("|")
    assert float(shown[4]) == pytest.approx(1 / scan.flops_share, rel=0.03)


def test_a_pair_without_samples_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path)
    with pytest.raises(ValueError, match="the run has no samples of iris_mlp by jax"):
        table(tmp_path, (Pair("run", "iris_mlp", "jax", "numpy"),))


# Pages


def test_a_page_is_filled_in_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")
    pages.fill_in(page, "a", "\nnew\n\n")
    assert page.read_text() == "before\n<!-- a -->\nnew\n<!-- /a -->\nafter\n"


@pytest.mark.parametrize("text", ["", "<!-- a -->\n", "<!-- /a -->\n<!-- a -->\n"])
def test_a_page_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the page has no <!-- a --> before <!-- /a -->"):
        pages.parts(text, "a")
