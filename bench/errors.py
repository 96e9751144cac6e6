"""Errors that a user can cause and that are shown without a traceback."""

from collections.abc import Iterable

QUOTED_CHARACTERS, SHOWN_CHARACTERS = 100, 300  # of what a message repeats


class UserError(Exception):
    """Raised for a mistake of the user. The message says what is wrong, what was given and what the choices are."""


class BadChoice(UserError):
    """Raised for an unknown name; the message lists the choices."""


def require_name(name: str, known: Iterable[str], kind: str) -> None:
    """Raise `BadChoice` if `name` is not in `known`. `kind` says what is named, such as `backend`."""
    known = list(dict.fromkeys(known))
    if name not in known:
        raise BadChoice(f"unknown {kind} {quoted(name)}; choose from {', '.join(sorted(known))}")


def shown(text: str) -> str:
    """Return text of a file for a message: on one line and not long, with control characters as Python writes them."""
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    return printable(cut)


def printable(line: str) -> str:
    """Return a line in which control characters are shown as Python writes them, such as \\x1b."""
    return line if line.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


def in_utf8(text: str) -> str:
    """Return a text that can be written anywhere: a byte of a file name that is no UTF-8 is shown, 0xff as \\udcff."""
    return text.encode(errors="backslashreplace").decode()


def quoted(value: object) -> str:
    """Return a value as Python writes it, for a message; cut where it is too long to be read."""
    text = repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}…"
