"""The README is true: its Python runs, its files are there, its commands are commands."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from support import ROOT

from backends.registry import BUILT_IN
from bench.cli.app import app
from bench.tasks import TASKS

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"`(bench [^`]+)`", README)
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["frame", "training"])
def test_its_python_runs(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # NumPy does here what the example shows with JAX: frameworks stay in processes of their own.
    example = example.replace('BACKENDS["jax"]', 'BACKENDS["numpy"]').replace('mode="scan"', 'mode="loop"')
    names: dict[str, object] = {}
    exec(example, names)  # noqa: S102 - our own README
    if "losses" in names:
        assert len(names["losses"]) == 400
    else:
        assert len(names["frame"]) > 0


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w/.]+)\)|`(results/\S+?)`", README))))
def test_the_files_that_it_names_are_there(path: tuple[str, str]) -> None:
    assert (ROOT / "".join(path)).is_file()


def test_it_names_every_task_and_every_mode() -> None:
    assert all(name in README for name in TASKS)
    for entry in BUILT_IN.values():
        assert all(f"| {entry.name} | {mode} |" in README for mode in entry.modes)


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_its_commands_are_commands_with_options_that_they_have(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    needed = {"compare": ["BEFORE", "AFTER"]}.get(name, [])  # where it is only spoken of
    typer.main.get_command(app).commands[name].make_context(name, arguments or needed)


def test_it_names_every_command() -> None:
    assert {line.split()[1] for line in COMMANDS} == set(typer.main.get_command(app).commands)
