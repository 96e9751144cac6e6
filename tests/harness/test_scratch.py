"""Scratch folders: private, removed at the end, and after a kill by the next run; nobody else's files are touched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support import run_bench

from bench.errors import UserError
from bench.harness.process import worker_environment
from bench.harness.scratch import PREFIX, link_precompiled_headers, remove_abandoned, scratch_folder

HOLDS = (
    "import os, sys\n"
    "from bench.harness.scratch import scratch_folder\n"
    "with scratch_folder(os.environ) as folder:\n"
    "    (folder / 'left').write_text('x')\n"
    "    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def begin_holder(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a scratch folder until its input ends; return it and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_private_and_removed_with_all_that_is_in_it(temporary: Path) -> None:
    with scratch_folder({}) as folder:
        assert folder.parent == temporary
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "deep" / "er").mkdir(parents=True)
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), scratch_folder({}) as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_a_folder_that_the_user_names_for_compiled_code_is_the_place(tmp_path: Path, temporary: Path) -> None:
    named = tmp_path / "not" / "yet there"
    with scratch_folder({"TORCHINDUCTOR_CACHE_DIR": str(named)}) as folder:
        assert folder.parent == named
        environment = worker_environment({"TORCHINDUCTOR_CACHE_DIR": str(named)}, 1, folder)
        assert Path(environment["TORCHINDUCTOR_CACHE_DIR"]).parent == Path(environment["TMPDIR"]) == folder
    assert list(named.iterdir()) == []


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(UserError, match=r"cannot make a folder in .*file: File exists"),
        scratch_folder({"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "file")}),
    ):
        pass


def test_what_a_killed_process_left_is_removed_and_nothing_else(temporary: Path) -> None:
    living, held = begin_holder(temporary)
    killed, left = begin_holder(temporary)
    killed.kill()
    killed.communicate()
    (temporary / "levelfield-tests-x").mkdir()
    (temporary / "mine").mkdir()
    (temporary / "mine" / "file").write_text("x")
    (temporary / f"{PREFIX}link").symlink_to(temporary / "mine")
    (temporary / f"{PREFIX}file").write_text("x")
    assert left.exists()
    remove_abandoned(temporary)
    assert not left.exists()
    assert (held / "left").exists()
    living.communicate("")
    assert not held.exists()
    names = {"levelfield-tests-x", "mine", f"{PREFIX}link", f"{PREFIX}file"}
    assert names <= {path.name for path in temporary.iterdir()}
    assert (temporary / "mine" / "file").exists()


def test_what_another_user_left_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = temporary / f"{PREFIX}other"
    left.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    remove_abandoned(temporary)
    assert left.exists()
    monkeypatch.undo()
    remove_abandoned(temporary)
    assert not left.exists()


def test_headers_that_pytorch_has_compiled_are_shared_and_stay(temporary: Path) -> None:
    with scratch_folder({}) as folder:
        (shared,) = folder.glob("torchinductor_*/precompiled_headers")
        (shared / "a.gch").write_text("compiled")
    (kept,) = temporary.glob("torchinductor_*/precompiled_headers/a.gch")
    with scratch_folder({}) as folder:
        assert [path.resolve() for path in folder.glob("torchinductor_*/*/*")] == [kept]
    assert kept.read_text() == "compiled"


def test_without_a_place_for_shared_headers_there_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (scratch := tmp_path / "scratch").mkdir()
    link_precompiled_headers(scratch, tmp_path / "file")
    assert list(scratch.iterdir()) == []


@pytest.mark.exhaustive
def test_pytorch_looks_for_its_headers_where_the_link_is(temporary: Path) -> None:
    pytest.importorskip("torch")
    ask = "from torch._inductor.codecache import _HEADER_DIR; print(_HEADER_DIR)"
    with scratch_folder({}) as folder:
        environment = worker_environment(os.environ, 1, folder)
        found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, env=environment)
        headers = Path(found.stdout.strip())
        assert headers.is_symlink()
        assert headers.parent.parent == folder
        assert headers.resolve().is_relative_to(temporary)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("backend", "mode"), [("tensorflow", "graph"), ("torch", "compile")])
def test_a_run_leaves_no_file_of_its_frameworks(tmp_path: Path, backend: str, mode: str) -> None:
    (temporary := tmp_path / "tmp").mkdir()
    (named := tmp_path / "named").mkdir()
    command = ("run", "thermometer_raw", "--backend", backend, "--mode", mode, "--workers", "1", "--out", "run.jsonl")
    places = {"TMPDIR": str(temporary), "TORCHINDUCTOR_CACHE_DIR": str(named)}
    result = run_bench(*command, cwd=tmp_path, time_limit_s=300, **places)
    assert "run file: run.jsonl" in result.stdout, result.stderr
    left = [path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file()]
    assert [path for path in left if "precompiled_headers" not in path.parts] == []
    assert list(named.iterdir()) == []
