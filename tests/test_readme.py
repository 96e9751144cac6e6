"""The pages for people are true: commands, files, modules, excerpts, examples, tables; and each rule can fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from page_rules import BENCH, RULES, Page, commands, excerpts, is_excerpt, page_of, read_page, words
from support import ROOT

from backends.registry import BUILT_IN
from bench.records.runfile import read_run
from bench.report import headline, pages
from bench.tasks import TASKS

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    "backends/README.md",
    "results/README.md",
    "docs/ci.md",
    "docs/cluster.md",
    "docs/pandas.md",
    "docs/lessons.md",
    "docs/store.md",
)
MAX_WORDS = 900


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_every_rule(path: str, rule: Any) -> None:
    assert rule(read_page(path)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("`bench rnu`", "there is no command rnu"),
        ("`bench --install-completions`", "bench has no option --install-completions"),
        ("`bench run mnist_mpl`", "unknown task 'mnist_mpl'"),
        ("`bench run --backend jax --backend pytorch`", "unknown backend 'pytorch'"),
        ("`bench run --backend torch --mode scan`", "unknown mode 'scan'"),
        ("`bench run --fast`", "No such option: --fast"),
        ("`bench run iris_mlp --backend jax --baseline torch`", "no row of baseline 'torch'"),
        ("`bench run iris_mlp --set optimizer.rate=1`", "no setting 'optimizer.rate'"),
        ("`bench run --set model.hidden=many`", "model.hidden cannot be 'many'"),
        ("`bench run --detect much`", "'much'"),
        ("`bench sweep mnist_mlp --vary batch=16,64`", "no setting 'batch'"),
        ("`bench compare BEFORE`", "Missing parameter: now"),
        ("`bench table results/gone.jsonl`", "there is no run file results/gone.jsonl"),
        ("`bench run --resume results/gone.jsonl`", "there is no run file results/gone.jsonl"),
        ("`bench check-backend nobody`", "unknown backend 'nobody'"),
        ("text\n\n    bench run mnist_mlp && bench lst    # both\n", "there is no command lst"),
        ("```sh\nbench lst\n```\n", "there is no command lst"),
        ("`python3 -m nox -s bnech`", "there is no session bnech"),
        ("`python3 -m nox -s bench -- --quik`", "No such option: --quik"),
        ("`python3 -m nox -s versions -p 3.10`", "versions has no Python ['3.10']"),
        ("`python3 -m nox -s lint -p 3.12`", "lint has no Python ['3.12']"),
        ('`python3 -m nox -s tests -- -m "not slwo"`', "there is no marker slwo"),
        ("`python3 -m bench run`", "no page should say"),
        ("`python3 -m pytest tests/test_gone.py`", "there is no tests/test_gone.py"),
        ('`pytest bench -k "mnist_mlp and not eagr"`', "-k eagr selects no row"),
        ("`pytest bench --worker 3`", "unrecognized arguments: --worker 3"),
        ('`pip install "levelfield[torhc]"`', "there is no extra torhc"),
        ("`pip install levelfield -c constraint.txt`", "there is no constraint.txt"),
        ("`--tasks`", "no command has the option --tasks"),
        ("[text](gone.md)", "there is no gone.md"),
        ("[text](README.md#gone)", "README.md has no heading #gone"),
        ("`bench/gone.py`", "there is no bench/gone.py"),
        ("Read results/gone.md.", "there is no results/gone.md"),
        ("`bench.gone`", "there is no bench.gone"),
        ("`backends.contract.Layers`", "there is no backends.contract.Layers"),
        ("```python\nfrom bench.tasks import GONE\n```", "there is no bench.tasks.GONE"),
        ("```python\n# noxfile.py\nimport nox2\n```", "not in noxfile.py: import nox2"),
        ("```python\n# noxfile.py\nimport nox\n...\nimport sys\n```", "not in noxfile.py: import sys"),
        (
            "```python\n# noxfile.py\nimport nox\n# bench/errors.py\nimport nox\n```",
            "not in bench/errors.py: import nox",
        ),
    ],
)
def test_a_rule_sees_what_is_wrong(text: str, fault: str) -> None:
    page = page_of("README.md", text)
    faults = [found for rule in RULES for found in rule(page)]
    assert any(fault in found for found in faults), faults


def test_the_rules_let_pass_what_is_right() -> None:
    text = (
        "```python\n# noxfile.py\nimport nox\n...\ndef lint(session: nox.Session) -> None:\n```\n`bench list` `--quick`"
    )
    page = page_of("README.md", text)
    assert [found for rule in RULES for found in rule(page)] == []
    assert (len(page.python), page.spans) == (1, ("bench list", "--quick"))


def test_commands_are_found_wherever_they_stand() -> None:
    text = "`bench list`\n\n    cd x && bench run --quick  # y\n\n1. b\n\n       bench data\n\n```sh\nbench doctor\n```"
    assert [found[1] for found in commands(page_of("README.md", text))] == ["list", "doctor", "run", "data"]


# The README


def test_the_readme_is_short() -> None:
    assert words(read_page("README.md").text) < MAX_WORDS
    assert words("one two\n three | four") == 5


def test_the_readme_begins_with_what_people_look_for() -> None:
    text = read_page("README.md").text
    order = ("# levelfield", "results/headline.svg", "<!-- headline -->", "nox -s bench", "```python", "`bench list`")
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def unnamed_commands(page: Page) -> set[str]:
    return set(BENCH.commands) - {found[1] for found in commands(page) if found[0] == "bench"}


def test_the_readme_names_every_command() -> None:
    assert unnamed_commands(read_page("README.md")) == set()
    assert "run" in unnamed_commands(page_of("README.md", "`bench list`"))


def frameworks_shown(page: Page) -> set[str]:
    return {path.removeprefix("backends/").partition("_")[0] for path, _ in excerpts(page)}


def test_the_readme_shows_a_task_and_the_four_frameworks() -> None:
    page = read_page("README.md")
    assert frameworks_shown(page) >= set(headline.FRAMEWORKS)
    assert any(path.startswith("bench/tasks/") for path, _ in excerpts(page))


# Results


def copied(folder: Path) -> Path:
    """Copy the pages that show results, and the results, to a folder."""
    shutil.copy(ROOT / pages.README, folder)
    shutil.copytree(ROOT / "results", folder / "results")
    return folder


def labels(picture: Path) -> list[str]:
    """Return every text of a picture in SVG."""
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text()))


def test_tables_and_picture_are_what_is_made_of_the_kept_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied(tmp_path))
    for page in (pages.README, pages.RESULTS):  # numbers written by hand would not survive
        page.write_text(re.sub(r"\d ms", "5 ms", page.read_text()).replace("| 0.61 ", "| 0.16 "))
        assert page.read_text() != (ROOT / page).read_text()
    written = (pages.EVERY_COLUMN, pages.OF_LAYERS, pages.INFERENCE, pages.OF_GPU)
    for path in (pages.PICTURE, pages.FOR_PROGRAMS, *written):
        path.unlink()
    pages.main()
    assert all(page.read_text() == (ROOT / page).read_text() for page in (pages.README, pages.RESULTS))
    assert labels(pages.PICTURE) == labels(ROOT / pages.PICTURE)
    assert all(path.read_text() == (ROOT / path).read_text() for path in written)
    numbers = (pd.read_csv(folder / pages.FOR_PROGRAMS) for folder in (tmp_path, ROOT))
    pd.testing.assert_frame_equal(*numbers)


def test_every_time_of_the_small_table_is_in_the_picture() -> None:
    table = pages.parts(read_page("README.md").text, "headline")[1]
    times = re.findall(r"[\d.]+ (?:s|ms|µs)\b", table)
    assert len(times) == 4 * len(headline.FRAMEWORKS)
    assert set(times) <= set(labels(ROOT / pages.PICTURE))


def test_the_readme_says_where_a_mode_had_another_name() -> None:
    rows = read_run(ROOT / pages.REFERENCE).header.rows
    is_old = not any(row.mode == "compile-pass" for row in rows)
    assert ("is what is now called `compile-pass`" in read_page("README.md").text) == is_old


# Tables of what there is


def cells(page: Page, columns: int) -> set[tuple[str, ...]]:
    """Return the first cells of every line of a page's tables."""
    lines = [line.strip("| ").split(" | ") for line in page.text.splitlines() if line.startswith("| ")]
    return {tuple(line[:columns]) for line in lines}


