"""What is taken from what a worker printed."""

from __future__ import annotations

import traceback
from types import ModuleType

import pytest

from bench.harness.output import place_in

CODE = """def train(order):
    return step(order)

def step(order):
    return int("no number " + order)
"""


def printed(name: str) -> str:
    """Return the traceback of an exception in the code of a module with this file."""
    module = ModuleType("theirs")
    exec(compile(CODE, f"/somewhere/{name}.py", "exec"), vars(module))  # noqa: S102 - the code above
    try:
        module.train("x")
    except ValueError:
        return f"a line before\n{traceback.format_exc()}a line after\n"
    raise AssertionError


def test_the_place_of_an_exception_is_read_from_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = dict(enumerate(CODE.splitlines(), start=1))
    monkeypatch.setattr("linecache.getline", lambda path, number, *_: lines.get(number, ""))
    monkeypatch.setattr("linecache.getlines", lambda path, *_: CODE.splitlines(keepends=True))
    place = ' at theirs.py:5 in step: return int("no number " + order)'
    assert place_in(printed("theirs"), "package.theirs") == place
    assert place_in(printed("theirs"), "package.other") == place
    own = '  File "/a/own.py", line 7, in train\n    library.call()\n'
    inner = '  File "/b/library.py", line 70, in call\n    raise KeyError\n           ^^^^^^^^\nKeyError\n'
    found = " at own.py:7 in train: library.call() at library.py:70 in call: raise KeyError"
    assert place_in(f"Traceback:\n{own}{inner}", "package.own") == found
    assert place_in(own + own.replace("7", "9"), "own") == " at own.py:9 in train: library.call()"
    assert place_in("Segmentation fault\n", "own") == ""
