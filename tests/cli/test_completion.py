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
from support import ROOT

from bench.cli.app import COMMANDS, function_of
from bench.cli.completion import COMPLETIONS, completed
from bench.cli.options import expand_options

ASK = "import sys\nsys.argv = ['bench']\nfrom bench.cli import main\nmain()"


def asked(words: str, cwd: Path) -> list[str]:
    """Return what bash is told for a command line whose last word is to be completed."""
    split = words.split(" ")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(split) - 1),
    }
    result = subprocess.run(
        [sys.executable, "-P", "-c", ASK], env=environment, cwd=cwd, capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    return result.stdout.split()


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
def test_a_shell_completes_names(words: str, found: list[str], tmp_path: Path) -> None:
    for file in ("a.jsonl", "a.csv", "results/run-1.jsonl", "results/run-1.csv", "other/b.jsonl", ".hidden/c.jsonl"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert asked(words, tmp_path) == found


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
