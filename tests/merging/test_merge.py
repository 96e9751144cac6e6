"""Merging run files: what is added, what is known already, and that a store is never half of anything."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from run_files import ROW, a_run
from stores import assert_holds, assert_same, merged, runs_of, without_kept, written_back
from support import ROOT, a_block, a_header, a_machine, a_parity_result, a_record, a_row, write_run

from bench.analysis import kept
from bench.analysis.summary import summarise
from bench.errors import BadChoice, UserError
from bench.merging import catalog, merge
from bench.merging.merge import Kind, merging
from bench.records.lines import BYTE_ORDER_MARK, NotARunFile
from bench.records.runfile import read_run
from bench.records.store.layout import MARKER, NeedsPackage, Store, folder_name, store_at
from bench.records.store.reading import stored_run

KEPT = ("reference", "warm", "growth-mnist", "gpu")
MINUTE = "2026-01-01T00:{:02}:00Z"


def several(folder: Path, count: int = 3) -> list[Path]:
    """Write run files of different runs and machines."""
    paths = [folder / f"run{number}.jsonl" for number in range(count)]
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        a_run(path, created=MINUTE.format(number), machine=a_machine(cores=1 + number % 2), blocks=3)
    return paths


def kinds(found: list[merge.Merged]) -> list[Kind]:
    return [each.kind for each in found]


def test_a_run_of_a_store_is_that_of_its_run_file_and_can_be_written_back(tmp_path: Path) -> None:
    paths = [ROOT / "results" / f"{name}.jsonl" for name in KEPT]
    assert kinds(merged(tmp_path / "lab", *paths)) == ["new"] * len(paths)
    assert_holds(tmp_path / "lab", map(read_run, paths))


def test_records_of_several_tasks_keep_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [a_row("thermometer_raw"), a_row("line_fit"), a_row("line_fit", "torch", "eager")]
    records = [a_record(row, block, 1.0 + 0.1 * at, 0.1 + block) for block in (1, 0) for at, row in enumerate(rows)]
    lines = [records[0], a_block("line_fit", 1), *records[1:4], a_parity_result(rows[0]), *records[4:]]
    path = write_run(tmp_path / "run.jsonl", a_header(*rows), lines)
    merged(tmp_path / "lab", path)
    assert_holds(tmp_path / "lab", [read_run(path)])


def test_merging_again_adds_nothing_and_changes_no_file(tmp_path: Path) -> None:
    paths = several(tmp_path / "runs")
    lab = tmp_path / "lab"
    assert kinds(merged(lab, *paths)) == ["new", "new", "new"]
    before = {path: path.stat().st_mtime_ns for path in lab.rglob("*.parquet")}
    found = merged(lab, *paths)
    assert kinds(found) == ["known"] * 3
    assert sum(each.records for each in found) == 0
    assert {path: path.stat().st_mtime_ns for path in lab.rglob("*.parquet")} == before


def test_only_what_is_new_is_added_and_a_run_that_has_grown_is_extended(tmp_path: Path) -> None:
    first, second, third = several(tmp_path / "runs")
    whole = first.read_bytes()
    lines = whole.splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:4]))
    lab = tmp_path / "lab"
    merged(lab, first, second)
    early = read_run(first)
    assert_holds(lab, [early, read_run(second)])
    first.write_bytes(whole)
    found = merged(lab, first, second, third)
    assert kinds(found) == ["grown", "known", "new"]
    assert [each.records for each in found] == [len(read_run(first).records) - len(early.records), 0, 3]
    assert_holds(lab, map(read_run, (first, second, third)))
    assert [run.path.name[:4] for run in runs_of(lab)] == ["run0", "run1", "run2"]  # in the order of the first merge


def test_an_earlier_state_of_a_file_takes_nothing_away(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    merged(tmp_path / "lab", path)
    run = read_run(path)
    early = tmp_path / "early.jsonl"
    early.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert kinds(merged(tmp_path / "lab", early)) == ["known"]
    assert_holds(tmp_path / "lab", [run])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: BYTE_ORDER_MARK + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b"\n", b"\n\n"),
        lambda content: content.removesuffix(b"\n"),
        lambda content: content + content.splitlines()[-1][:30],  # a line that is being written
    ],
)
def test_a_copy_with_other_line_ends_is_the_same_run(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(change(path.read_bytes()))
    assert kinds(merged(tmp_path / "lab", path, copy)) == ["new", "known"]
    assert kinds(merged(tmp_path / "other", copy, path)) == ["new", "known"]


def test_a_repeated_line_is_left_out_and_still_written_back(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    lines = path.read_bytes().splitlines(keepends=True)
    sample = next(line for line in lines if line.startswith(b'{"type":"record"'))
    of_round = next(line for line in lines if line.startswith(b'{"type":"block"'))
    path.write_bytes(b"".join([*lines, sample, of_round]))
    assert len(read_run(path).remarks) == 2
    merged(tmp_path / "lab", path)
    assert_holds(tmp_path / "lab", [read_run(path)])
    assert kinds(merged(tmp_path / "lab", path)) == ["known"]


def test_a_store_in_a_path_that_is_no_utf8_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    folder = tmp_path / os.fsdecode(b"sty\xff")
    with pytest.raises(UserError, match=r"sty\\udcff cannot be a store: its path must be UTF-8"):
        merged(folder, path)
    assert not folder.exists()
    merged(tmp_path / "lab", path)
    (tmp_path / "lab").rename(folder)
    with pytest.raises(UserError, match="its path must be UTF-8"):
        store_at(folder)


def test_a_header_alone_is_a_run(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", a_header(ROW), [])
    merged(tmp_path / "lab", path)
    (run,) = runs_of(tmp_path / "lab")
    assert (len(run.records), len(run.blocks), run.parity_results) == (0, 0, ())
    assert written_back(tmp_path / "lab", run) == path.read_bytes()


def test_a_full_file_of_the_catalog_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "RUNS_IN_A_FILE", 2)
    paths = several(tmp_path / "runs", 5)
    grown = paths[0].read_bytes()
    paths[0].write_bytes(b"".join(grown.splitlines(keepends=True)[:3]))
    for few in (paths[:1], paths[:4], paths):
        merged(tmp_path / "lab", *few)
    paths[0].write_bytes(grown)
    assert kinds(merged(tmp_path / "lab", *paths)) == ["grown", *["known"] * 4]
    assert [path.name for path in Store(tmp_path / "lab").segments("runs")] == [f"{n:06}.parquet" for n in range(3)]
    assert_holds(tmp_path / "lab", map(read_run, paths))


def kill_at(step: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that is killed at its n-th step: before or after a file takes its place.

    Return whether it was killed; it was not if the work has fewer steps.
    """
    child = os.fork()
    if not child:
        left, rename = step, Path.replace

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def renamed(path: Path, target: Path) -> Path:
            count()
            found = rename(path, target)
            count()
            return found

        Path.replace = renamed  # type: ignore[method-assign]
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_merge_that_is_killed_at_any_moment_leaves_whole_runs_and_the_next_one_completes_it(tmp_path: Path) -> None:
    # Two runs: what a third one adds are the moments of the second one again.
    paths = several(tmp_path / "runs", 2)
    whole = paths[0].read_bytes()
    beginning = b"".join(whole.splitlines(keepends=True)[:4])
    paths[0].write_bytes(beginning)
    early = read_run(paths[0])
    paths[0].write_bytes(whole)
    before = [read_run(path) for path in paths]
    moments = 0
    for begun in (False, True):  # a store that has nothing, or the beginning of the first run
        for step in itertools.count():
            lab = tmp_path / f"lab{begun}{step}"
            if begun:
                paths[0].write_bytes(beginning)
                merged(lab, paths[0])
                paths[0].write_bytes(whole)
            if not kill_at(step, lambda lab=lab: merged(lab, *paths)):  # type: ignore[misc]
                break
            moments += 1
            if store_at(lab) and Store(lab).segments("runs"):
                for run in runs_of(lab):
                    number = int(run.path.name[3])
                    grown = len(run.records) == len(before[number].records)
                    assert_same(run, before[number] if grown else early)
            merged(lab, *paths)
            assert_holds(lab, before)
            assert not list(lab.rglob("*.part"))
            assert len(list((lab / "records").rglob("*.parquet"))) == len(paths)
    assert moments > 20  # there are that many, so the test has killed something


