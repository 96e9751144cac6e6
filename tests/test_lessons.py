"""The lessons as commands: each picture on the page is drawn by a command on it, from a run that one before it makes.

That commands are right, with tasks and settings that exist, is looked at with those of all pages: tests/test_readme.py.
"""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest
from page_rules import read_page
from run_files import Bench
from support import ROOT

from bench.records.runfile import read_run

PAGE = "docs/lessons.md"
RUNS = ("run", "sweep")


def commands_of(text: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("    bench ")]


def value(command: list[str], *options: str) -> str:
    """Return what stands behind an option."""
    return next(after for option, after in itertools.pairwise(command) if option in options)


def faults(text: str) -> list[str]:
    """Return what does not fit together on the page."""
    made: set[str] = set()
    drawn: list[str] = []
    found = []
    for name, *rest in commands_of(text):
        if name in RUNS:
            made.add(value(rest, "--out"))
        elif name == "plot":
            drawn.append(value(rest, "-o"))
            if rest[0] not in made:
                found.append(f"no command before makes {rest[0]}")
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/([^)]+)\)", text)
    found += [f"{picture} is shown and not drawn" for _, picture in shown if picture not in drawn]
    found += [f"{picture} is drawn and not shown" for picture in drawn if picture not in {name for _, name in shown}]
    found += [f"{picture} is drawn twice" for picture in set(drawn) if drawn.count(picture) > 1]
    return found


def test_every_picture_is_drawn_by_a_command_from_a_run_that_one_before_makes() -> None:
    text = read_page(PAGE).text
    assert faults(text) == []
    assert len(commands_of(text)) > 20


RUN, PLOT = "    bench run iris_mlp --out a.jsonl\n", "    bench plot a.jsonl --of losses -o a.svg\n"
SHOWN = "![what it shows](pictures/a.svg)\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PLOT + RUN + SHOWN, "no command before makes a.jsonl"),
        (RUN + PLOT, "a.svg is drawn and not shown"),
        (RUN + SHOWN, "a.svg is shown and not drawn"),
        (RUN + PLOT + PLOT + SHOWN, "a.svg is drawn twice"),
    ],
)
def test_what_does_not_fit_together_is_seen(text: str, told: str) -> None:
    assert told in faults(text)
    assert faults(RUN + PLOT + SHOWN) == []


def test_the_pictures_that_are_kept_are_those_of_the_page() -> None:
    kept = {path.name for path in (ROOT / "docs/pictures").iterdir()}
    assert kept == set(re.findall(r"\(pictures/([^)]+)\)", read_page(PAGE).text))


@pytest.mark.slow
def test_the_first_lesson_works_as_it_stands_there(run_here: Bench, tmp_path: Path) -> None:
    run, plot = commands_of(read_page(PAGE).text)[:2]
    result = run_here(*run)
    assert result.returncode in (0, 5), result.stderr  # 5: other tests disturb its times, which do not matter here
    assert read_run(tmp_path / value(run, "--out")).records[0].status == "ok"
    assert run_here(*plot).returncode == 0
    picture = (tmp_path / value(plot, "-o")).read_text()
    assert "linear_fit by numpy loop" in picture
