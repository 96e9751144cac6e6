"""Checks of a backend's interface: its entry, functions, shapes and types, refusals, matrix products."""

from __future__ import annotations

import importlib.util
import inspect
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, ClassVar

import numpy as np

from backends.contract import Dense, Device, Problem, Residual, Trainer, Unsupported, flow_shapes
from backends.registry import BUILT_IN, GROUP
from bench.conformance.subject import Subject, Violation, described, require_array
from bench.conformance.writes import kept, written
from bench.harness.measure import fastest_product_s
from bench.machine.host import gpu_names

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "open_trainer": ("problem", "placement"),
    "open_product": ("size", "placement"),
}
METHODS: dict[str, tuple[str, ...]] = {
    "reset": ("params",),
    "train": ("order",),
    "predict": ("inputs",),
    "predictor": ("rows",),
    "params": (),
    "peak_device_memory_bytes": (),
}
PRODUCT_SIZE = 1024
CORE_FLOPS_PER_S = 2e12  # no CPU core reaches it; a measured limit would depend on what else is running
IMPORT_LIMIT_S = 60.0
LOADED_BY_IMPORT = """
import importlib, sys
import backends.registry
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print("loaded:", *(set(sys.modules) - before))
"""


def entry(subject: Subject) -> None:
    """The fields of the entry are filled in, and loading it imports no framework."""
    entry = subject.entry
    if not entry.install:
        raise Violation("install is empty; wanted what a user has to type to get the framework, as 'pip install x'")
    if len(set(entry.modes)) != len(entry.modes):
        raise Violation(f"modes {entry.modes} name one twice; wanted each once")
    if importlib.util.find_spec(entry.module) is None:
        raise Violation(f"there is no module {entry.module!r} to import; wanted the one with open_trainer")
    if entry.version() == "unknown":
        raise Violation(
            f"none of the distributions {entry.distributions} is installed, though {entry.framework} can be imported; "
            "wanted the name that pip list shows for it, because results are stored with its version"
        )
    if entry.name in BUILT_IN:
        return  # built-in entries are in the registry itself
    (point,) = metadata.entry_points(group=GROUP, name=entry.name)
    command = [sys.executable, "-P", "-c", LOADED_BY_IMPORT, point.module]
    result = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_LIMIT_S, check=False)
    if result.returncode != 0:
        raise Violation(f"import {point.module} in a fresh Python failed: {result.stderr.strip().splitlines()[-1]}")
    loaded = set(result.stdout.rpartition("loaded:")[2].split())
    frameworks = {entry.framework, *(built_in.framework for built_in in BUILT_IN.values())}
    if found := sorted(frameworks & loaded):
        raise Violation(f"importing {point.module} also imports {', '.join(found)}; wanted no framework")


def contract(subject: Subject) -> None:
    """The functions and the trainer's methods exist and can be called as the harness calls them."""
    for name, arguments in FUNCTIONS.items():
        _require_callable(subject.backend, f"module {subject.entry.module}", name, arguments)
    trainer = subject.open()
    for name, arguments in METHODS.items():
        _require_callable(trainer, f"the trainer, a {type(trainer).__name__},", name, arguments)


