"""An entry's module that ends the process which imports it, at once and as if all were well."""

import os

os._exit(0)
