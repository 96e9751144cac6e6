"""What a user can cause."""

from collections.abc import Iterable


class UserError(Exception):
    """Something to be told to the user in a sentence: what is wrong, what was got, what the choices are."""


class BadChoice(UserError):
    """Raised for a name that there is not; the message names the choices."""


def require_name(name: str, known: Iterable[str], kind: str) -> None:
    """Raise `BadChoice`, with the choices, where a name is not among those known."""
    known = list(dict.fromkeys(known))
    if name not in known:
        raise BadChoice(f"unknown {kind} {name!r}; choose from {', '.join(sorted(known))}")
