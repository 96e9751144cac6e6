"""Edits of a file of JSON lines: what editors, joins, transfers, broken disks and other programs make of it.

An edit is drawn as a kind, two numbers that say where, and a value. It is made by counting through what the file has at
that moment, so every edit can be made of every file, and hypothesis can make a case smaller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

Json = Any
Path = tuple[str | int, ...]
MARK = "\x00here\x00"  # no file has it

# Values as they would stand in a file, so that they need not be JSON.
VALUES = (
    *(b"0", b"1", b"-1", b"2", b"0.5", b"-0.0", b"1e-320", b"1e308", b"-1e308", b"1e400", b"9007199254740993"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809", b"1" * 400),
    *(b"NaN", b"Infinity", b"-Infinity", b"null", b"true", b"false", b"0x10", b"01", b"1.", b"+1", b"1_000"),
    *(
        b'""',
        b'"0"',
        b'"1"',
        b'"nan"',
        b'"ok"',
        b'"failed"',
        b'"float64"',
        b'"gpu"',
        b'"all"',
        b'"record"',
        b'"header"',
    ),
    *(b'"\\ud800"', b'"\\u001b[31m"', b'"\\u0000"', b'"a\\nb"', b'"\\u202e"', b'"| <b>](x)"', b'"%s{}"', b'"\xff"'),
    *(
        b'"linear_fit:epochs=1"',
        b'"linear_fit:threads=0"',
        b'"a:b"',
        b'":="',
        b'"mnist_mlp"',
        b'"' + b"x" * 3000 + b'"',
    ),
    *(b"[]", b"{}", b"[0]", b"[null]", b"[1,2,3]", b'["a"]', b"[[0]]", b"[0.1,0.1]", b'{"a":1}', b'{"a":{"b":[1]}}'),
    *(b"[" * 3000 + b"]" * 3000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"[" + b"0," * 2000 + b"0]"),
)
# Values of the right type, which only sense can refuse.
INTEGERS = (b"0", b"1", b"2", b"3", b"7", b"100", b"1000000", b"2147483648", b"9223372036854775807")
FLOATS = (
    *(b"0.0", b"1.0", b"0.25", b"0.1", b"0.5", b"1.5", b"60.0", b"0.001", b"1e-9", b"1e-12", b"1e-300", b"5e-324"),
    *(b"1e5", b"1e9", b"1e15", b"1e300", b"1.7976931348623157e308", b"-0.5", b"-1e300"),
)
TEXTS = (
    *('""', '" "', '"a"', '"numpy"', '"torch"', '"jit"', '"ok"', '"crashed"', '"unsupported"', '"float64"', '"gpu"'),
    *(
        '"line\\nline"',
        '"\\u001b]0;x\\u0007"',
        '"\\u202eabc"',
        '"\\u2028"',
        '"| x | <script>"',
        '"[a](b)"',
        '"[/x]"',
        '"[red]x"',
    ),
    *('"$x_1\\\\ % & # {}"', '"linear_fit"', '"linear_fit:epochs=2"', '"linear_fit:threads=1"', '"line_fit:epochs=1"'),
    *('"linear_fit:epochs=1:batch_size=2"', '"linear_fit:epochs=nan"', '"linear_fit:epochs=1e3"', '"no_such_task"'),
    *('"accuracy"', '"rmse"', '"2026-01-01T00:00:00Z"', '"unknown"', '"\U0001f600"', '"e\u0301"'),
)
PIECES = (b"\n", b"\r\n", b"\r", b"\x00", b"\x1b", b"\t", b" ", b",", b'"', b"{", b"}", b"\xef\xbb\xbf", b"\xff", b"\\")
ENCODINGS = ("utf-16", "utf-8-sig", "utf-32", "cp037")


class Edit(NamedTuple):
    """One change of a file."""

    kind: str
    where: int
    which: int
    value: bytes


# Edits of one JSON line


def paths_in(value: Json) -> list[Path]:
    """Return the path of every part of a JSON value, the value itself excluded; of a list, of a few entries."""
    found: list[Path] = []
    _add_paths(value, (), found)
    return found


def _add_paths(value: Json, at: Path, found: list[Path]) -> None:
    if isinstance(value, dict):
        parts: Iterable[tuple[str | int, Json]] = value.items()
    else:
        places = range(len(value)) if isinstance(value, list) else range(0)
        parts = [(place, value[place]) for place in (*places[:2], *places[2:][-1:])]  # of a thousand losses, not each
    for key, part in parts:
        path = (*at, key)
        found.append(path)
        if isinstance(part, dict | list):
            _add_paths(part, path, found)


def _owner(value: Json, path: Path) -> Json:
    for key in path[:-1]:
        value = value[key]
    return value


def _dumped(value: Json, text: bytes) -> bytes:
    """Return JSON in which the mark is replaced by a text that may be no JSON."""
    return json.dumps(value).encode("utf-8", "surrogatepass").replace(json.dumps(MARK).encode(), text)


POOLS: dict[type, Sequence[bytes]] = {int: INTEGERS, float: FLOATS, str: [text.encode() for text in TEXTS]}


def _leaf(value: Json, edit: Edit, kinds: tuple[type, ...]) -> tuple[Path, bytes] | None:
    """Return the path of a number or text, and another one for its place; None if there is none of these kinds."""
    paths = [path for path in paths_in(value) if type(_owner(value, path)[path[-1]]) in kinds and path[-1] != "type"]
    if not paths:
        return None
    path = paths[edit.which % len(paths)]
    pool = POOLS[type(_owner(value, path)[path[-1]])]
    return path, pool[edit.where // 7 % len(pool)]


def _other(value: Json, edit: Edit, *kinds: type) -> bytes:
    found = _leaf(value, edit, kinds)
    return _set(value, found[0], edit._replace(value=found[1])) if found else _dumped(value, b"")


def _number(value: Json, path: Path, edit: Edit) -> bytes:
    return _other(value, edit, int, float)


def _text(value: Json, path: Path, edit: Edit) -> bytes:
    return _other(value, edit, str)


def _everywhere(content: bytes, line: bytes, edit: Edit) -> bytes:
    """Return a file in which a number or text of a line is another one wherever it stands."""
    value = _loaded(line)
    found = _leaf(value, edit, (int, float, str))
    if found is None:
        return content
    path, text = found
    return content.replace(b":" + json.dumps(_owner(value, path)[path[-1]]).encode(), b":" + text)


def _loaded(line: bytes) -> Json:
    """Return the JSON of a line; None where an earlier edit has left none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _set(value: Json, path: Path, edit: Edit) -> bytes:
    _owner(value, path)[path[-1]] = MARK
    return _dumped(value, edit.value)


