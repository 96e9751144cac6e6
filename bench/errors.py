"""What a user can cause."""


class UserError(Exception):
    """Something to be told to the user in a sentence: what is wrong, what was got, what the choices are."""


class BadChoice(UserError):
    """Raised for a name that there is not; the message names the choices."""
