"""Commands that only read run files work on systems that lack what measuring needs: here without it, by fakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from bench.errors import UserError
from bench.harness import setup

# What Python lacks on Windows, and what macOS lacks of it. Other packages have been imported before: they know both.
MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "termios")
NAMES_OF_OS = (
    *("getloadavg", "getpgrp", "getuid", "killpg", "pread", "pwrite", "sched_getaffinity", "sched_setaffinity"),
    *("setsid", "sysconf", "waitstatus_to_exitcode"),
)
SIGNALS = ("SIGCONT", "SIGHUP", "SIGKILL", "SIGSTOP")
REFERENCE = str(ROOT / "results" / "reference.jsonl")
COMMANDS = (("list",), ("table", REFERENCE), ("compare", REFERENCE, REFERENCE))
WITHOUT = f"""
import os, signal, socket, subprocess, sys, tempfile, platformdirs, psutil, rich.console, rich.progress, typer
for name in {MODULES!r}:
    sys.modules[name] = None
for name in {NAMES_OF_OS!r}:
    delattr(os, name)
for name in {SIGNALS!r}:
    delattr(signal, name)
del socket.AF_UNIX
from bench.cli.app import exit_code
for arguments in {COMMANDS!r}:
    sys.argv = ['bench', *arguments]
    print('exit code of', arguments[0], exit_code())
"""


def test_what_only_reads_needs_nothing_of_linux(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for says in ("text_classifier_dense", "### mnist_mlp", "identical"):
        assert says in result.stdout
    for arguments in COMMANDS:
        assert f"exit code of {arguments[0]} 0\n" in result.stdout


def test_measuring_is_refused_on_windows_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.sys, "platform", "win32")
    with pytest.raises(UserError, match="only Linux and macOS can measure; use WSL here"):
        setup.make_setup(None, 60, None)
