"""What a user can cause."""


class UserError(Exception):
    """Something to be told to the user in a sentence: what is wrong, what was got, what the choices are."""
