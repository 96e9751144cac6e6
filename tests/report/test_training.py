"""The result of a run: its lines of summary, its tables, and its sentences, in every format for people."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_up_runs import FAST, SLOW, WRONG, mixed_run, noisy, right, run_of
from msgspec.structs import replace
from support import ROOT, a_header, a_parity_result, a_quality, a_record, a_row, write_run

from bench.analysis.summary import summarise
from bench.records.runfile import Run, read_run
from bench.report.choosing import Choice
from bench.report.document import Document
from bench.report.export import render_document
from bench.report.summary_lines import summary_lines
from bench.report.training import training_result

REFERENCE = ROOT / "results" / "reference.jsonl"


def lines_of(*runs: Run) -> list[str]:
    return [str(line) for line in summary_lines(runs, summarise(runs))]


def result_of(*runs: Run, choice: str = "", where: tuple[str, ...] = ()) -> Document:
    return training_result(runs, "", "steady", Choice.parse(choice, "", where))


# A line a task


def test_the_fastest_row_is_named_with_how_surely_it_is_that(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)}
    (line,) = lines_of(run_of(tmp_path, right(times)))
    assert line.startswith("linear_fit: fast x is the fastest, 10")
    assert re.search(r" ms a pass; the next, slow x, takes 3\.01 \[2\.96, 3\.05\] times as long$", line)


def test_what_to_use_for_one_training_is_said_and_from_when_on_another_row_gains() -> None:
    lines = lines_of(read_run(REFERENCE))
    assert lines[3] == (
        "mnist_mlp: tensorflow xla is the fastest, 219 ms a pass; the next, jax scan, takes 1.10 [1.03, 1.17] times as "
        "long. For one training (5 passes) use numpy loop: 2.78 s in all; for 52 passes or more, tensorflow xla"
    )
    once = "numpy loop: 2.01 s in all (this run cannot tell jax scan from it)"
    assert f"{once}; for 159 passes or more, torch" in lines[1]


def test_a_row_that_is_the_best_for_one_training_too_is_named_again(tmp_path: Path) -> None:
    quality = a_quality(losses=(1.0,) * 300)  # three passes of 100 steps
    records = [a_record(FAST, block, *(0.1,) * 7, quality=quality) for block in range(2)]
    (line,) = lines_of(run_of(tmp_path, [*records, a_parity_result(FAST)]))
    assert line.startswith("linear_fit: fast x is the only row that is ranked, 100 ms a pass. ")
    assert "For one training (3 passes), too, use fast x: 2.24 s in all" in line


def test_one_round_is_no_certainty(tmp_path: Path) -> None:
    (line,) = lines_of(run_of(tmp_path, right({FAST: {0: 0.1}, SLOW: {0: 0.3}})))
    assert "takes 3.00 [2.21, 4.08] times as long (one round)" in line


def test_rows_that_cannot_be_told_apart_are_not_called_the_fastest(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 6, 0.2), SLOW: noisy(0.1, 6, 0.2, seed=1)}
    (line,) = lines_of(run_of(tmp_path, right(times)))
    assert re.match(r"linear_fit: \w+ x is among the fastest, \d+ ms a pass; this run cannot tell \w+ x from it$", line)
    assert "is the fastest" not in line


def test_rows_that_are_equally_fast_are_called_so(tmp_path: Path) -> None:
    times = {FAST: noisy(0.1, 12, 0.001), SLOW: noisy(0.1001, 12, 0.001, seed=1)}
    (line,) = lines_of(run_of(tmp_path, right(times)))
    assert re.match(r"linear_fit: \w+ x is among the fastest, 100 ms a pass; as fast within 5 %: \w+ x$", line)


def test_what_failed_parity_is_named_and_what_is_not_supported_is_not(tmp_path: Path) -> None:
    (line,) = lines_of(mixed_run(tmp_path))
    assert "fast x is the fastest" in line
    assert line.endswith(". Not ranked: wrong x (wrong)")


def test_a_task_without_a_ranked_row_has_no_fastest(tmp_path: Path) -> None:
    run = run_of(tmp_path, [a_record(WRONG), a_parity_result(WRONG, agrees=False, reason="off")])
    assert lines_of(run) == ["linear_fit: no row is ranked. Not ranked: wrong x (wrong)"]


def test_another_precision_than_the_usual_one_is_told_and_has_a_line_of_its_own(tmp_path: Path) -> None:
    single, double = (a_row("linear_fit", "torch", "eager", precision=each) for each in ("float32", "float64"))
    times = {FAST: noisy(0.1, 8, 0.001), single: noisy(0.2, 8, 0.001, seed=1), double: noisy(0.4, 8, 0.001, seed=2)}
    both = run_of(tmp_path, right(times))
    usual, other = lines_of(both)
    assert usual.startswith("linear_fit: fast x is the fastest")
    assert other.startswith("linear_fit in float64: torch eager is the only row that is ranked")
    (panel,) = result_of(both).panels
    assert list(panel.table["precision"]) == ["float32", "float32", "float64"]
    (panel,) = result_of(run_of(tmp_path, right({double: noisy(0.4, 8, 0.001)}))).panels
    assert list(panel.table["precision"]) == ["float64"]
    (panel,) = result_of(run_of(tmp_path, right({FAST: noisy(0.1, 8, 0.001)}))).panels
    assert "precision" not in panel.table


def test_the_device_is_told_unless_it_is_the_cpu_of_all_rows(tmp_path: Path) -> None:
    on_cpu, on_gpu = (a_row("linear_fit", "torch", "eager", device=device) for device in ("cpu", "gpu"))
    devices = {}
    for name, rows in {"cpu": (on_cpu,), "gpu": (on_gpu,), "both": (on_cpu, on_gpu)}.items():
        (panel,) = result_of(run_of(tmp_path, right({row: noisy(0.1, 8, 0.001) for row in rows}))).panels
        devices[name] = sorted(panel.table["device"]) if "device" in panel.table else None
    assert devices == {"cpu": None, "gpu": ["gpu"], "both": ["cpu", "gpu"]}


def test_every_sentence_tells_a_row_on_a_gpu_from_the_same_on_the_cpu(tmp_path: Path) -> None:
    plain, compiled, scan = rows = [
        a_row("linear_fit", backend, mode, device="gpu")
        for backend, mode in (("torch", "eager"), ("torch", "compile-pass"), ("jax", "scan"))
    ]
    passes_s = {plain: (0.3, 0.36), compiled: (0.1, 0.12), scan: (0.11, 0.12)}
    records = [
        a_record(row, block, 5 * time_s, *(time_s,) * 4)
        for row, in_rounds_s in passes_s.items()
        for block, time_s in enumerate(in_rounds_s)
    ]
    run = run_of(tmp_path, [*records, *map(a_parity_result, rows)])
    text = re.sub(r"^\|.*$", "", render_document(result_of(run), "markdown"), flags=re.MULTILINE)
    names = re.findall(r"(?:torch|jax) [\w-]+(?: on the gpu)?", text)
    assert set(names) == {compiled.name, scan.name}
    assert all(name.endswith(" on the gpu") for name in names)
    for about in ("among the fastest", "inconclusive, compared with", "When a mode pays"):
        assert about in text


def test_two_runs_with_different_settings_are_not_called_the_same(tmp_path: Path) -> None:
    def about(**settings: int) -> str:
        records = [a_record(FAST, block) for block in range(2)]
        changed = [replace(each, job=replace(each.job, settings=settings)) for each in records]
        lines = [*changed, a_parity_result(FAST, settings=settings)]
        (panel,) = result_of(run_of(tmp_path, lines, settings=settings)).panels
        return panel.about

    assert "but with" not in about()
    assert about(epochs=7).endswith(", but with epochs 7")


def test_a_reason_of_several_lines_names_its_rows(tmp_path: Path) -> None:
    failed = [a_record(row, status="failed", reason="ValueError: no\nand more") for row in (FAST, SLOW)]
    (section,) = [each for each in result_of(run_of(tmp_path, failed)).sections if each.title == "What failed"]
    assert section.sentences == ("linear_fit fast x, linear_fit slow x: ValueError: no\nand more",)


def test_of_several_runs_each_has_its_line(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, right({FAST: {0: time_s}, SLOW: {0: 0.5}})) for time_s in (0.1, 0.2)]
    assert [line.partition(": ")[0] for line in lines_of(*runs)] == [f"linear_fit ({run.path})" for run in runs]
    assert [line.partition(" a pass")[0][-6:] for line in lines_of(*runs)] == ["100 ms", "200 ms"]


# Tables


def test_a_row_that_is_not_ranked_says_so_where_others_have_a_verdict(tmp_path: Path) -> None:
    (panel,) = result_of(mixed_run(tmp_path)).panels
    verdicts = dict(zip(panel.table["backend"], panel.table["verdict"], strict=True))
    assert (verdicts["wrong"], verdicts["gone"]) == ("not ranked: wrong", "")
    assert dict(zip(panel.table["backend"], panel.table["× fastest"], strict=True))["wrong"] == ""
    assert panel.notes == ("wrong x: parity: loss 2 at step 7", "gone x: unsupported: pip install gone")


def test_a_filter_leaves_what_is_said_of_a_task_as_it_is(tmp_path: Path) -> None:
    run = mixed_run(tmp_path)
    whole, some = result_of(run), result_of(run, where=("backend=slow",))
    assert some.summary == whole.summary
    assert some.sections == whole.sections
    assert some.remarks == (
        "1 of 4 rows are shown (backend=slow); ratios and verdicts are those among all rows of a task",
    )
    (shown,), (full,) = some.panels, whole.panels
    (row,) = shown.table.to_dict("records")
    assert row == next(each for each in full.table[list(shown.table)].to_dict("records") if each["backend"] == "slow")


def test_a_filter_leaves_other_tasks_out() -> None:
    document = result_of(read_run(REFERENCE), where=("task=mnist_mlp",))
    assert [line.about for line in document.summary] == ["mnist_mlp"]
    untold = next(section for section in document.sections if section.title == "What this run cannot tell")
    assert [sentence.partition(":")[0] for sentence in untold.sentences] == ["mnist_mlp"]


def test_a_task_that_is_not_known_here_has_a_table(tmp_path: Path) -> None:
    row = a_row("a_task_of_another_version")
    run = read_run(write_run(tmp_path / "run.jsonl", a_header(row), [a_record(row), a_parity_result(row)]))
    (panel,) = result_of(run).panels
    assert (panel.title, panel.about) == ("a_task_of_another_version", "")


def test_runs_on_one_machine_share_the_section_on_it(tmp_path: Path) -> None:
    row = a_row("linear_fit")
    runs = [
        read_run(write_run(tmp_path / f"{name}.jsonl", a_header(row, **changes), [a_record(row), a_parity_result(row)]))
        for name, changes in (("a", {}), ("b", {"schedule_seed": 7}), ("c", {"commit": "another"}))
    ]
    (shared,) = (each for each in training_result(runs[:2], "", "steady", Choice()).sections if "machine" in each.title)
    assert shared.title == "The machine"
    assert [str(runs[place].path) in shared.sentences[2 + place] for place in range(2)] == [True, True]
    sections = [each for each in training_result(runs, "", "steady", Choice()).sections if "machine" in each.title]
    assert [each.title for each in sections] == [
        f"The machine ({runs[0].path}, {runs[1].path})",
        f"The machine ({runs[2].path})",
    ]


# Two versions


def versions_run(folder: Path, slower: float) -> Run:
    rows = [a_row("iris_mlp", f"torch@{which}", "eager") for which in ("old", "new")]
    records = []
    for number, (row, version) in itertools.product(range(8), zip(rows, ("2.12.1", "2.13.0"), strict=True)):
        pass_s = 0.1 * (1 + 1e-4 * (number % 3)) * (slower if row is rows[1] else 1.0)
        record = a_record(row, number, 1.0, pass_s)
        records.append(replace(record, resources=replace(record.resources, framework=version)))
    return read_run(write_run(folder / "ab.jsonl", a_header(*rows), [*records, *map(a_parity_result, rows)]))


@pytest.mark.parametrize(
    ("slower", "said"),
    [
        (
            1.2,
            r"iris_mlp: torch@2\.13 eager is slower than torch@2\.12 eager: it takes 1\.20 \[1\.20, 1\.20\] times as ",
        ),
        (0.8, r"iris_mlp: torch@2\.13 eager is faster than torch@2\.12 eager: it takes 0\.80 "),
        (1.0, r"iris_mlp: torch@2\.13 eager is as fast as torch@2\.12 eager within 5 %: it takes 1\.00 "),
    ],
)
def test_two_versions_are_called_by_their_numbers_and_what_changed_is_said(
    slower: float, said: str, tmp_path: Path
) -> None:
    document = result_of(versions_run(tmp_path, slower))
    assert re.match(said, document.remarks[0])
    assert set(document.panels[0].table["backend"]) == {"torch@2.12", "torch@2.13"}


# Formats


def test_markdown_has_the_summary_then_a_table_a_task_then_what_is_behind() -> None:
    text = render_document(result_of(read_run(REFERENCE)), "markdown")
    parts = ("- **mnist_mlp**: tensorflow xla", "### mlp_regression", "| jax | scan |", "### Noise", "### The machine")
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 56 + 2 * 4
    assert max(map(len, tables)) < 170


def test_a_summary_page_folds_all_but_the_summary() -> None:
    text = render_document(result_of(read_run(REFERENCE)), "github-summary")
    assert text.count("<details>") == text.count("</details>") == 4 + 5
    assert text.index("- **mnist_mlp**") < text.index("<details>")
    assert "<details><summary><b>mnist_mlp</b>: 14 rows</summary>\n\n" in text  # the empty line that Markdown needs
    assert len(text.encode()) < 2**20  # what GitHub shows


def test_html_needs_nothing_else_and_marks_rows_by_their_verdicts(tmp_path: Path) -> None:
    page = render_document(result_of(mixed_run(tmp_path)), "html")
    assert not re.findall(r"<script|<link|<img|src=|href=|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert '<tr class="best"><td>fast</td>' in page
    assert '<tr class="bad"><td>wrong</td>' in page
    assert page.count("<tr") == 5


def test_latex_is_a_table_of_booktabs_with_the_summary_as_its_caption(tmp_path: Path) -> None:
    text = render_document(result_of(mixed_run(tmp_path)), "latex")
    assert r"\caption{linear\_fit: fast x is the fastest" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"slow & x & " in text


def has_booktabs() -> bool:
    """Return whether LaTeX is installed, with the package that the tables need."""
    found = shutil.which("pdflatex") and shutil.which("kpsewhich")
    return found is not None and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0


@pytest.mark.slow
def test_latex_can_be_set(tmp_path: Path) -> None:
    if not has_booktabs():
        pytest.skip("LaTeX with booktabs is not installed")
    evil = a_row("linear_fit", "[a]\\x{y}_&%$#^~*<>|\"'`", "*")
    records = [a_record(evil, block, 1.0, 0.1) for block in range(3)]
    runs = [read_run(REFERENCE), run_of(tmp_path, [*records, a_parity_result(evil)])]
    tables = render_document(result_of(*runs), "latex")
    text = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{tables}\\end{{document}}\n"
    (tmp_path / "a.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:]
