"""The names of the backends and where their code is; importing this loads no framework.

A package outside this one adds a backend by an entry point of the group `bench.backends`: its name, and an `Entry`
that stands in a module which imports no framework.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib import metadata
from typing import cast

from backends.contract import Backend

GROUP = "bench.backends"


@dataclass(frozen=True)
class Entry:
    """What can be said of a backend without importing its framework."""

    name: str
    module: str  # defines open_trainer(problem, placement)
    modes: tuple[str, ...]  # the plain mode first, and last the one that is meant to be the fastest
    framework: str  # import name of the framework
    distributions: tuple[str, ...]  # names under which the framework may be installed
    install: str  # what to type when it is missing
    fault: str = ""  # why the entry itself could not be loaded
    also_needs: tuple[str, ...] = ()  # import names of what a framework that can run on several is to run on

    def missing(self) -> tuple[str, ...]:
        """Return the import names of what is not installed."""
        # find_spec looks for the package's folder and imports nothing.
        return tuple(name for name in (self.framework, *self.also_needs) if importlib.util.find_spec(name) is None)

    def version(self) -> str | None:
        """Return the version of the framework, None where it or what it needs is not installed."""
        if self.missing():
            return None
        for name in self.distributions:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return "unknown"

    def load(self) -> Backend:
        """Import the backend, and with it its framework."""
        return cast(Backend, importlib.import_module(self.module))


def require_sound(entry: Entry) -> None:
    """Raise `TypeError` or `ValueError` where a field of an entry is not what it says it is."""
    for name in ("name", "module", "framework", "install"):
        if not isinstance(getattr(entry, name), str):
            raise TypeError(f"{name} is {getattr(entry, name)!r}, wanted a text")
    for name in ("modes", "distributions"):
        value = getattr(entry, name)
        if not isinstance(value, tuple) or not all(isinstance(part, str) for part in value):
            raise TypeError(f"{name} are {value!r}, wanted a tuple of texts")
    if not entry.modes:
        raise ValueError("modes are empty, wanted at least one")
    if not entry.framework.isidentifier():
        raise ValueError(f"framework is {entry.framework!r}, wanted the name of a package that can be imported")


def third_party() -> dict[str, Entry]:
    """Return the backends that installed packages bring; one that cannot be loaded costs only itself."""
    found = {}
    for point in metadata.entry_points(group=GROUP):
        try:
            entry = point.load()
            if not isinstance(entry, Entry):
                raise TypeError(f"{point.value} is no backends.registry.Entry")
            require_sound(entry)
            if entry.name != point.name:
                raise ValueError(f"its name is {entry.name!r}, that of the entry point {point.name!r}")
            if entry.name == REFERENCE.name:
                raise ValueError(f"{entry.name!r} is the name of what parity compares backends with; choose another")
        except (Exception, SystemExit) as error:  # it is somebody else's code
            fault = f"entry point {point.value}: {type(error).__name__}: {error}"
            entry = Entry(point.name, "", ("unknown",), "backends", (), "", fault)
        found[point.name] = entry
    return found


BUILT_IN = {
    entry.name: entry
    for entry in (
        Entry(
            name="numpy",
            module="backends.numpy_backend",
            modes=("loop",),
            framework="numpy",
            distributions=("numpy",),
            install="pip install numpy",
        ),
        Entry(
            name="torch",
            module="backends.torch_backend",
            modes=("eager", "dataloader", "compile", "compile-pass"),
            framework="torch",
            distributions=("torch",),
            install="pip install 'levelfield[torch]'",
        ),
        Entry(
            name="tensorflow",
            module="backends.tensorflow_backend",
            modes=("eager", "graph", "xla"),
            framework="tensorflow",
            distributions=("tensorflow", "tensorflow-cpu"),
            install="pip install 'levelfield[tensorflow]'",
        ),
        Entry(
            name="jax",
            module="backends.jax_backend",
            modes=("jit", "scan"),
            framework="jax",
            distributions=("jax",),
            install="pip install 'levelfield[jax]'",
        ),
        Entry(
            name="keras-tensorflow",
            module="backends.keras_tensorflow_backend",
            modes=("fit",),
            framework="keras",
            distributions=("keras",),
            install="pip install 'levelfield[keras,tensorflow]'",
            also_needs=("tensorflow",),
        ),
        Entry(
            name="keras-jax",
            module="backends.keras_jax_backend",
            modes=("fit",),
            framework="keras",
            distributions=("keras",),
            install="pip install 'levelfield[keras,jax]'",
            also_needs=("jax",),
        ),
        Entry(
            name="keras-torch",
            module="backends.keras_torch_backend",
            modes=("fit",),
            framework="keras",
            distributions=("keras",),
            install="pip install 'levelfield[keras,torch]'",
            also_needs=("torch",),
        ),
        Entry(
            name="sklearn",
            module="backends.sklearn_backend",
            modes=("partial_fit",),
            framework="sklearn",
            distributions=("scikit-learn",),
            install="pip install 'levelfield[sklearn]'",
        ),
    )
}

# What parity compares every backend with. It is not a backend for users and stands in no list; only workers look it up,
# to trace it, never to time it, so that it has no `open_product`.
REFERENCE = Entry(
    name="reference",
    module="backends.numpy_reference",
    modes=("plain",),
    framework="numpy",
    distributions=("numpy",),
    install="",
)

BACKENDS: dict[str, Entry]  # built in, and of other packages


def __getattr__(name: str) -> object:
    """Look for the backends of other packages when they are first asked for.

    Not on import: their entries' modules import this one, perhaps before anything else does.
    """
    if name != "BACKENDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()["BACKENDS"] = third_party() | BUILT_IN
    return found