def _require_callable(owner: Any, what: str, name: str, arguments: tuple[str, ...]) -> None:
    call = f"{name}({', '.join(arguments)})"
    function = getattr(owner, name, None)
    if not callable(function):
        raise Violation(f"{what} has no function {name}; wanted {call}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled code has no signature
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise Violation(f"{name}{signature} cannot be called as {call}: {error}") from error


def trains(subject: Subject) -> None:
    """The backend opens a trainer and trains a pass with finite losses."""
    losses = np.asarray(subject.open().train(subject.case.order))
    if not np.isfinite(losses).all():
        raise Violation(f"losses {losses}; wanted finite numbers, as NumPy gets from the same start")


def shapes(subject: Subject) -> None:
    """Returned values have the shapes and types of the contract."""
    trainer, case, dtype = subject.open(), subject.case, subject.placement.dtype
    for steps in (len(case.order), 1):
        require_array(trainer.train(case.order[:steps]), (steps,), dtype, f"train(order of {steps} steps)")
    outputs = flow_shapes(case.problem.layers, case.problem.row_shape)[-1]
    for inputs in (case.unseen, case.problem.inputs):
        got = trainer.predict(inputs)
        require_array(got, (len(inputs), *outputs), dtype, f"predict(inputs of {len(inputs)} rows)")
    _require_params(trainer, subject)
    memory_bytes = trainer.peak_device_memory_bytes()
    if subject.placement.device == "cpu" and memory_bytes is not None:
        raise Violation(f"peak_device_memory_bytes() is {memory_bytes!r} on the CPU; wanted None")


def _require_params(trainer: Trainer, subject: Subject) -> None:
    layers, got = subject.case.problem.layers, trainer.params()
    if not isinstance(got, tuple) or len(got) != len(layers):
        raise Violation(f"params() is {described(got)}; wanted a tuple of {len(layers)} mappings, one a layer")
    for number, (layer, named) in enumerate(zip(layers, got, strict=True), start=1):
        wanted = layer.shapes()
        if not isinstance(named, Mapping):
            raise Violation(
                f"params() has {described(named)} for layer {number}; wanted a mapping from names to arrays"
            )
        if set(named) != set(wanted):
            raise Violation(f"params(), layer {number}: {', '.join(map(str, named))}; wanted {', '.join(wanted)}")
        for name, shape in wanted.items():
            require_array(named[name], shape, subject.placement.dtype, f"params(), layer {number}, {name}")


def starts_cold(subject: Subject) -> None:
    """What the process has written so far ends with it: nothing is left that a later process could start from."""
    trainer = subject.open()
    trainer.train(subject.case.order)
    left = kept(written(), os.environ["XDG_CACHE_HOME"])
    written().clear()  # told once
    if left:
        others = f" and {len(left) - 1} others" if len(left) > 1 else ""
        raise Violation(f"{left[0]}{others} was opened for writing; wanted only what ends with the process")


class UnknownLayer(Dense):
    """A layer that no backend knows, as a later contract may have one, although it has all that a dense one has."""


@dataclass(frozen=True)
class UnknownOptimizer:
    """An optimizer that no backend knows."""

    slots: ClassVar[int] = 0
    learning_rate: float


def with_something_unknown(problem: Problem) -> dict[str, Problem]:
    """Return the problem with one part that no backend knows, by the name of that part."""
    *first, _ = problem.layers
    size = math.prod(flow_shapes(first, problem.row_shape)[-1])
    unknown = UnknownLayer(size, 3, "identity")
    around = Residual((UnknownLayer(size, size, "identity"),))
    optimizer: Any = UnknownOptimizer(problem.optimizer.learning_rate)
    name: Any = "unknown_name"
    return {
        "a layer": replace(problem, layers=(*first, unknown)),
        "a layer inside another": replace(problem, layers=(*first, around, Dense(size, 3, "identity"))),
        "an activation": replace(problem, layers=(*first, Dense(size, 3, name))),
        "a loss": replace(problem, loss=name),
        "an optimizer": replace(problem, optimizer=optimizer),
    }


def refuses(subject: Subject) -> None:
    """A missing device, and what the backend does not know, are refused by `Unsupported`, with a reason."""
    for part, problem in with_something_unknown(subject.case.problem).items():
        if not _refused(subject, problem, "cpu", f"with {part} that is not in the contract"):
            raise Violation(f"open_trainer opened with {part} that is not in the contract; wanted Unsupported")
    if not _refused(subject, subject.case.problem, "gpu", "for a GPU") and not gpu_names():
        raise Violation("open_trainer opened for a GPU on a machine without an NVIDIA GPU; wanted Unsupported")


def _refused(subject: Subject, problem: Problem, device: Device, what: str) -> bool:
    """Return whether a problem is refused, as it should be. Raises `Violation` for another exception, or no reason."""
    try:
        subject.backend.open_trainer(problem, replace(subject.placement, device=device))
    except Unsupported as error:
        if not str(error):
            raise Violation("Unsupported was raised with no reason; wanted a sentence for people") from error
        return True
    except Exception as error:
        raise Violation(f"open_trainer {what} raised {type(error).__name__}: {error}; wanted Unsupported") from error
    return False


def product(subject: Subject) -> None:
    """The backend multiplies matrices, and not faster than is possible."""
    subject.open()
    multiply = subject.backend.open_product(PRODUCT_SIZE, subject.placement)
    if not callable(multiply):
        raise Violation(f"open_product returned {described(multiply)}; wanted a function without arguments")
    product_s = fastest_product_s(multiply, time.perf_counter)
    bound_s = 2 * PRODUCT_SIZE**3 / (subject.placement.threads * CORE_FLOPS_PER_S)
    if subject.placement.device == "cpu" and product_s < bound_s:
        raise Violation(
            f"open_product({PRODUCT_SIZE}) took {product_s:.1e} s a call; wanted at least {bound_s:.1e} s, "
            f"for no {subject.placement.threads} cores multiply faster than that"
        )
