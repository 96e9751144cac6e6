"""What became of a run, as one JSON object for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.answer import Answer, Use
from bench.analysis.changes import Change
from bench.analysis.frame import changes_frame, summary_frame
from bench.analysis.summary import RowSummary
from bench.records.schema import Row
from bench.report.export import render


def outcome(
    run_file: str, exit_code: int, rows: Sequence[RowSummary], answers: Iterable[Answer], files: Mapping[str, str]
) -> str:
    """Return the object: path of the run file, exit code, what to use for each task, and the line of each row.

    `rows` has the columns of `bench table --format json`. `files` are others that were written, by what they are.
    """
    content: dict[str, Any] = {
        "run_file": run_file,
        **files,
        "exit_code": exit_code,
        "answers": [_answer(each) for each in answers],
        "rows": json.loads(render(summary_frame(rows), "json")),
    }
    return json.dumps(content, indent=1)


def outcome_of_fleet(folder: str, exit_code: int, runs: Iterable[str], unfinished: Mapping[str, str]) -> str:
    """Return the object of a run on a cluster: `runs` are the objects of its run files, by `outcome`."""
    content = {
        "folder": folder,
        "exit_code": exit_code,
        "unfinished": unfinished,
        "runs": [json.loads(each) for each in runs],
    }
    return json.dumps(content, indent=1)


def outcome_of_changes(run_file: str, exit_code: int, changes: Iterable[Change]) -> str:
    """Return the object of a comparison; `changes` has the columns of `bench.compare`."""
    rows = json.loads(render(changes_frame(changes), "json"))
    return json.dumps({"run_file": run_file, "exit_code": exit_code, "changes": rows}, indent=1)


def _answer(found: Answer) -> dict[str, Any]:
    return {
        "task": found.task,
        "passes": found.passes,
        "one_training": _use(found.once),
        "long_training": _use(found.long),
        "passes_to_gain": found.passes_to_gain,
    }


def _use(use: Use) -> dict[str, Any]:
    """Return the row to use; `time_s` is that of a whole training, or of a pass in a long one."""
    return {**_named(use.row), "time_s": use.time_s, "tied_with": [_named(row) for row in use.tied]}


def _named(row: Row) -> dict[str, str]:
    return {"backend": row.backend, "mode": row.mode, "device": row.device}
