"""Computes in float64 what parity compares, and carries it between processes in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from backends.contract import SGD, Array, Backend, LayerParams, Params, Placement
from bench.parity import Reference, Trace
from bench.training import Training, evaluate


def trace(backend: Backend, placement: Placement, training: Training, epochs: int) -> Trace:
    """Follow the first `epochs` epochs of a training in float64."""
    gradient = first_gradient(backend, placement, training)
    trainer = backend.open_trainer(training.problem, placement)
    trainer.reset(training.initial)
    losses = np.concatenate([trainer.train(order) for order in training.shortened(epochs).orders])
    return Trace(gradient, losses, trainer.params())


def first_gradient(backend: Backend, placement: Placement, training: Training) -> Params:
    """Return the gradient of the first batch: what one step of SGD at rate 1 takes off the parameters."""
    trainer = backend.open_trainer(replace(training.problem, optimizer=SGD(1.0)), placement)
    trainer.reset(training.initial)
    trainer.train(training.orders[0][:1])
    return tuple(
        LayerParams(*(old - new for old, new in zip(before, after, strict=True)))
        for before, after in zip(training.initial, trainer.params(), strict=True)
    )


def reference(backend: Backend, placement: Placement, training: Training, epochs: int) -> Reference:
    """Follow the first epochs, then train to the end."""
    part = trace(backend, placement, training, epochs)
    trainer = backend.open_trainer(training.problem, placement)
    trainer.reset(training.initial)
    losses = np.concatenate([trainer.train(order) for order in training.orders])
    outputs = trainer.predict(training.test.inputs)
    return Reference(part, losses, evaluate(training.metric, outputs, training.test.targets))


def save_trace(path: Path, trace: Trace) -> None:
    """Write a trace to a .npz file."""
    np.savez(path, allow_pickle=False, **_arrays(trace))


def load_trace(path: Path) -> Trace:
    """Read a trace from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return _trace(dict(arrays))


def save_reference(path: Path, reference: Reference) -> None:
    """Write a reference to a .npz file."""
    arrays = _arrays(reference.trace)
    np.savez(path, allow_pickle=False, **arrays, all_losses=reference.losses, metric=np.array(reference.metric))


def load_reference(path: Path) -> Reference:
    """Read a reference from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Reference(_trace(dict(arrays)), arrays["all_losses"], float(arrays["metric"]))


def _arrays(trace: Trace) -> dict[str, Array]:
    arrays = {"losses": trace.losses}
    for kind, params in (("gradient", trace.gradient), ("params", trace.params)):
        for number, layer in enumerate(params):
            arrays |= {f"{kind}.{number}.{name}": part for name, part in layer._asdict().items()}
    return arrays


def _trace(arrays: dict[str, Array]) -> Trace:
    def params(kind: str) -> Params:
        layers = sum(name.startswith(f"{kind}.") for name in arrays) // len(LayerParams._fields)
        return tuple(
            LayerParams(*(arrays[f"{kind}.{number}.{name}"] for name in LayerParams._fields))
            for number in range(layers)
        )

    return Trace(params("gradient"), arrays["losses"], params("params"))
