"""What paths stand for: run files, and folders of run files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import a_header, a_record, a_row, write_run

from bench.records import sources
from bench.records.lines import NotARunFile
from bench.records.runfile import read_run
from bench.records.sources import only, read_runs, run_files


def write(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write_run(path, a_header(), [a_record(a_row("thermometer_raw"))])


def test_several_runs_are_read_in_their_order(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("b", "a")]
    assert [run.path for run in read_runs(paths)] == paths


def test_one_bad_file_among_several_is_named(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good"), tmp_path / "bad"
    bad.write_text("text\n")
    with pytest.raises(NotARunFile, match=f"{bad} is not a run file"):
        read_runs([good, bad])


def test_a_folder_stands_for_the_run_files_in_it_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    found = [write(folder / name) for name in ("b.jsonl", "a.jsonl", "c.jsonl")]
    for other in ("a.jsonl.lost", "notes.md", ".d.jsonl", "sub/e.jsonl"):
        write(folder / other)
    (folder / "f.jsonl").mkdir()
    first = write(tmp_path / "z.jsonl")
    assert run_files([first, folder]) == [first, *sorted(found)]
    assert [run.path for run in read_runs([first, folder])] == [first, *sorted(found)]


def test_a_run_that_is_named_again_by_its_folder_or_by_a_link_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(sources, "read_run", lambda path: read.append(path) or read_run(path))
    path = write(tmp_path / "runs" / "a.jsonl")
    link = tmp_path / "b.jsonl"
    link.symlink_to(path)
    other = write(tmp_path / "c.jsonl")
    assert len(read_runs([path, other, path.parent, link])) == 2
    assert read == [path, other]


def test_a_folder_without_run_files_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.lost")
    with pytest.raises(NotARunFile) as caught:
        run_files([tmp_path])
    assert str(caught.value) == f"no run file is in the folder {tmp_path}: none of its files ends with .jsonl"


def test_only_one_run_is_asked_for_and_several_are_named(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.jsonl") for name in "abcdefg"]
    assert only(paths[2], read_runs(paths[2:3]), "a picture shows one").path == paths[2]
    with pytest.raises(NotARunFile) as caught:
        only(tmp_path, read_runs([tmp_path]), "a picture shows one")
    assert str(caught.value) == (
        f"{tmp_path} has 7 runs, and a picture shows one; name one of them: "
        f"{', '.join(str(tmp_path / f'{name}.jsonl') for name in 'abcde')} and 2 more"
    )
