"""Passes what the parity check computed between processes, in .npz files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from backends.contract import Array, Params
from bench.parity.traces import Evaluation, Trace, TrainingResult
from bench.tasks.arrays import load_arrays, named, params_named, save_arrays


def save_trace(path: Path, trace: Trace) -> None:
    """Write a trace to a .npz file."""
    params = {**named("gradient", trace.gradient), **named("params", trace.params)}
    save_arrays(path, {**params, "losses": trace.losses, **of_evaluation(trace.evaluation)})


def load_trace(path: Path) -> Trace:
    """Read a trace from a .npz file."""
    arrays = load_arrays(path)
    return Trace(
        params_named("gradient", arrays), arrays["losses"], params_named("params", arrays), evaluation_in(arrays)
    )


def save_training_result(path: Path, result: TrainingResult) -> None:
    """Write a training result to a .npz file."""
    params = {
        **named("params", result.params),
        **named("start", result.start),
        **named("first_pass", result.first_pass),
    }
    numbers = {"losses": result.losses, "metric": np.array(result.metric)}
    save_arrays(path, {**params, **numbers, **of_evaluation(result.evaluation)})


def load_training_result(path: Path) -> TrainingResult:
    """Read a training result from a .npz file."""
    arrays = load_arrays(path)
    return TrainingResult(
        arrays["losses"],
        params_named("params", arrays),
        evaluation_in(arrays),
        float(arrays["metric"]),
        params_named("start", arrays),
        params_named("first_pass", arrays),
    )


def save_params(path: Path, params: Params) -> None:
    """Write parameters to a .npz file."""
    save_arrays(path, named("params", params))


def load_params(path: Path) -> Params:
    """Read parameters from a .npz file."""
    return params_named("params", load_arrays(path))


def of_evaluation(evaluation: Evaluation) -> dict[str, Array]:
    """Return the arrays of an evaluation by the names that `evaluation_in` reads."""
    return {"outputs": evaluation.outputs, "evaluation_loss": np.array(evaluation.loss)}


def evaluation_in(arrays: Mapping[str, Array]) -> Evaluation:
    """Return the evaluation that a file contains."""
    return Evaluation(arrays["outputs"], float(arrays["evaluation_loss"]))
