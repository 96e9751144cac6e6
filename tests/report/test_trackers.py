"""Numbers for trackers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_up_runs import FAST, SLOW, WRONG, mixed_run, noisy, right, run_of
from support import ROOT, a_row

from bench.analysis.stats import Interval
from bench.analysis.summary import summarise
from bench.records.runfile import read_run
from bench.report.formats import TRACKERS, ForTrackers
from bench.report.trackers import NothingToTrack, Tracked, failures, for_tracker, name_of, tracked


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    """What https://bencher.dev/bmf.json asks of a metric, and nothing else that it would pass over."""

    value: float
    lower_value: float = -math.inf
    upper_value: float = math.inf


A_NUMBER = Tracked(name="a", value_s=2e-3, interval=Interval(1e-3, 4e-3), extra=("three processes",))


def written(style: ForTrackers, *numbers: Tracked) -> Any:
    return json.loads(for_tracker(numbers, style))


def test_bencher_gets_nanoseconds_with_the_bounds_of_the_interval() -> None:
    found = written("bmf", A_NUMBER, replace(A_NUMBER, name="b", interval=None, rows_per_s=7.0))
    assert found["a"] == {"latency": {"value": 2e6, "lower_value": 1e6, "upper_value": 4e6}}
    assert found["b"] == {"latency": {"value": 2e6}, "throughput": {"value": 7.0}}


def test_github_action_benchmark_gets_milliseconds_with_half_the_interval() -> None:
    assert written("github-action-benchmark", A_NUMBER, replace(A_NUMBER, name="b", interval=None)) == [
        {"name": "a", "unit": "ms", "value": 2.0, "range": "± 1.5", "extra": "three processes"},
        {"name": "b", "unit": "ms", "value": 2.0, "extra": "three processes"},
    ]


def test_the_times_are_those_of_the_table(tmp_path: Path) -> None:
    rows = summarise([run_of(tmp_path, right({FAST: noisy(0.1, 6, 0.01), SLOW: noisy(0.3, 6, 0.01, seed=1)}))])
    found = written("bmf", *tracked(rows))
    msgspec.convert(found, dict[str, dict[str, Metric]])
    assert list(found) == ["linear_fit fast x", "linear_fit slow x"]
    for each, measures in zip(rows, found.values(), strict=True):
        latency = measures["latency"]
        assert latency["value"] == pytest.approx(1e9 * each.pass_s)
        assert latency["lower_value"] < latency["value"] < latency["upper_value"]
    (_, slow) = written("github-action-benchmark", *tracked(rows))
    assert "slower; 6 processes; one training" in slow["extra"]
    assert "× fast x: " in slow["extra"]


def test_a_row_that_is_not_ranked_has_no_number(tmp_path: Path) -> None:
    rows = summarise([mixed_run(tmp_path)])
    assert [each.name for each in tracked(rows)] == ["linear_fit fast x", "linear_fit slow x"]
    assert [(each.row, each.cause) for each in failures(rows)] == [(WRONG, "wrong")]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (a_row("mnist_mlp", "torch@2.13", "compile-pass"), "mnist_mlp torch@2.13 compile-pass"),
        (a_row("mnist_mlp", "torch", "eager", device="gpu", precision="float64"), "mnist_mlp torch eager gpu float64"),
        (a_row("mnist_mlp:model.hidden=128x64", "numpy", "loop"), "mnist_mlp:model.hidden=128x64 numpy loop"),
        (a_row("<b>|`x`\x1b", "a'b", "c"), "?b???x?? a?b c"),
    ],
)
def test_names_are_short_and_plain(row: Any, name: str) -> None:
    assert name_of(row) == name


@pytest.mark.parametrize("style", TRACKERS)
def test_what_a_tracker_cannot_use_is_refused(style: ForTrackers) -> None:
    with pytest.raises(NothingToTrack, match="here there are none"):
        for_tracker([], style)
    with pytest.raises(NothingToTrack, match="one number a name, and a stands here twice"):
        for_tracker([A_NUMBER, A_NUMBER], style)
    with pytest.raises(ValueError, match="nan"):
        for_tracker([replace(A_NUMBER, value_s=math.nan)], style)


def test_the_kept_runs_can_be_tracked() -> None:
    rows = summarise([read_run(ROOT / "results" / "reference.jsonl")])
    found = written("bmf", *tracked(rows))
    msgspec.convert(found, dict[str, dict[str, Metric]])
    assert len(found) == 54
    assert failures(rows) == []
