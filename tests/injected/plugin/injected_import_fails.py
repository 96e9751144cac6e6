"""A backend that needs what is not there."""

import no_such_package_of_anybody  # noqa: F401
