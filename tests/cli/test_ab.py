"""The command `bench ab`: two versions of a package, of which one may be wrong."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from run_files import Bench
from support import ROOT, entries_in

from backends.registry import BACKENDS
from bench.records.runfile import read_run
from bench.records.version_rows import with_version_names

EXAMPLE = ROOT / "tests" / "packages" / "pocketgrad"
RATE = "return rate * g"  # of SGD, in the example


def a_version(folder: Path, number: str, change: tuple[str, str] = ("", "")) -> Path:
    """Write a version of the example as if it were installed into a folder, with something in its code changed."""
    folder.mkdir()
    for module in EXAMPLE.glob("*.py"):
        (folder / module.name).write_text(module.read_text().replace(*change))
    metadata = folder / f"pocketgrad-{number}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pocketgrad\nVersion: {number}\n")
    (metadata / "entry_points.txt").write_text("[bench.backends]\npocketgrad = pocketgrad_entry:ENTRY\n")
    return folder


@pytest.fixture
def ab(run_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return the command, whose old version is also the one that is installed here."""
    old = a_version(tmp_path / "old", "1.0")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{old}")
    monkeypatch.setitem(BACKENDS, "pocketgrad", entries_in(old)["pocketgrad"])
    del sys.modules["pocketgrad_entry"]  # that of another folder has to be found by later tests

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = ("--backend", "pocketgrad", "--workers", "2", "--out", "ab.jsonl", *arguments)
        result = run_here("ab", "linear_fit:epochs=5", *options)
        assert "Traceback" not in result.stdout + result.stderr
        return result

    return run


@pytest.mark.slow
def test_a_new_version_that_computes_something_else_is_wrong_however_fast(ab: Bench, tmp_path: Path) -> None:
    new = a_version(tmp_path / "new", "2.0", (RATE, "return 1.01 * rate * g"))
    result = ab("--old", "old", "--new", str(new), "--workers", "1")
    assert result.returncode == 3, result.stdout + result.stderr
    assert "pocketgrad@2.0" in result.stdout
    assert "of layer 1: off by 1.0e-02 relative" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--old", "old", "--new", "nowhere"),
            "--new wants the Python of an environment, such as env/bin/python, or a ",
        ),
        (("--old", "old", "--new", "old", "--mode", "fast"), "unknown mode 'fast'; choose from eager"),
        (("--old", "old", "--new", "old", "--backend", "pocket"), "unknown backend 'pocket'; choose from "),
        (("--old", "old", "--new", "old", "--detect", "none"), "--detect wants a percentage above 0"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    arguments: tuple[str, ...], message: str, ab: Bench, tmp_path: Path
) -> None:
    result = ab(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (tmp_path / "ab.jsonl").exists()


def an_environment(folder: Path, number: str) -> Path:
    """Make an environment that has what is installed here, and a version of the example; return its own packages."""
    venv.create(folder)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "ours.pth").write_text("\n".join(site.getsitepackages()))
    version = a_version(folder / "version", number)
    shutil.copytree(version, packages, dirs_exist_ok=True)
    return packages


@pytest.mark.slow
def test_an_environment_keeps_its_version_where_the_suite_is_installed_beside_another_one(tmp_path: Path) -> None:
    an_environment(tmp_path / "old", "1.0")
    installed = an_environment(tmp_path / "new", "2.0")
    for package in ("backends", "bench"):
        shutil.copytree(ROOT / package, installed / package, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--backend", "pocketgrad", "--old", "old/bin/python", "--new", "new/bin/python", "--workers", "1")
    result = subprocess.run(
        ["new/bin/python", "-m", "bench", "ab", "linear_fit:epochs=2", *options, "--out", "ab.jsonl"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    assert f"old: pocketgrad 1.0 ({tmp_path / 'old' / 'bin' / 'python'})" in result.stderr
    assert f"new: pocketgrad 2.0 ({tmp_path / 'new' / 'bin' / 'python'})" in result.stderr
    rows = [row.backend for row in with_version_names(read_run(tmp_path / "ab.jsonl")).header.rows]
    assert rows == ["pocketgrad@1.0", "pocketgrad@2.0"]


@pytest.mark.slow
def test_both_versions_are_rows_of_one_run_each_with_its_own_code(ab: Bench, run_here: Bench, tmp_path: Path) -> None:
    venv.create(tmp_path / "env")
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (packages / "ours.pth").write_text("\n".join(site.getsitepackages()))  # what is installed here is there too
    a_version(packages / "theirs", "2.0", (RATE, "return g * rate"))
    (packages / "first.pth").write_text(f"import sys; sys.path.insert(0, {str(packages / 'theirs')!r})\n")
    python = tmp_path / "env" / "bin" / "python"
    result = ab("--old", "old", "--new", str(python), "--json")
    assert result.returncode in (0, 4), result.stdout + result.stderr  # as the times say
    told = json.loads(result.stdout)
    assert (told["run_file"], told["exit_code"]) == ("ab.jsonl", result.returncode)
    assert [change["backend"] for change in told["changes"]] == ["pocketgrad@2.0"]
    assert f"old: pocketgrad 1.0 ({tmp_path / 'old'})" in result.stderr
    assert f"new: pocketgrad 2.0 ({python})" in result.stderr
    run = read_run(tmp_path / "ab.jsonl")
    versions = {record.job.row.backend: record.resources.framework for record in run.records if record.resources}
    assert versions == {"pocketgrad@old": "1.0", "pocketgrad@new": "2.0"}
    assert all(verdict.agrees for verdict in run.parity.values())
    assert {(record.job.row.backend, record.job.block) for record in run.records} == {
        (f"pocketgrad@{which}", number) for which in ("old", "new") for number in (0, 1)
    }
    assert run_here("table", "ab.jsonl").returncode == 0
