"""What analyses over runs start from: the logarithm of each ratio within a run, with its error."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import FAST, GONE, SLOW, WRONG, mixed_run, noisy, right
from msgspec.msgpack import decode
from msgspec.structs import replace
from scipy.stats import t
from support import a_header, a_row, write_run

from bench.analysis.kept import encoded
from bench.analysis.log_ratios import LOG_RATIOS, LogRatios, columns, joined, log_ratios
from bench.analysis.stats import ASSUMED_SD, LEVEL
from bench.analysis.summary import summarise
from bench.records.machines import machine_key
from bench.records.runfile import Run, read_run

A, B, C = (a_row("iris_mlp", name, "x") for name in "abc")


def frame_of(run: Run, baseline: str = "") -> pd.DataFrame:
    return pd.DataFrame(columns(str(run.path), run.header, log_ratios(summarise([run], baseline))))


def three_rows(folder: Path, rounds: int = 8, **header: object) -> Run:
    times = {row: noisy(0.1 * (place + 1), rounds, 0.02, place) for place, row in enumerate((A, B, C))}
    return read_run(write_run(folder / "run.jsonl", a_header(A, B, C, **header), right(times)))


def test_each_pair_of_rows_stands_there_once_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    run = three_rows(tmp_path)
    for rows in (summarise([run]), summarise([run])[::-1]):
        frame = pd.DataFrame(columns("", run.header, log_ratios(rows)))
        assert list(zip(frame["backend"], frame["other_backend"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_ratio_and_interval_of_the_table_follow_from_a_line(tmp_path: Path) -> None:
    run = three_rows(tmp_path)
    line = frame_of(run).set_index(["backend", "other_backend"]).loc[("a", "c")]
    table = {each.row: each for each in summarise([run], "c")}
    found = table[A].to_baseline.comparison
    assert math.exp(line["log_ratio"]) == pytest.approx(found.ratio)
    reach = t.ppf(1 - LEVEL / 2, line["freedom"]) * line["standard_error"]
    assert math.exp(line["log_ratio"] + reach) == pytest.approx(found.interval.high)
    assert line["rounds"] == 8


def test_a_row_that_is_not_ranked_has_a_reason_and_no_number(tmp_path: Path) -> None:
    frame = frame_of(mixed_run(tmp_path)).set_index("backend")
    assert list(frame.index) == [FAST.backend, GONE.backend, WRONG.backend]  # slow is the other one of fast
    assert frame.loc["fast", "other_backend"] == SLOW.backend
    assert frame.loc["fast", "log_ratio"] == pytest.approx(-math.log(3))
    wrong = frame.loc["wrong"]
    assert math.isnan(wrong["log_ratio"])
    assert (wrong["other_backend"], wrong["cause"]) == ("", "wrong")
    assert "loss 2 at step 7" in wrong["reason"]


def test_what_is_compared_stands_in_each_line(tmp_path: Path) -> None:
    run = three_rows(tmp_path, tasks={"iris_mlp": {"model.hidden": (8, 4), "epochs": 50}}, threads=3)
    line = frame_of(run).iloc[0]
    assert (line["machine"], line["run"]) == (machine_key(run.header), str(run.path))
    assert (line["task"], line["settings"]) == ("iris_mlp", '{"epochs":50,"model.hidden":[8,4]}')
    assert (line["threads"], line["precision"]) == (3, "float32")


def test_settings_in_another_order_are_the_same_settings(tmp_path: Path) -> None:
    run = three_rows(tmp_path, tasks={"iris_mlp": {"epochs": 50, "seed": 0}})
    turned = replace(run.header, tasks={"iris_mlp": {"seed": 0, "epochs": 50}})
    found = log_ratios(summarise([run]))
    assert columns("", run.header, found)["settings"] == columns("", turned, found)["settings"]


def test_the_threads_of_a_point_of_a_sweep_are_its_own(tmp_path: Path) -> None:
    one, two = (a_row("iris_mlp:threads=1", name, "x") for name in "ab")
    run = read_run(write_run(tmp_path / "a.jsonl", a_header(one, two), right({one: {0: 0.1}, two: {0: 0.2}})))
    assert set(frame_of(run)["threads"]) == {1}


def test_a_single_round_has_the_error_that_is_assumed(tmp_path: Path) -> None:
    assert frame_of(three_rows(tmp_path, rounds=1))["standard_error"][0] == pytest.approx(math.sqrt(2) * ASSUMED_SD)


def test_runs_are_joined_line_by_line_and_no_run_gives_empty_columns(tmp_path: Path) -> None:
    run = three_rows(tmp_path)
    one = columns("", run.header, log_ratios(summarise([run])))
    assert len(joined([one, one])["run"]) == 6
    assert joined([]) == {name: [] for name in LOG_RATIOS}


def test_a_store_reads_the_same_ratios_as_it_has_written(tmp_path: Path) -> None:
    found = log_ratios(summarise([mixed_run(tmp_path)]))
    assert decode(encoded(found), type=LogRatios) == found
