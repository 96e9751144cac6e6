"""What is taken from what a worker printed."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import ModuleType

from bench.harness.output import beginning, place_in

CODE = """def train(order):
    return step(order)

def step(order):
    return int("no number " + order)
"""


def printed(path: Path) -> str:
    """Write the module to a file; return the traceback of an exception in it."""
    path.write_text(CODE)
    module = ModuleType("theirs")
    exec(compile(CODE, str(path), "exec"), vars(module))  # noqa: S102 - the code above
    try:
        module.train("x")
    except ValueError:
        return f"a line before\n{traceback.format_exc()}a line after\n"
    raise AssertionError


def test_the_place_of_an_exception_is_read_from_its_traceback(tmp_path: Path) -> None:
    output = printed(tmp_path / "theirs.py")
    last = ' at theirs.py:5 in step: return int("no number " + order)'
    assert place_in(output, "package.theirs") == f" at theirs.py:2 in train: return step(order){last}"
    assert place_in(output, "package.other") == last


def test_of_other_modules_only_the_last_line_is_told() -> None:
    own = '  File "/a/own.py", line 7, in train\n    library.call()\n'
    inner = '  File "/b/library.py", line 70, in call\n    raise KeyError\n           ^^^^^^^^\nKeyError\n'
    found = " at own.py:7 in train: library.call() at library.py:70 in call: raise KeyError"
    assert place_in(f"Traceback:\n{own}{inner}", "package.own") == found
    twice = own + own.replace("line 7", "line 9")
    assert place_in(twice, "own") == " at own.py:7 in train: library.call() at own.py:9 in train: library.call()"
    assert place_in(own + own, "own") == " at own.py:7 in train: library.call()"
    assert place_in("Segmentation fault\n", "own") == ""


def test_of_a_long_text_the_beginning_is_kept() -> None:
    assert (beginning("abc", 3), beginning("abcd", 3)) == ("abc", "abc …")
