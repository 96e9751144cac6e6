"""What fuzzing would find: a fault, memory out of proportion, a case without an end; and every target has its cases."""

from __future__ import annotations

import mmap
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import session
import target
from hypothesis import strategies as st
from target import BYTES_A_BYTE, FREE_BYTES, TRACED, BlowUp, Figures, Hang, Target, explore

NUMBERS = st.integers(0, 10**6)


def of(check: Callable[[int], int]) -> Target:
    return Target("made up", NUMBERS, check, 1)


def test_a_target_without_a_fault_is_tried_as_often_as_wanted() -> None:
    tried: list[int] = []

    def check(case: int) -> int:
        tried.append(case)
        return 1

    found = explore(of(check), 100, 0)
    assert found.cases == 100 <= len(tried)  # some a second time, for their memory
    assert found.peak_bytes < FREE_BYTES
    again = list(tried)
    tried.clear()
    explore(of(check), 100, 0)
    assert tried == again
    tried.clear()
    explore(of(check), 100, 1)
    assert tried != again


def test_a_fault_is_found_and_made_small(capsys: pytest.CaptureFixture[str]) -> None:
    def check(case: int) -> int:
        return 1 // (case < 1000)

    with pytest.raises(ZeroDivisionError) as caught:
        explore(of(check), 500, 0)
    assert any("case=1000" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(("size", "fails"), [(0, True), (2 * FREE_BYTES // BYTES_A_BYTE, False)])
def test_memory_is_held_against_the_size_of_the_input(size: int, fails: bool) -> None:
    def check(case: int) -> int:
        bytearray(2 * FREE_BYTES)
        return size

    if not fails:
        assert explore(of(check), 10 * TRACED, 0).peak_bytes > FREE_BYTES
        return
    with pytest.raises(BlowUp, match="MiB for an input of 0 bytes"):
        explore(of(check), 10 * TRACED, 0)


def test_memory_that_python_knows_nothing_of_is_seen_in_every_case() -> None:
    def check(case: int) -> int:
        with mmap.mmap(-1, 5 * FREE_BYTES) as memory:
            for page in range(0, len(memory), mmap.PAGESIZE):
                memory[page] = 1
        return 0

    with pytest.raises(BlowUp, match=r"(19|20)\.. MiB for an input of 0 bytes"):
        explore(of(check), 1, 0)


def test_a_case_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "HANG_S", 0.05)

    def check(case: int) -> int:
        while True:
            pass

    with pytest.raises(Hang):
        explore(of(check), 1, 0)


def test_a_session_has_all_its_cases_by_their_shares_each_part_with_a_seed_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "TARGETS", [Target("a", NUMBERS, int, 3), Target("b", NUMBERS, int, 1)])
    parts = session.parts_of(40_000, 7)
    assert [sum(part.cases for part in parts if part.target == number) for number in (0, 1)] == [30_000, 10_000]
    assert len({(part.target, part.seed) for part in parts}) == len(parts)
    assert max(part.cases for part in parts) == session.PART


def test_the_table_of_a_session_tells_a_fault() -> None:
    found = session.together([Figures(10, 0.2, 2**20), Figures(5, 0.1, 2**21, "Traceback …")])
    assert found == Figures(15, 0.2, 2**21, "1 of 2 parts found a fault")
    text = session.page([("a", found), ("b", Figures(1000, 0.0021, 0))], "about it")
    assert "| a | 15 | 1 of 2 parts found a fault | 200 | 2.0 |" in text
    assert "| b | 1,000 | nothing | 2 | 0.0 |" in text
    assert "| all | 1,015 |" in text
    assert session.progress(250_000, 10**6, 600) == "250,000 of 1,000,000 cases, 417 a second; 30 minutes left"


@pytest.mark.slow
def test_ctrl_c_ends_a_session_with_a_table_of_what_was_tried(tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    command = [sys.executable, session.__file__, "--cases", "5000", "--seed", "1", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert " of 5,0" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    tried = said.rsplit("ended early, after ")[-1].split()[0]
    assert tried != "0"
    assert f"| all | {tried} |" in out.read_text()
