"""The functions for pandas: what they return, the page that documents every column with its unit, and the notebook."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_up_histories import BAD, GOOD, a_day
from made_up_machines import lab, paths_of
from support import ROOT, a_machine

import bench
from bench.analysis.changes import changes
from bench.analysis.summary import summarise
from bench.errors import BadChoice
from bench.records.provenance import NotComparable

DOCUMENT = ROOT / "docs" / "pandas.md"
NOTEBOOK = ROOT / "docs" / "results.ipynb"
# What the end of a name says of the unit. A rate, such as `rows_per_s`, is none of seconds.
UNITS = {"flops_per_s": "FLOPs/s", "rows_per_s": "rows/s", "_s": "s", "_bytes": "bytes"}


def documented(function: str, text: str) -> dict[str, str]:
    """Return the unit of each column that the page has for a function."""
    section = text.split(f"## {function}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| [^|]+ \|$", section, re.MULTILINE))


def faults(function: str, frame: pd.DataFrame, text: str) -> list[str]:
    """Return the columns of a frame that a page leaves out, has too many, or in another order, and wrong units."""
    units = documented(function, text)
    found = [f"{name} is not documented" for name in frame if name not in units]
    found += [f"{name} is no column" for name in units if name not in frame]
    if not found and list(units) != list(frame):
        found.append("the order is another one")
    for name, unit in units.items():
        expected = next((known for ending, known in UNITS.items() if name.endswith(ending)), None)
        if expected and unit != expected:
            found.append(f"{name} is in {expected}, not in {unit}")
    return found


def frames(folder: Path) -> dict[str, pd.DataFrame]:
    machines = paths_of(lab(folder, 3))
    path = ROOT / "results" / "reference.jsonl"
    return {
        "bench.load": bench.load(path),
        "bench.ratios": bench.ratios(path),
        "bench.machines": bench.machines(machines),
        "bench.machines with each=True": bench.machines(machines, each=True),
        "bench.compare": bench.compare(path, path),
    }


def test_every_column_is_documented_and_none_too_many(tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    assert {name: faults(name, frame, text) for name, frame in frames(tmp_path).items()} == {
        "bench.load": [],
        "bench.ratios": [],
        "bench.machines": [],
        "bench.machines with each=True": [],
        "bench.compare": [],
    }
    assert set(bench.__all__) == {"load", "ratios", "machines", "compare"}


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("| `wall_s` | s |", "| `walls_s` | s |", "wall_s is not documented"),
        ("| `mode` | | mode", "| `mode` | | a\n| `gone` | | mode", "gone is no column"),
        ("| `wall_s` | s |", "| `wall_s` | ms |", "wall_s is in s, not in ms"),
        ("| `rows_per_s` | rows/s |", "| `rows_per_s` | s |", "rows_per_s is in rows/s, not in s"),
    ],
)
def test_a_wrong_line_of_the_page_is_seen(before: str, after: str, fault: str) -> None:
    text = DOCUMENT.read_text()
    assert before in text
    found = faults("bench.load", bench.load(ROOT / "results" / "reference.jsonl"), text.replace(before, after))
    assert fault in found


def line_of(frame: pd.DataFrame, backend: str) -> dict[str, Any]:
    (line,) = frame[frame["backend"] == backend].to_dict("records")
    return {str(name): value for name, value in line.items()}


def test_ratios_to_a_baseline_are_those_of_the_table(tmp_path: Path) -> None:
    run = a_day(tmp_path, 1, 0.8, wrong=(BAD,))
    frame = bench.ratios(run.path, baseline="numpy")
    line = line_of(frame, "jax")
    summary = next(each for each in summarise([run], "numpy") if each.row == GOOD)
    assert summary.to_baseline is not None
    assert summary.to_baseline.comparison is not None
    interval = summary.to_baseline.comparison.interval
    assert interval is not None
    assert (line["ratio"], line["ratio_low"], line["ratio_high"]) == (
        summary.to_baseline.ratio,
        interval.low,
        interval.high,
    )
    assert (line["other"], line["verdict"], line["ranked"]) == ("numpy loop", "faster", True)
    wrong = line_of(frame, "torch")
    assert pd.isna(wrong["ratio"])
    assert (wrong["other"], wrong["ranked"], wrong["reason"]) == ("", False, "parity: loss 2 at step 7")


def test_ratios_without_a_baseline_are_to_the_fastest_and_several_runs_can_be_given(tmp_path: Path) -> None:
    paths = [a_day(tmp_path, day, 0.8).path for day in (1, 2)]
    frame = bench.ratios([str(path) for path in paths])
    assert len(frame) == 6
    assert set(frame["other"]) <= {"jax scan", "torch eager"}
    assert (frame.groupby("run")["ratio"].min() == 1.0).all()


def test_an_unknown_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadChoice, match="no row of baseline 'keras'"):
        bench.ratios(a_day(tmp_path, 1, 0.8).path, baseline="keras")


def test_a_comparison_is_that_of_bench_compare(tmp_path: Path) -> None:
    then, now = a_day(tmp_path, 1, 0.8), a_day(tmp_path, 2, 0.4, wrong=(BAD,))
    frame = bench.compare(then.path, str(now.path), effect=0.1)
    found = {each.row.backend: each for each in changes(then, now, 0.1)}
    assert list(frame["verdict"]) == [each.kind for each in changes(then, now, 0.1)]
    line = line_of(frame, "jax")
    assert (line["ratio"], line["verdict"]) == (found["jax"].ratio, "faster")
    assert line["ratio_low"] < line["ratio"] < line["ratio_high"]
    assert line_of(frame, "torch")["verdict"] == "wrong"
    assert pd.isna(line_of(frame, "torch")["ratio"])
    same = bench.compare(then.path, then.path)
    assert set(same["verdict"]) == {"identical"}
    assert set(same["ratio"]) == {1.0}


def test_runs_of_two_machines_are_not_compared_unless_that_is_allowed(tmp_path: Path) -> None:
    then, now = a_day(tmp_path, 1, 0.8).path, a_day(tmp_path, 2, 0.8, machine=a_machine(cores=64)).path
    with pytest.raises(NotComparable, match=r"cores: 2 then, 64 now\. Allow with 'machine'"):
        bench.compare(then, now)
    assert len(bench.compare(then, now, allow=["machine"])) == 3


def test_machines_are_told_together_and_each(tmp_path: Path) -> None:
    runs = lab(tmp_path, 5)
    paths = [str(run.path) for run in runs]
    together, each = bench.machines(paths), bench.machines(tmp_path, baseline="numpy:loop", each=True)
    jax, torch = (line_of(together, name) for name in ("jax", "torch"))
    assert jax["new_low"] < jax["ratio_low"] < 0.5 < jax["ratio_high"] < jax["new_high"]
    assert torch["spread"] > 0.1 > jax["spread"]
    assert len(each) == 2 * len(runs)
    own = each[each["backend"] == "jax"]
    assert (own["ratio"].min(), own["ratio"].max()) == (jax["lowest"], jax["highest"])
    facts = pd.json_normalize(own["facts"])
    assert list(facts["avx512f"]) == ["with", "with", "without", "without", "with"]
    assert bench.machines(paths[:1]).empty
    with pytest.raises(BadChoice, match="no row of baseline 'keras'"):
        bench.machines(paths, baseline="keras")


# The notebook


def cells(kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == kind]


def run_notebook(sources: list[str]) -> dict[str, Any]:
    """Run the cells of a notebook one after the other, in one namespace, as a kernel does; return it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(sources):
        exec(compile(source, f"cell {number}", "exec"), names)  # noqa: S102
    return names


def test_the_notebook_runs_in_some_seconds_and_its_results_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    begun_s = time.process_time()
    with mpl.rc_context({"backend": "agg"}):
        names = run_notebook(cells("code"))
    assert time.process_time() - begun_s < 20
    assert len(names["processes"]) > 50
    assert set(names["rows"]["other"]) >= {"numpy loop"}
    assert len(names["axes"].containers) > 0
    plt.close("all")
    with pytest.raises(NameError):
        run_notebook([*cells("code")[:1], "gone"])


def test_the_notebook_is_kept_without_outputs_and_says_what_it_shows() -> None:
    found = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    assert len(cells("markdown")) >= len(code)
    assert NOTEBOOK.stat().st_size < 20_000