def test_the_tables_name_every_task_and_every_mode() -> None:
    tasks = {name.strip("* ") for cell in cells(read_page("bench/README.md"), 1) for name in cell[0].split(",")}
    assert set(TASKS) <= tasks
    modes = {(entry.name, mode) for entry in BUILT_IN.values() for mode in entry.modes}
    listed = cells(read_page("backends/README.md"), 2)
    assert {cell for cell in listed if cell[0] in BUILT_IN} == modes


# Examples


def run_example(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run an example by NumPy: the other frameworks stay in processes of their own."""
    exec(code.replace('BACKENDS["jax"]', 'BACKENDS["numpy"]').replace('mode="scan"', 'mode="loop"'), names)  # noqa: S102
    return names


def examples(path: str) -> list[str]:
    return [code for code in read_page(path).python if not is_excerpt(code)]


def test_the_examples_of_the_suite_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    frame, training = (run_example(code, {}) for code in examples("bench/README.md"))
    assert len(frame["frame"]) > 0
    assert len(training["losses"]) == 400
    assert training["losses"][-1] < training["losses"][0] / 2


@pytest.mark.parametrize(("path", "number"), [("backends/README.md", 0), ("CONTRIBUTING.md", 3)])
def test_the_example_of_a_conformance_test_is_one(path: str, number: int) -> None:
    mine = run_example(examples(path)[number], {"__name__": "example"})["TestMine"]
    assert mine.backend == "mine"
    assert set(mine.tasks) <= {"all", *TASKS}


def with_the_task_of_the_text(folder: Path) -> Path:
    """Return a copy of this checkout in which somebody has done what "Add a task" says, word by word."""
    parts = ("bench", "backends", "tests", "pyproject.toml")
    for part in parts:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    dataset, task, test, _ = examples("CONTRIBUTING.md")
    (folder / "bench/tasks/datasets/rings.py").write_text(dataset)
    (folder / "bench/tasks/catalog/rings.py").write_text(task)
    catalog = folder / "bench/tasks/catalog/__init__.py"
    added = catalog.read_text().replace("TEXT_TASKS)", "TEXT_TASKS, RINGS_TASKS)")
    imported = "from bench.tasks.catalog.rings import RINGS_TASKS"
    catalog.write_text(added.replace("from bench.tasks.catalog.text", f"{imported}\nfrom bench.tasks.catalog.text"))
    with (folder / "tests/backends/test_results.py").open("a") as results:
        results.write(f"\n\n{test}")
    return folder


@pytest.mark.slow
def test_a_task_that_is_added_as_the_text_says_runs_and_passes_its_test(tmp_path: Path) -> None:
    folder = with_the_task_of_the_text(tmp_path)

    def python(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, "-P", "-m", *arguments]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    found = python("bench", "run", "rings", "--quick", "--epochs", "5", "--no-inference", "--backend", "numpy")
    assert "rings: tell an inner ring from an outer one" in found
    assert re.search(r"numpy .* yes ", found)
    checked = python("bench", "parity", "rings", "rings_stack", "--backend", "numpy")
    assert len(re.findall(r"numpy .* yes ", checked)) == 2
    python("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/backends/test_results.py", "-k", "rings")
