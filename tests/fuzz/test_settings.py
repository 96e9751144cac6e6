"""Settings: refused with a sentence, or a task that can be described, sized and set to the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from target import fuzz
from task_texts import KEY, SOME_TEXT, TASK, VALUE, assert_is_sentence, assert_sound, size_of

from bench.errors import UserError
from bench.tasks import TASKS
from bench.tasks.settings import override, settings


@fuzz("settings: texts", st.tuples(TASK, st.dictionaries(KEY, VALUE, max_size=4)), share=60_000)
def test_settings_are_refused_or_give_a_sound_task(case: tuple[str, Mapping[str, str]]) -> int:
    base, changes = case
    try:
        task = override(TASKS[base], changes)
    except UserError as error:
        assert_is_sentence(error)
    else:
        assert_sound(task)
        assert override(TASKS[base], settings(task)) == task  # as `--resume` does with what the header says
    return size_of(*changes, *changes.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | SOME_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SOME_TEXT, inner, max_size=2),
    max_leaves=6,
)


@fuzz("settings: of any type", st.tuples(TASK, st.dictionaries(KEY, JSON, max_size=3)), share=30_000)
def test_settings_of_any_type_are_refused_or_give_a_sound_task(case: tuple[str, Mapping[str, Any]]) -> int:
    base, changes = case
    try:
        task = override(TASKS[base], changes)
    except UserError as error:
        assert_is_sentence(error)
    else:
        assert_sound(task)
    return len(repr(changes))