def test_files_that_a_killed_merge_has_left_are_removed(tmp_path: Path) -> None:
    first, second = several(tmp_path / "runs", 2)
    lab = tmp_path / "lab"
    merged(lab, first)
    own = next((lab / "records").rglob("*.parquet"))
    left = [own.with_name("gone-0123456789abcdef.parquet"), own.with_name("x.parquet.part")]
    for path in left:
        path.write_bytes(own.read_bytes())
    merged(lab, second)
    assert not any(path.exists() for path in left)
    assert_holds(lab, map(read_run, (first, second)))


def test_what_was_merged_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    first, second = several(tmp_path / "runs", 2)

    def interrupted() -> None:
        with merging(tmp_path / "lab") as store:
            store.add(first)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_holds(tmp_path / "lab", [read_run(first)])
    assert kinds(merged(tmp_path / "lab", first, second)) == ["known", "new"]


def test_a_store_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    paths = several(tmp_path / "runs", 2)
    with merging(tmp_path / "lab") as store:
        store.add(paths[0])
        with pytest.raises(UserError, match="another merge is writing"), merging(tmp_path / "lab"):
            pass
    merged(tmp_path / "lab", paths[1])


def test_a_folder_with_other_content_is_not_made_a_store(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    with pytest.raises(BadChoice, match="is no store and has other files in it"):
        merged(tmp_path / "runs", path)
    with pytest.raises(BadChoice, match="is a file; a store is a folder"):
        merged(path, path)
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["run0.jsonl"]


def test_a_store_is_begun_by_one_process_at_a_time(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    (tmp_path / "lab").mkdir()
    with (
        merge.folder_locked(tmp_path / "lab"),
        pytest.raises(UserError, match="another merge is writing"),
    ):
        merged(tmp_path / "lab", path)
    assert not any((tmp_path / "lab").iterdir())


def test_no_store_is_begun_in_a_store(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    merged(tmp_path / "lab", path)
    with pytest.raises(BadChoice, match="is in the store"):
        merged(tmp_path / "lab" / "records" / "mine", path)
    assert not (tmp_path / "lab" / "records" / "mine").exists()


def test_a_store_that_has_lost_its_marker_is_told_as_such(tmp_path: Path) -> None:
    (path,) = several(tmp_path / "runs", 1)
    merged(tmp_path / "lab", path)
    (tmp_path / "lab" / MARKER).unlink()
    with pytest.raises(BadChoice, match=re.escape(f"if it was one, its file {MARKER} is missing")):
        merged(tmp_path / "lab", path)


def test_a_missing_file_of_the_catalog_costs_no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "RUNS_IN_A_FILE", 1)
    lab, paths = tmp_path / "lab", several(tmp_path / "runs", 3)
    merged(lab, *paths[:2])
    before = sorted((lab / "records").rglob("*.parquet"))
    (lab / "runs" / "000000.parquet").unlink()
    with pytest.raises(NotARunFile, match=r"000000\.parquet is missing"):
        merged(lab, paths[2])
    assert sorted((lab / "records").rglob("*.parquet")) == before


def test_summaries_of_another_version_are_not_used_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = several(tmp_path / "runs", 1)
    lab = tmp_path / "lab"
    merged(lab, path)
    (run,) = runs_of(lab)
    assert kept.is_kept(run)
    assert not kept.is_kept(without_kept(run))
    monkeypatch.setattr(kept, "version", lambda: "another")
    assert not kept.is_kept(run)
    assert_holds(lab, [read_run(path)])
    monkeypatch.setattr(merge, "version", lambda: "another")
    monkeypatch.setattr("bench.merging.summaries.version", lambda: "another")
    with merging(lab) as store:
        assert store.summarise_again() == 1
        assert store.summarise_again() == 0
    (again,) = runs_of(lab)
    assert kept.is_kept(again)
    assert_holds(lab, [read_run(path)])


def test_what_was_computed_and_is_damaged_is_an_error(tmp_path: Path) -> None:
    merged(tmp_path / "lab", *several(tmp_path / "runs", 1))
    (run,) = runs_of(tmp_path / "lab")
    damaged = replace(run, records=replace(run.records, kept={**run.records.kept, "rows": b"\x91\x01"}))
    with pytest.raises(NotARunFile, match=r"what was computed of .* is damaged"):
        summarise((damaged,))


def test_runs_of_one_store_are_merged_into_another(tmp_path: Path) -> None:
    paths = several(tmp_path / "runs")
    merged(tmp_path / "a", *paths[:2])
    merged(tmp_path / "b", paths[0])
    with merging(tmp_path / "b") as store:
        found = [store.add_stored(Store(tmp_path / "a"), run.path.name) for run in runs_of(tmp_path / "a")]
    assert kinds(found) == ["known", "new"]
    assert_holds(tmp_path / "b", map(read_run, paths[:2]))


@pytest.mark.parametrize("task", ["../../x", "a/b", "..", "x" * 300, "é" * 100, "a b:c=1"])
def test_the_name_of_a_task_is_no_path(task: str, tmp_path: Path) -> None:
    name = folder_name(task)
    assert "/" not in name
    assert len(name) < 200
    assert folder_name(task + "x") != name
    row = a_row(task)
    path = write_run(tmp_path / "run.jsonl", a_header(row), [a_record(row)])
    merged(tmp_path / "lab", path)
    assert_holds(tmp_path / "lab", [read_run(path)])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lab", "run.jsonl"]


@pytest.mark.parametrize("name", ["\x1b[2J", "..", "run" * 80, "über läufe", "-rf"])
def test_the_name_of_a_run_file_is_made_harmless(name: str, tmp_path: Path) -> None:
    path = write_run(tmp_path / f"{name}.jsonl", a_header(ROW), [a_record(ROW)])
    (found,) = merged(tmp_path / "lab", path)
    assert found.name.isascii()
    assert found.name.isprintable()
    assert len(found.name) <= 80
    assert not found.name.startswith(("-", "."))
    assert stored_run(Store(tmp_path / "lab"), found.name).header == read_run(path).header


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = several(tmp_path / "runs", 1)
    merged(tmp_path / "lab", *paths)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for work in (lambda: merged(tmp_path / "new", *paths), lambda: runs_of(tmp_path / "lab")):
        with pytest.raises(NeedsPackage, match=r"pip install 'levelfield\[store\]'"):
            work()
    assert not (tmp_path / "new" / MARKER).exists()
