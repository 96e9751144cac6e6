"""`bench list` and `bench doctor`, as their users see them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from run_files import Bench
from support import ROOT, run_bench

from bench.cli.app import COMMANDS


def test_list_shows_tasks_backends_and_devices(bench_here: Bench) -> None:
    result = bench_here("list")
    assert result.returncode == 0
    for word in ("text_classifier_dense", "mnist_mlp *", "scan", "xla", "devices: cpu"):
        assert word in result.stdout


def test_list_shows_a_backend_of_another_package_and_one_that_is_broken(tmp_path: Path) -> None:
    result = run_bench("list", cwd=tmp_path)
    assert re.search(r"^misbehaving +right, hangs", result.stdout, re.MULTILINE)
    assert "entry point misbehaving:NOWHERE: AttributeError" in result.stdout


def test_doctor_says_what_it_found_and_whether_that_is_bad(bench_here: Bench, tmp_path: Path) -> None:
    result = bench_here("doctor", "--threads", "1")
    levels = [line.partition(" ")[0] for line in result.stdout.splitlines()]
    assert result.returncode == (5 if "bad" in levels else 0), result.stderr
    for name in ("cores", "governor", "load", "timer", "jitter", "drift"):
        assert f" {name} " in result.stdout
    assert not list(tmp_path.iterdir())


def test_a_command_loads_neither_the_other_commands_nor_what_only_they_need() -> None:
    code = """
import sys
from bench.cli import main
sys.argv = ["bench", "list"]
try:
    main()
finally:
    print(*sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "bench.cli.machine" in loaded
    assert {f"bench.cli.{module}" for module, _ in COMMANDS.values()} & loaded == {"bench.cli.machine"}
    assert {"scipy", "pandas", "bench.runs.runner"} & loaded == set()
