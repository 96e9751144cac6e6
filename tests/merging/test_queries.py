"""The queries of docs/store.md, as DuckDB runs them on a store."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stores import merged
from support import ROOT

import bench

duckdb = pytest.importorskip("duckdb")
QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "store.md").read_text(), re.DOTALL)
GONE = "gone-0123456789abcdef"
NAMES = ("reference", "warm", "ratios-mnist", "growth-regression")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    merged(folder / "lab", *(ROOT / "results" / f"{name}.jsonl" for name in NAMES))
    return folder / "lab"


def answered(number: int, lab: Path) -> pd.DataFrame:
    found: pd.DataFrame = duckdb.sql(QUERIES[number].replace("'lab/", f"'{lab}/")).df()
    return found


def test_the_typical_pass_of_each_row_is_that_of_the_tables(lab: Path) -> None:
    found = answered(0, lab)
    frame = bench.ratios(lab)
    ranked = frame[frame["ranked"]]
    wanted = ranked.groupby(["task", "backend", "mode"])["pass_s"].agg(["count", "median"]).reset_index()
    assert len(found) > 40
    assert set(found["cpu"]) == {"AMD EPYC"}
    assert found["runs"].tolist() == wanted["count"].tolist()
    np.testing.assert_array_equal(found["pass_s"], wanted["median"])


def test_first_calls_come_from_the_raw_passes_of_all_processes(lab: Path) -> None:
    found = answered(1, lab)
    frame = bench.load(lab)
    good = frame[frame["status"] == "ok"]
    extra = good["passes_s"].map(
        lambda passes_s: passes_s[0] - np.median(passes_s[1:]) if len(passes_s) > 1 else np.nan
    )
    wanted = extra.groupby([good["task"], good["backend"], good["mode"]]).agg(["size", "median"]).reset_index()
    assert found["processes"].tolist() == wanted["size"].tolist()
    np.testing.assert_allclose(found["first_call_s"].astype(float), wanted["median"], rtol=1e-12)


def extra_s(passes_s: tuple[float, ...]) -> float:
    return float(passes_s[0] - np.median(passes_s[1:])) if len(passes_s) > 1 else np.nan


def test_ratios_have_errors_and_are_those_of_one_run(lab: Path) -> None:
    found = answered(2, lab)
    frame = bench.ratios(lab / reference(lab), baseline="numpy")
    frame = frame[(frame["backend"] == "jax") & (frame["mode"] == "scan") & (frame["shared_rounds"] > 1)]
    assert (found["standard_error"] > 0).all()
    assert len(frame)
    for task, ratio in frame.set_index("task")["ratio"].items():
        assert np.isclose(found[found["task"] == task]["ratio"], ratio, rtol=1e-12).any()


def reference(lab: Path) -> str:
    (path,) = lab.glob("lines/*/reference-*.parquet")
    return path.stem


def test_what_a_killed_merge_left_is_not_seen_by_the_queries(lab: Path) -> None:
    before = [answered(number, lab) for number in range(len(QUERIES))]
    for path in list(lab.glob("records/*/*/reference-*.parquet")):
        table = pq.read_table(path, partitioning=None)
        renamed = pa.array([GONE] * len(table)).dictionary_encode()
        pq.write_table(
            table.set_column(table.column_names.index("run"), "run", renamed), path.with_name(f"{GONE}.parquet")
        )
    for number, wanted in enumerate(before):
        pd.testing.assert_frame_equal(answered(number, lab), wanted)
    there = duckdb.read_parquet(f"{lab}/records/*/*/*.parquet").project("run").distinct().df()["run"]
    assert GONE in set(there)  # so the query had something to leave out
