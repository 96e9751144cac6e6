"""Texts that people and programs could give for a task, a setting or a grid, from right to absurd."""

from __future__ import annotations

import math

import msgspec
from hypothesis import strategies as st

from backends.contract import flow_shapes
from bench.errors import UserError
from bench.tasks import TASKS, Task
from bench.tasks.memory import needs
from bench.tasks.names import THREADS
from bench.tasks.settings import settings

KEYS = tuple(dict.fromkeys((*(key for task in TASKS.values() for key in settings(task)), THREADS, "optimizer.beta1")))
VALUES = (
    *(
        "0",
        "1",
        "2",
        "3",
        "7",
        "100",
        "-1",
        "0.5",
        "1e3",
        "1e-3",
        "1e400",
        "-0.0",
        "nan",
        "inf",
        "-inf",
        "NaN",
        "Infinity",
    ),
    *("1.0", "2147483647", "2147483648", "9" * 30, "9" * 5000, "0x10", "1_000", "٣", "²", "1e", "--", "+1", " 1", "1 "),
    *(
        "all",
        "none",
        "null",
        "true",
        "false",
        "[]",
        "[1]",
        "{}",
        '"1"',
        "128x64",
        "1x",
        "x1",
        "0x0",
        "1x2x3x4",
        "1,2",
        ",",
        "1,,2",
    ),
    *(
        "relu",
        "tanh",
        "sigmoid",
        "identity",
        "sgd",
        "momentum",
        "adam",
        "mse",
        "softmax_cross_entropy",
        "rmse",
        "accuracy",
    ),
    *(
        "embedding_sum",
        "dense",
        "one_zero",
        "gaussian",
        "uniform",
        "raw",
        "one_two",
        "fourth_power",
        "comp.graphics,sci.space",
    ),
    *("[" * 5000, "\ud800", "\x00", "\x1b[31m", "a:b", "a=b", ":", "=", "", " ", "\n", "é", "\u202e", "x" * 5000),
)
SOME_TEXT = st.text(st.characters(), max_size=12)
NUMBERS = st.one_of(st.integers(-(10**12), 10**12), st.floats()).map(str)
KEY = st.sampled_from(KEYS) | st.sampled_from(KEYS) | SOME_TEXT
VALUE = st.sampled_from(VALUES) | st.sampled_from(VALUES) | NUMBERS | SOME_TEXT
TASK = st.sampled_from(tuple(TASKS))
NAME = st.builds(
    lambda base, parts: ":".join((base, *(f"{key}{sign}{value}" for key, sign, value in parts))),
    TASK | TASK | TASK | SOME_TEXT,
    st.lists(st.tuples(KEY, st.sampled_from(("=", "=", "=", "=", "=", "", "==", ":")), VALUE), max_size=3),
)
GRID = st.builds(
    lambda key, sign, values: f"{key}{sign}{','.join(values)}",
    KEY,
    st.sampled_from(("=", "=", "=", "=", "=", "=", "", "==")),
    st.lists(VALUE, max_size=5),
)
MANY = st.builds(
    lambda key, count: f"{key}={','.join(map(str, range(1, count)))}",
    st.sampled_from(KEYS),
    st.sampled_from((3, 12, 40, 1003, 3000)),
)


def size_of(*texts: str) -> int:
    """Return the size of texts in bytes."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


MOST_CHARACTERS = 1000


def assert_is_sentence(error: UserError) -> None:
    """Raise AssertionError unless a message is one line of reasonable length."""
    said = str(error)
    assert said
    assert "\n" not in said, f"several lines: {said!r}"
    assert len(said) < MOST_CHARACTERS, f"{len(said)} characters"


def assert_sound(task: Task) -> None:
    """Raise AssertionError unless a task with changed settings is one that a run could be made of."""
    values = settings(task)
    numbers = [each for value in values.values() for each in (value if isinstance(value, tuple) else (value,))]
    assert all(math.isfinite(number) for number in numbers if isinstance(number, float))
    assert msgspec.json.encode(values), "no header can hold it"
    assert needs(task, "float32").total > 0
    assert flow_shapes(task.layers, task.data.size.shape)[-1] == (task.data.size.outputs,)
    assert task.batch_size == "all" or 1 <= task.batch_size <= task.data.size.rows
