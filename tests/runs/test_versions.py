"""Where the versions of a backend are, and what is said of a place where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backends.registry import BUILT_IN
from bench.errors import BadChoice, UserError
from bench.harness.protocol import HERE, Place
from bench.harness.setup import make_setup
from bench.harness.version_job import VersionRequest
from bench.runs.versions import at_place, version_of, with_versions

NUMPY = BUILT_IN["numpy"]


def test_a_folder_comes_first_on_the_path_of_workers_and_an_executable_file_runs_them(tmp_path: Path) -> None:
    folder, python = at_place(NUMPY, "old", tmp_path), at_place(NUMPY, "new", Path(sys.executable))
    assert (folder.name, folder.path, folder.python) == ("numpy@old", str(tmp_path), "")
    assert (python.name, python.path, python.python) == ("numpy@new", "", sys.executable)
    assert VersionRequest(backend=folder).place == Place(path=str(tmp_path))
    assert VersionRequest(backend=NUMPY).place == HERE


def test_the_python_of_a_virtual_environment_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert at_place(NUMPY, "old", link).python == str(link)


def test_a_place_that_is_neither_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no program")
    for place in (tmp_path / "nothing", tmp_path / "notes.txt"):
        with pytest.raises(BadChoice, match=r"--old wants the Python of an environment, .* got .*"):
            at_place(NUMPY, "old", place)


def test_rows_may_name_versions_beside_all_other_backends(tmp_path: Path) -> None:
    setup = make_setup(1, 60, None)
    assert set(with_versions(setup, {"numpy@old": at_place(NUMPY, "old", tmp_path)}).backends) == {
        *setup.backends,
        "numpy@old",
    }


def test_the_version_is_that_of_the_place(tmp_path: Path) -> None:
    metadata = tmp_path / "scikit_learn-0.0.7.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.7\n")
    metadata.parent.rename(tmp_path / "numpy-0.0.7.dist-info")
    assert version_of(at_place(NUMPY, "old", tmp_path), make_setup(1, 60, None)) == "0.0.7"


def test_where_no_worker_can_run_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise ImportError('no msgspec here')")
    with pytest.raises(UserError, match=r"numpy@old cannot run in .*: no msgspec here. It needs "):
        version_of(at_place(NUMPY, "old", tmp_path), make_setup(1, 60, None))
