"""Errors that a user can cause and that are shown without a traceback."""

from collections.abc import Iterable


class UserError(Exception):
    """Raised for a mistake of the user. The message says what is wrong, what was given and what the choices are."""


class BadChoice(UserError):
    """Raised for an unknown name; the message lists the choices."""


def require_name(name: str, known: Iterable[str], kind: str) -> None:
    """Raise `BadChoice` if `name` is not in `known`. `kind` says what is named, such as `backend`."""
    known = list(dict.fromkeys(known))
    if name not in known:
        raise BadChoice(f"unknown {kind} {name!r}; choose from {', '.join(sorted(known))}")
