"""Libraries of this process that have pools of threads, as threadpoolctl finds them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import LibController

# threadpoolctl sets it where nobody has. It would stand in run files, as if it were the user's, and reach workers.
ITS_VARIABLE = "KMP_DUPLICATE_LIB_OK"


def libraries_with_pools() -> list[LibController]:
    """Return the BLAS and OpenMP libraries that are loaded; the environment stays as it was."""
    before = os.environ.get(ITS_VARIABLE)
    from threadpoolctl import ThreadpoolController

    if before is None:
        os.environ.pop(ITS_VARIABLE, None)
    found: list[LibController] = ThreadpoolController().lib_controllers
    return found
