"""`bench plot` as a user types it: where the picture goes, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from run_files import a_run

from bench.cli.app import exit_code


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return int(str(exit_code()))


@pytest.mark.parametrize(("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_a_picture_has_the_format_of_its_name(
    ending: str, begins: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(Path("a.jsonl"))
    assert bench(monkeypatch, "plot", "a.jsonl", "--of", "losses", "-o", f"new/folder/a{ending}") == 0
    assert (tmp_path / f"new/folder/a{ending}").read_bytes().startswith(begins)


def test_by_default_a_picture_lies_beside_its_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    a_run(path)
    content = path.read_bytes()
    assert (
        bench(monkeypatch, "plot", str(path), "--of", "passes", "--backend", "numpy", "--task", "thermometer_raw") == 0
    )
    assert capsys.readouterr().out == f"plot: {tmp_path / 'a-passes.png'}\n"
    assert (tmp_path / "a-passes.png").exists()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--of", "losses", "-o", "a.jsonl"), "a picture is written as .png, .svg, .pdf; got 'a.jsonl'"),
        (("--of", "losses", "-o", "same.png"), "same.png is a run file that is read here, and would be overwritten"),
        (("--of", "losses", "--task", "linear_fit"), "unknown task of the run 'linear_fit'"),
        (("--of", "learned"), "what was learned was not kept"),
        (("--of", "losses", "-o", "a.jsonl/b.png"), "cannot write a.jsonl/b.png"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence_and_the_run_file_stays(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    a_run(Path("a.jsonl"))
    content = Path("a.jsonl").read_bytes()
    Path("same.png").symlink_to("a.jsonl")
    assert bench(monkeypatch, "plot", "a.jsonl", *arguments) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert Path("a.jsonl").read_bytes() == content