def _delete(value: Json, path: Path, edit: Edit) -> bytes:
    del _owner(value, path)[path[-1]]
    return _dumped(value, b"")


def _rename(value: Json, path: Path, edit: Edit) -> bytes:
    owner, key = _owner(value, path), path[-1]
    if isinstance(owner, dict):
        owner[f"{key}{edit.which % 7}"] = owner.pop(key)
    else:
        owner.append(owner.pop(key))
    return _dumped(value, b"")


def _twice(value: Json, path: Path, edit: Edit) -> bytes:
    """Return a key that stands twice, or an entry that does."""
    owner, key = _owner(value, path), path[-1]
    if not isinstance(owner, dict):
        owner.insert(key, owner[key])
        return _dumped(value, b"")
    old, owner[key] = json.dumps(owner[key]).encode(), MARK
    return _dumped(value, edit.value + b"," + json.dumps(key).encode() + b":" + old)


def _exchange(value: Json, path: Path, edit: Edit) -> bytes:
    """Return two parts that stand in each other's places."""
    paths = paths_in(value)
    other = paths[edit.which % len(paths)]
    short = min(len(path), len(other))
    if path[:short] != other[:short]:  # neither holds the other
        here, there = _owner(value, path), _owner(value, other)
        here[path[-1]], there[other[-1]] = there[other[-1]], here[path[-1]]
    return _dumped(value, b"")


