"""`pytest bench`: every task, backend and mode as a benchmark of pytest-benchmark.

Nothing is timed here. The jobs of the selected tests run first, interleaved, each in a process of its own, as
`bench run` does. Then each test reports its times to pytest-benchmark through a virtual clock: one round for each
process, as long as its median steady pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from backends.contract import Device
from bench.machine.host import gpu_names
from bench.records.schema import Record, Row
from bench.runs.selection import Choice, choose_rows

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.analysis.standing import Standing
    from bench.analysis.summary import RowSummary
    from bench.records.runfile import Run


class VirtualClock:
    """A clock that moves only when it is set."""

    __name__ = "virtual_clock"  # pytest-benchmark writes its timer's name into its files

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the virtual time in seconds."""
        return self.now_s


CLOCK = VirtualClock()
COMPARED = (  # columns of the result table
    *("ratio", "ratio_low", "ratio_high", "verdict", "fastest", "detectable", "flags", "noisy_rounds"),
    *("cores_busy", "flops_per_s", "flops_share"),
)
ROWS = choose_rows(Choice(tasks=("all",)), has_gpu=bool(gpu_names()))


class RowFailed(Exception):
    """Raised inside a benchmark, so that the row does not get into pytest-benchmark's tables and files."""


@pytest.fixture
def row(task: str, backend: str, mode: str, device: Device) -> Row:
    """Return the row of a test. Its parameters are strings, the only kind that pytest-benchmark stores."""
    return Row(task=task, backend=backend, mode=mode, device=device, precision="float32")


@pytest.fixture
def samples(row: Row, finished: Run) -> list[Record]:
    """Return the row's records; skip the test if the row cannot run here."""
    records = [record for record in finished.records if record.job.row == row]
    if all(record.status == "unsupported" for record in records):
        pytest.skip(records[0].reason)
    return records


@pytest.fixture(scope="session")
def compared(finished: Run) -> dict[Row, RowSummary]:
    """Return the columns of each row, as in the result table."""
    from bench.analysis.summary import summarise  # imports scipy, which takes a second: not during collection

    return {summary.row: summary for summary in summarise((finished,))}


@pytest.mark.benchmark(timer=CLOCK)
@pytest.mark.parametrize(
    ("task", "backend", "mode", "device"),
    [
        pytest.param(
            row.task, row.backend, row.mode, row.device, id=f"{row.task}-{row.backend}-{row.mode}-{row.device}"
        )
        for row in ROWS
    ],
)
@pytest.mark.usefixtures("task", "backend", "mode", "device")
def test_training(
    row: Row, samples: list[Record], compared: dict[Row, RowSummary], benchmark: BenchmarkFixture
) -> None:
    """Report the row's times to pytest-benchmark; fail if the row is not ranked."""
    summary = compared[row]
    benchmark.group = f"{row.task}, {row.precision}: one pass"
    benchmark.extra_info.update(extra_info(samples, summary))
    benchmark.pedantic(play, args=(replay(samples, summary.standing),), rounds=len(samples))


def play(rounds: Iterator[float]) -> None:
    """Advance the clock by the time of one round."""
    CLOCK.now_s += next(rounds)


def replay(samples: list[Record], standing: Standing) -> Iterator[float]:
    """Yield the time of a pass of each process in seconds, as in the result table.

    Raises `RowFailed` for a row that is not ranked.
    """
    if not standing.ranked:
        raise RowFailed(f"not ranked: {standing.reason}")
    from bench.analysis.turns import typical_pass_s

    for record in samples:
        if record.timing is not None:
            yield typical_pass_s(record.timing)


def extra_info(samples: list[Record], summary: RowSummary) -> dict[str, Any]:
    """Return numbers that pytest-benchmark has no field for, in types that its files can contain."""
    from bench.analysis.columns import summary_columns

    columns = summary_columns(summary)
    timings = [record.timing for record in samples if record.timing]
    qualities = [record.quality for record in samples if record.quality]
    return {
        "rounds": [record.job.block for record in samples if record.timing],
        "framework": next((record.resources.framework for record in samples if record.resources), None),
        "agrees": columns["agrees"],
        "passes_s": [list(timing.passes_s) for timing in timings],
        "import_s": [timing.import_s for timing in timings],
        "setup_s": [timing.setup_s for timing in timings],
        "peak_memory_bytes": [timing.peak_memory_bytes for timing in timings],
        "metric": qualities[0].metric if qualities else None,
        "value": [quality.value for quality in qualities],
        **{name: plain(columns[name]) for name in COMPARED},
    }


def plain(value: Any) -> Any:
    """Return a number for JSON: None if it is not finite."""
    if isinstance(value, str):
        return value
    return float(value) if value is not None and math.isfinite(value) else None
