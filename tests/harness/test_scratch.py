"""Scratch folders of workers: where they lie, and PyTorch's headers in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import run_bench

from bench.errors import UserError
from bench.harness.process import worker_environment
from bench.harness.scratch import link_precompiled_headers, worker_scratch


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_that_the_user_names_for_compiled_code_is_the_place(tmp_path: Path, temporary: Path) -> None:
    named = tmp_path / "not" / "yet there"
    with worker_scratch({"TORCHINDUCTOR_CACHE_DIR": str(named)}) as folder:
        assert folder.parent == named
        environment = worker_environment({"TORCHINDUCTOR_CACHE_DIR": str(named)}, 1, folder)
        assert Path(environment["TORCHINDUCTOR_CACHE_DIR"]).parent == Path(environment["TMPDIR"]) == folder
    assert list(named.iterdir()) == []


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(UserError, match=r"cannot make a folder in .*file: File exists"),
        worker_scratch({"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "file")}),
    ):
        pass


def test_headers_that_pytorch_has_compiled_are_shared_and_stay(temporary: Path) -> None:
    with worker_scratch({}) as folder:
        (shared,) = folder.glob("torchinductor_*/precompiled_headers")
        (shared / "a.gch").write_text("compiled")
    (kept,) = temporary.glob("torchinductor_*/precompiled_headers/a.gch")
    with worker_scratch({}) as folder:
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
    with worker_scratch({}) as folder:
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
