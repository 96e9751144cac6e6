"""What a shell completes, asked as bash asks."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args

import pytest
import typer
from run_files import Bench
from support import ROOT

from bench.cli.app import COMMANDS, function_of
from bench.cli.completion import COMPLETIONS, completed
from bench.cli.options import expand_options

ASK = "import sys\nsys.argv = ['bench']\nfrom bench.cli import main\nmain()"


def asking(words: str) -> dict[str, str]:
    """Return the variables by which bash asks about a command line whose last word is to be completed."""
    last = len(words.split(" ")) - 1
    return {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(last)}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("bench ru", ["run"]),
        ("bench run mnist_", ["mnist_3v7", "mnist_mlp", "mnist_cnn"]),
        ("bench run al", ["all"]),
        ("bench show al", []),
        ("bench run --backend jax --mode ", ["jit", "scan"]),
        ("bench parity --backend keras-t", ["keras-tensorflow", "keras-torch"]),
        ("bench run --baseline jax:", ["jax:jit", "jax:scan"]),
        ("bench run iris_mlp --set optimizer.m", ["optimizer.momentum="]),
        ("bench run mnist_mlp:model.h", ["mnist_mlp:model.hidden="]),
        ("bench data ", ["mnist", "20newsgroups"]),
        ("bench table ", ["a.jsonl", "other/", "results/", "results/run-1.jsonl"]),
        ("bench table results/r", ["results/run-1.jsonl"]),
        ("bench table gone/r", []),
        ("bench run --resume a", ["a.jsonl"]),
    ],
)
def test_a_shell_completes_names(
    words: str, found: list[str], bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("a.jsonl", "a.csv", "results/run-1.jsonl", "results/run-1.csv", "other/b.jsonl", ".hidden/c.jsonl"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    for name, value in asking(words).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # else the program's name is that of pytest
    result = bench_here()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == found


def test_a_process_of_its_own_completes_names(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **asking("bench run --backend jax --mode ")}
    result = subprocess.run(
        [sys.executable, "-P", "-c", ASK], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (result.stdout.split(), result.stderr) == (["jit", "scan"], "")


def test_every_name_that_is_completed_is_one_of_a_parameter() -> None:
    taken = {
        name for command in COMMANDS for name in inspect.signature(expand_options(function_of(command))).parameters
    }
    assert set(COMPLETIONS) <= taken | {"run"}


def test_a_parameter_is_copied_so_that_others_keep_theirs() -> None:
    option = typer.Option("--mode")
    parameter = inspect.Parameter("mode", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, option])
    assert get_args(completed(parameter).annotation)[1].autocompletion is COMPLETIONS["mode"]
    assert option.autocompletion is None
    plain = inspect.Parameter("threads", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, option])
    assert completed(plain) is plain