def _add(value: Json, path: Path, edit: Edit) -> bytes:
    owner = _owner(value, path)
    if isinstance(owner, dict):
        owner[f"new{edit.which % 3}"] = MARK
    else:
        owner.append(MARK)
    return _dumped(value, edit.value)


IN_A_LINE: dict[str, Callable[[Json, Path, Edit], bytes]] = {
    "set": _set,
    "number": _number,
    "text": _text,
    "delete": _delete,
    "rename": _rename,
    "twice": _twice,
    "exchange": _exchange,
    "add": _add,
}


def edited_line(line: bytes, edit: Edit) -> bytes:
    """Return a line with one of its parts changed; unchanged where an earlier edit has left no JSON of it."""
    value = _loaded(line)
    paths = paths_in(value)
    return IN_A_LINE[edit.kind](value, paths[edit.which % len(paths)], edit) if paths else line


# Edits of the lines and of the bytes of a file


def _lines_changed(lines: list[bytes], edit: Edit) -> list[bytes]:
    here, there = edit.where % len(lines), edit.which % len(lines)
    match edit.kind:
        case "drop":
            del lines[here]
        case "repeat":
            lines.insert(there, lines[here])
        case "swap":
            lines[here], lines[there] = lines[there], lines[here]
        case "join":
            lines[here : here + 2] = [b"".join(lines[here : here + 2])]
        case "blank":
            lines.insert(here, (b"", b"\r", b" \t", b"\x0c", b"\xa0")[edit.which % 5])
        case "everywhere":
            return _everywhere(b"\n".join(lines), lines[here], edit).split(b"\n")
        case "foreign":
            lines.insert(here, edit.value)
        case _:
            lines[here] = edited_line(lines[here], edit)
    return lines


def _bytes_changed(content: bytes, edit: Edit) -> bytes:
    at = edit.where % (len(content) + 1)
    piece = PIECES[edit.which % len(PIECES)]
    match edit.kind:
        case "cut":
            return content[:at]
        case "insert":
            return content[:at] + piece + content[at:]
        case "remove":
            return content[:at] + content[at + 1 + edit.which % 40 :]
        case "flip":
            return (
                content[:at] + bytes(byte ^ (1 << edit.which % 8) for byte in content[at : at + 1]) + content[at + 1 :]
            )
        case "zeros":
            return content[:at] + bytes(edit.which % 4096) + content[at:]
        case "crlf":
            return content.replace(b"\n", b"\r\n")
        case "mark":
            return b"\xef\xbb\xbf" * (1 + edit.which % 2) + content
        case _:
            return content.decode("utf-8", "replace").encode(ENCODINGS[edit.which % len(ENCODINGS)], "replace")


IN_LINES = ("drop", "repeat", "swap", "join", "blank", "foreign", "everywhere")
IN_BYTES = ("cut", "insert", "remove", "flip", "zeros", "crlf", "mark", "encode")


def edited(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return a file with these edits made, one after the other."""
    for edit in edits:
        if edit.kind in IN_BYTES:
            content = _bytes_changed(content, edit)
        else:
            content = b"\n".join(_lines_changed(content.split(b"\n"), edit))
    return content


NUMBERS = st.integers(0, 2**16 - 1)
SOME_VALUES = st.sampled_from(VALUES) | st.one_of(
    st.floats().map(repr).map(str.encode),
    st.integers(-(2**70), 2**70).map(str).map(str.encode),
    st.text(max_size=20).map(json.dumps).map(str.encode),
    st.binary(max_size=20),
)


def edits(*kinds: str, most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Return lists of edits of these kinds; a kind that is named several times comes more often."""
    return st.lists(st.builds(Edit, st.sampled_from(kinds), NUMBERS, NUMBERS, SOME_VALUES), max_size=most)


GENTLE = edits("number", "text", "exchange", "delete", "drop", "repeat", *("number", "text", "everywhere") * 4, most=6)
ALL = edits(*IN_A_LINE, "set", "set", "number", *IN_LINES, *IN_BYTES)
