"""A backend that cannot be imported, though its entry can."""

import no_such_package  # noqa: F401
