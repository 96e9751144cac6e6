"""Each backend compared with what people use instead: ratios of passes within rounds, from the kept runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

from backends.registry import BUILT_IN
from bench.analysis import frame
from bench.records.runfile import read_run

BOUND = "fastest matrix product"  # the time that the model's matrix products would take at its rate


@dataclass(frozen=True)
class Pair:
    """What is compared: a backend in its fastest mode, and the same task by another row, or the bound."""

    run: str  # name of the run file
    task: str
    backend: str
    other: str  # backend, or backend:mode, or BOUND
    other_task: str = ""  # if it is not the same task


LARGE = "mnist_mlp:model.hidden=2048:batch_size=4096:epochs=1"
PAIRS = (
    Pair("ratios-mnist", "mnist_mlp", "numpy", "sklearn"),
    Pair("ratios-mnist", "mnist_mlp", "torch", "keras-torch"),
    Pair("reference", "mnist_mlp", "torch", "torch:dataloader"),
    Pair("reference", "mnist_mlp", "torch", "torch:eager"),
    Pair("ratios-mnist", "mnist_mlp", "tensorflow", "keras-tensorflow"),
    Pair("ratios-mnist", "mnist_mlp", "jax", "keras-jax"),
    Pair("ratios-mnist", "mnist_mlp", "tensorflow", BOUND),
    Pair("ratios-torch", "text_classifier", "torch", "torch:eager", "text_classifier_dense"),
    Pair("ratios-torch", "thermometer", "torch", "torch:eager"),
    *(Pair("ratios-large", LARGE, backend, BOUND) for backend in ("tensorflow", "jax", "numpy", "torch")),
)


def table(folder: Path, pairs: Sequence[Pair] = PAIRS) -> str:
    """Return one line per pair as markdown: the median ratio over rounds, the lowest and the highest.

    `folder` contains the run files. Raises `ValueError` if a run has no row for a pair.
    """
    runs = {pair.run: folder / f"{pair.run}.jsonl" for pair in pairs}
    samples = {name: _samples(path) for name, path in runs.items()}
    lines = pd.DataFrame(_line(pair, samples[pair.run]) for pair in pairs)
    return lines.to_markdown(index=False, disable_numparse=True)


def _samples(path: Path) -> pd.DataFrame:
    samples = frame.process_frame((read_run(path),))
    return samples[samples["status"] == "ok"]


def _line(pair: Pair, samples: pd.DataFrame) -> dict[str, str]:
    own = _row(samples, pair.task, pair.backend)
    if pair.other == BOUND:
        compared_with, found = BOUND, list(1 / own["flops_share"])
    else:
        other = _row(samples, pair.other_task or pair.task, pair.other)
        compared_with, found = _name(other), _ratios(own, other)
    if pair.other_task:
        compared_with = f"{compared_with}, {pair.other_task}"
    return {
        "task": pair.task,
        "row": _name(own),
        "compared with": compared_with,
        "ratio": f"{median(found):.2f}",
        "lowest, highest": f"{min(found):.2f}, {max(found):.2f}",
        "run file": f"{pair.run}.jsonl",
    }


def _ratios(own: pd.DataFrame, other: pd.DataFrame) -> list[float]:
    """Return own / other in each round that both were in, or else, of each process of one, with each of the other.

    Rows that do not fit into memory together are never in one round.
    """
    shared = own.join(other, rsuffix="_other", how="inner")
    if shared.empty:
        shared = own.merge(other, how="cross", suffixes=("", "_other"))
    return list(shared["pass_s"] / shared["pass_s_other"])


def _row(samples: pd.DataFrame, task: str, name: str) -> pd.DataFrame:
    """Return the samples of a row by round; without a mode, those of the mode that is meant to be the fastest."""
    backend, _, mode = name.partition(":")
    rows = samples[(samples["task"] == task) & (samples["backend"] == backend)]
    modes = [mode] if mode else [each for each in BUILT_IN[backend].modes if each in set(rows["mode"])]
    rows = rows[rows["mode"].isin(modes[-1:])]
    if rows.empty:
        raise ValueError(f"the run has no samples of {task} by {name}")
    return rows.set_index("round")


def _name(row: pd.DataFrame) -> str:
    return f"{row['backend'].iloc[0]} {row['mode'].iloc[0]}"
