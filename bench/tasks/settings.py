"""Settings of a task by name: `optimizer.learning_rate=0.1`, from the command line or from Python."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from backends.contract import SGD, Adam, Layer, Misfit, Momentum, Optimizer, Shape, flow_shapes, require_ids
from bench.errors import UserError, quoted, shown
from bench.tasks.definition import Task

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam}
SIZES = re.compile(r"\d+(x\d+)+")  # 128x64, as people write the sizes of layers
FIXED = ("name", "summary", "stack")  # these are not settings

LARGEST = 2**31 - 1  # of whole numbers: rows are counted in int32

SIMPLE = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
ALLOWED = "its type is bool, int, float, str, a Literal of texts, a tuple of one of these, or an alternative of them"

Value = str | int | float | list[Any] | tuple[Any, ...] | None


class BadSetting(UserError):
    """Raised for a setting that a task does not have, or for an invalid value; the message names the choices."""


def settings(task: Task) -> dict[str, Any]:
    """Return every setting of a task, by its dotted name."""
    flat: dict[str, Any] = {}
    for name, value in _fields(task).items():
        if name == "optimizer":
            flat[name] = next(key for key, kind in OPTIMIZERS.items() if isinstance(value, kind))
        if is_dataclass(value):
            flat |= {f"{name}.{key}": part for key, part in _fields(value).items()}
        else:
            flat[name] = value
    return flat


def override(task: Task, changes: Mapping[str, Value]) -> Task:
    """Return the task with some settings changed; texts are read as the setting's kind wants. Raises `BadSetting`."""
    # Another optimizer comes first: it decides which optimizer settings there are.
    for key in sorted(changes, key=lambda key: key != "optimizer"):
        task = _with(task, key, changes[key])
    return _checked(task)


def _with(task: Task, key: str, value: Value) -> Task:
    if key not in settings(task):
        raise BadSetting(f"{shown(task.name)} has no setting {quoted(key)}; choose from {', '.join(settings(task))}")
    if key == "optimizer":
        if not isinstance(value, str) or value not in OPTIMIZERS:
            raise BadSetting(f"optimizer cannot be {quoted(value)}; choose from {', '.join(OPTIMIZERS)}")
        return replace(task, optimizer=OPTIMIZERS[value](task.optimizer.learning_rate))
    group, _, name = key.rpartition(".")
    owner: Any = getattr(task, group) if group else task
    kind: type = type(owner)
    wanted = _types(kind)[name]
    changed: Any = replace(owner, **{name: _convert(key, value, wanted)})
    changes: dict[str, Any] = {group: changed}
    return replace(task, **changes) if group else changed


@cache  # for each of the thousand points of a sweep, they would be evaluated again
def _types(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _convert(key: str, value: Value, wanted: Any) -> Any:
    parsed = _parse(value, wanted) if isinstance(value, str) else value
    if isinstance(parsed, np.generic):
        parsed = parsed.item()
    if _is_tuple(wanted) and not isinstance(parsed, list | tuple):
        parsed = [parsed]
    refusal = BadSetting(f"{key} cannot be {quoted(value)}; it takes {describe(wanted)}")
    try:
        converted = msgspec.convert(parsed, wanted)
    except (msgspec.ValidationError, OverflowError, UnicodeEncodeError) as error:  # a number, a text for no machine
        raise refusal from error
    numbers = converted if isinstance(converted, tuple) else (converted,)
    if any(isinstance(text, str) and not text.isprintable() for text in numbers):
        raise refusal
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise refusal
    if any(isinstance(number, int) and abs(number) > LARGEST for number in numbers):
        raise BadSetting(f"{key} cannot be {quoted(value)}: whole numbers go up to {LARGEST:,}")
    return converted


def _parse(text: str, wanted: Any) -> Any:
    if _is_tuple(wanted):
        separator = "x" if SIZES.fullmatch(text) else ","
        return [_scalar(part) for part in text.split(separator)] if text not in ("", "none") else []
    return _scalar(text)


def _is_tuple(wanted: Any) -> bool:
    return get_origin(get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted) is tuple


def _scalar(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or thousands of brackets
        return text
    return value if isinstance(value, int | float) else text


def describe(wanted: Any) -> str:
    """Return a type in words, for people."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        bounds = [
            f"{words} {limit:g}"
            for words, limit in (
                ("above", arguments[1].gt),
                ("of at least", arguments[1].ge),
                ("below", arguments[1].lt),
                ("of at most", arguments[1].le),
            )
            if limit is not None
        ]
        return " ".join((describe(arguments[0]), " and ".join(bounds))).rstrip()
    if origin is Literal:
        return " or ".join(", ".join(map(str, arguments)).rsplit(", ", 1))
    if origin is tuple:
        return f"{describe(arguments[0])}, or several with commas between, or none"
    if origin in (Union, UnionType):
        return " or ".join(map(describe, arguments))
    if wanted not in SIMPLE:
        raise TypeError(f"a setting cannot be a {wanted}: {ALLOWED}")
    return SIMPLE[wanted]


def _fields(owner: Any) -> dict[str, Any]:
    return {field.name: getattr(owner, field.name) for field in fields(owner) if field.name not in FIXED}


def _checked(task: Task) -> Task:
    """Return the task. Raises `BadSetting` if settings do not go together.

    These are loss and metric, the sizes of the layers and of the data, and batch size and rows.
    """
    classifies = task.loss == "softmax_cross_entropy"
    if classifies != (task.metric == "accuracy"):
        raise BadSetting(f"loss {task.loss} and metric {task.metric} do not go together")
    size = task.data.size
    layers_for(task, size.shape, size.outputs, size.ids)
    # Settings that select rows from files may leave fewer rows; that is seen when they load.
    require_batch(task, task.data.size.rows)
    return task


def layers_for(task: Task, inputs: Shape, outputs: int, ids: int) -> tuple[Layer, ...]:
    """Return the layers of a task's model for inputs of this shape of a row. Raises `BadSetting` if they do not fit."""
    try:
        layers = task.model.layers(inputs, outputs, ids)
        require_ids(layers, ids)
        found = flow_shapes(layers, inputs)[-1]
        if found != (outputs,):
            raise Misfit(f"its outputs have the shape {list(found)}, and {[outputs]} is wanted")
    except Misfit as misfit:
        raise BadSetting(f"the model of {shown(task.name)} does not fit its data: {misfit}") from misfit
    return layers


def require_batch(task: Task, rows: int) -> None:
    """Raise `BadSetting` if a batch of the task is larger than its data of so many rows."""
    if isinstance(task.batch_size, int) and task.batch_size > rows:
        raise BadSetting(
            f"batch_size {task.batch_size} is more than the {rows} rows of {shown(task.name)}; all uses every row"
        )


def setting_in_words(value: object) -> str:
    """Return the value of a setting as people write it."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
