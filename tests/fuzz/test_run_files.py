"""Damaged run files: refused with one sentence that names the line, or read as an independent reader reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from run_file_cases import bases, mutated
from scratch import scratch_file
from simple_reader import assert_accounts_for
from support import a_parity_result
from target import fuzz

from bench.records.blocks import Blocks
from bench.records.lines import NotARunFile
from bench.records.runfile import Records, Run, read_run
from bench.records.schema import Record
from bench.records.writing import RunFile

SENTENCE = re.compile(r"\S.*(line \d+|it has no complete line|its first line is not a header|has schema ).*", re.DOTALL)
MOST_CHARACTERS = 1000


def read(content: bytes) -> Run | None:
    """Return the run of a file; None if it is refused in the way a user should see."""
    try:
        return read_run(scratch_file("run.jsonl", content))
    except NotARunFile as error:
        said = str(error)
        assert SENTENCE.fullmatch(said), f"says nothing of where: {said}"
        assert said.isprintable(), f"more than a line, or control characters: {said!r}"
        assert len(said) < MOST_CHARACTERS, f"{len(said)} characters"
        return None


@fuzz("run files: edited", mutated(), share=220_000)
def test_an_edited_run_file_is_refused_or_means_what_stands_in_it(content: bytes) -> int:
    run = read(content)
    if run is not None:
        assert_accounts_for(run, content)
    return len(content)


@fuzz("run files: any bytes", st.binary(max_size=2000), share=25_000)
def test_bytes_that_are_no_run_file_are_refused(content: bytes) -> int:
    assert read(content) is None
    return len(content)


@fuzz("run files: gone on with", mutated(), share=25_000)
def test_going_on_with_a_run_file_deletes_no_whole_line(content: bytes) -> int:
    run = read(content)
    if run is not None and run.header.rows:
        verdict = a_parity_result(run.header.rows[0], settings=run.header.settings, reason="one more")
        with RunFile.resume(run) as file:
            file.append(verdict)
        again = read(run.path.read_bytes())
        assert again is not None
        assert (again.header, again.records, again.blocks) == (run.header, run.records, run.blocks)
        assert again.parity_results == (*run.parity_results, verdict)
    return len(content)


def test_the_files_to_begin_with_are_whole() -> None:
    for content in bases():
        run = read(content)
        assert run is not None
        assert run.remarks == ()
        assert len(assert_accounts_for(run, content)) == content.count(b"\n") >= 4


TOLD = [
    ("header", lambda run: replace(run, header=msgspec.structs.replace(run.header, threads=3))),
    ("record", lambda run: replace(run, records=Records.of(run.records[1:]))),
    ("verdict", lambda run: with_others(run, parity_results=run.parity_results[::-1])),
    ("block", lambda run: with_others(run, blocks=Blocks.of([*run.blocks, run.blocks[0]]))),
    ("remark", lambda run: replace(run, remarks=("line 2 repeats line 1; it is left out",))),
    ("losses", lambda run: replace(run, records=Records.of(map(without_losses, run.records)))),
]


def with_others(run: Run, **changes: Any) -> Run:
    others = replace(run.others(), **changes)
    return replace(run, others=lambda: others)


def without_losses(record: Record) -> Record:
    quality = record.quality and msgspec.structs.replace(record.quality, losses=(0.25,))
    return msgspec.structs.replace(record, quality=quality)


@pytest.mark.parametrize("wrong", [wrong for _, wrong in TOLD], ids=[name for name, _ in TOLD])
def test_a_reader_that_makes_something_up_is_found_out(wrong: Callable[[Run], Run]) -> None:
    content = bases()[0]
    run = read(content)
    assert run is not None
    with pytest.raises(AssertionError):
        assert_accounts_for(wrong(run), content)
