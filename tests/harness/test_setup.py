"""What all workers share, and what is refused before the first one starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.harness.setup import make_setup


def test_without_a_folder_for_temporary_files_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    with pytest.raises(UserError, match=r"No usable temporary directory found in .*missing.*set TMPDIR to a folder"):
        make_setup(1, 60, None)
