"""Names of tasks and grids: refused with a sentence, or read back as what was said."""

from __future__ import annotations

import itertools
import math

from hypothesis import strategies as st
from target import fuzz
from task_texts import GRID, MANY, NAME, SOME_TEXT, TASK, assert_is_sentence, assert_sound, size_of

from bench.errors import UserError
from bench.tasks.names import MAX_POINTS, TaskRef, find_task, grid, threads_of

PART = st.text(st.characters(exclude_characters=":="), max_size=10)


@fuzz("names of tasks: texts", NAME | SOME_TEXT, share=60_000)
def test_a_name_is_refused_or_is_its_own_name(name: str) -> int:
    try:
        task = find_task(name)
        assert threads_of(name, 3) >= 1
    except UserError as error:
        assert_is_sentence(error)
    else:
        assert task.name == name == TaskRef.parse(name).name
        assert_sound(task)
    return size_of(name)


@fuzz(
    "names of tasks: printed and read", st.builds(TaskRef, PART, st.dictionaries(PART, PART, max_size=4)), share=40_000
)
def test_a_name_that_is_printed_is_read_as_it_was(reference: TaskRef) -> int:
    read = TaskRef.parse(reference.name)
    assert (read.base, list(read.settings.items())) == (reference.base, list(reference.settings.items()))
    return size_of(reference.name)


@fuzz("grids", st.tuples(TASK | SOME_TEXT, st.lists(GRID | MANY, max_size=3)), share=38_000)
def test_a_grid_is_refused_or_has_every_point_once(case: tuple[str, list[str]]) -> int:
    base, varied = case
    try:
        names = grid(base, varied)
    except UserError as error:
        assert_is_sentence(error)
        return size_of(base, *varied)
    axes = {
        key: [value.strip() for value in values.split(",")]
        for key, _, values in (text.partition("=") for text in varied)
    }
    wanted = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert 2 <= len(names) == math.prod(map(len, axes.values())) <= MAX_POINTS
    for name, settings in zip(names, wanted, strict=True):
        read = TaskRef.parse(name)
        assert (read.base, dict(read.settings)) == (base, settings)
    return size_of(base, *varied, *names)
