"""Passes what the parity check computed between processes, in .npz files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.contract import Array, LayerParams, Params
from bench.parity.traces import Evaluation, Trace, TrainingResult


def save_trace(path: Path, trace: Trace) -> None:
    """Write a trace to a .npz file."""
    params = {**named("gradient", trace.gradient), **named("params", trace.params)}
    save_arrays(path, {**params, "losses": trace.losses, **of_evaluation(trace.evaluation)})


def load_trace(path: Path) -> Trace:
    """Read a trace from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Trace(
            params_in("gradient", arrays), arrays["losses"], params_in("params", arrays), evaluation_in(arrays)
        )


def save_training_result(path: Path, result: TrainingResult) -> None:
    """Write a training result to a .npz file."""
    params = {**named("params", result.params), **named("first_pass", result.first_pass)}
    numbers = {"losses": result.losses, "metric": np.array(result.metric)}
    save_arrays(path, {**params, **numbers, **of_evaluation(result.evaluation)})


def load_training_result(path: Path) -> TrainingResult:
    """Read a training result from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return TrainingResult(
            arrays["losses"],
            params_in("params", arrays),
            evaluation_in(arrays),
            float(arrays["metric"]),
            params_in("first_pass", arrays),
        )


def save_params(path: Path, params: Params) -> None:
    """Write parameters to a .npz file."""
    save_arrays(path, named("params", params))


def load_params(path: Path) -> Params:
    """Read parameters from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return params_in("params", arrays)


def save_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write named arrays to a .npz file."""
    np.savez(path, allow_pickle=False, **arrays)


def of_evaluation(evaluation: Evaluation) -> dict[str, Array]:
    """Return the arrays of an evaluation by the names that `evaluation_in` reads."""
    return {"outputs": evaluation.outputs, "evaluation_loss": np.array(evaluation.loss)}


def evaluation_in(arrays: np.lib.npyio.NpzFile) -> Evaluation:
    """Return the evaluation that a file contains."""
    return Evaluation(arrays["outputs"], float(arrays["evaluation_loss"]))


def named(kind: str, params: Params) -> dict[str, Array]:
    """Return the arrays of parameters by the names that `params_in` reads."""
    return {
        f"{kind}.{number}.{name}": part for number, layer in enumerate(params) for name, part in layer._asdict().items()
    }


def params_in(kind: str, arrays: np.lib.npyio.NpzFile) -> Params:
    """Return the parameters of a kind that a file contains."""
    layers = sum(name.startswith(f"{kind}.") for name in arrays) // len(LayerParams._fields)
    return tuple(
        LayerParams(*(arrays[f"{kind}.{number}.{name}"] for name in LayerParams._fields)) for number in range(layers)
    )
