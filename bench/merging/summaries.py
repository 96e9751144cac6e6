"""What is computed of a run when it is merged, by the same code as every table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.answer import answers
from bench.analysis.columns import summary_columns
from bench.analysis.kept import VERSION, encoded, version
from bench.analysis.log_ratios import KEPT, columns, log_ratios
from bench.analysis.noise import noise_of
from bench.analysis.summary import RowSummary, summarise, without_rest
from bench.records.machines import machine_key
from bench.records.runfile import Run

# The columns of the table `rows` that every row has, and their types, beside those that name the row.
ROW_COLUMNS: Mapping[str, type] = {
    "run": str,
    "machine": str,
    "task": str,
    "backend": str,
    "mode": str,
    "device": str,
    "precision": str,
    "ranked": bool,
    "cause": str,  # why it is not ranked, in a word; empty for a row that is
    "reason": str,  # the same in a sentence
    "flags": str,
    "processes": int,
    "noisy_rounds": int,
    "pass_s": float,
    "pass_low_s": float,
    "pass_high_s": float,
    "pass_cpu_s": float,
    "first_call_s": float,
    "one_training_s": float,
    "rows_per_s": float,
    "flops_per_s": float,
    "flops_share": float,
    "peak_memory_bytes": float,
    "peak_device_memory_bytes": float,
    "metric": str,
    "value": float,
    "framework": str,
    "fastest": str,  # backend and mode of the row that it is compared with
    "ratio": float,
    "ratio_low": float,
    "ratio_high": float,
    "verdict": str,
}


@dataclass(frozen=True)
class Summaries:
    """What a store keeps of a run beside its lines."""

    kept: dict[str, bytes]  # as `bench.analysis.kept` reads it
    rows: list[dict[str, Any]]  # columns `ROW_COLUMNS` of each row
    ratios: dict[str, list[Any]]  # columns `LOG_RATIOS`

    @property
    def version(self) -> str:
        """The version of the analysis that made them."""
        return self.kept[VERSION].decode()


def summaries_of(run: Run) -> Summaries:
    """Return the summaries of a run under the name that is its path."""
    rows = summarise((run,))
    ratios = log_ratios(rows)
    kept = {
        VERSION: version().encode(),
        "rows": encoded([without_rest(each) for each in rows]),
        "answers": encoded(answers(run, rows)),
        "noise": encoded(noise_of(run)),
        KEPT: encoded(ratios),
    }
    return Summaries(kept, _row_lines(run, rows), columns(run.name, run.header, ratios))


def _row_lines(run: Run, rows: Sequence[RowSummary]) -> list[dict[str, Any]]:
    machine = machine_key(run.header)
    lines = []
    for each in rows:
        standing = each.standing
        named = summary_columns(each) | {
            "machine": machine,
            "ranked": standing.ranked,
            "cause": standing.cause or "",
            "reason": "" if standing.ranked else standing.why_not,
        }
        lines.append({name: named[name] for name in ROW_COLUMNS})
    return lines
