"""Registry of backends: names, modules and requirements. Importing it imports no framework.

Another package adds a backend with an entry point in the group `bench.backends`. Its name is the name of the backend,
and it refers to an `Entry` in a module that imports no framework.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import metadata
from typing import NoReturn, cast, get_args

from backends.contract import Backend, Device

GROUP = "bench.backends"
DEVICES: tuple[str, ...] = get_args(Device)


@dataclass(frozen=True)
class Entry:
    """Description of a backend, available without importing its framework."""

    name: str
    module: str  # import name of the module that implements `backends.contract.Backend`
    modes: tuple[str, ...]  # the plain mode first, the mode that should be fastest last
    framework: str  # import name
    distributions: tuple[str, ...]  # names of the packages that provide the framework, the first installed one counts
    install: str  # command that installs it
    fault: str = ""  # why the entry could not be loaded; empty if it could
    also_needs: tuple[str, ...] = ()  # import names of the frameworks that this one runs on, such as jax for keras-jax
    python: str = ""  # the Python that runs its workers; empty for the suite's own
    path: str = ""  # a folder whose packages its workers import before all others; empty for none
    variables: tuple[str, ...] = ()  # environment variables that set the framework; NAME_ stands for all that begin so
    caches: tuple[str, ...] = ()  # environment variables that say where it keeps compiled code: a folder or a file
    keeping: tuple[str, ...] = ()  # NAME=VALUE by which it keeps compiled code if asked to; {} stands for a folder
    devices: tuple[str, ...] = DEVICES  # that it can train on
    package: str = ""  # the package that the entry is from, filled in when it is found; empty for built-in ones

    def missing(self) -> tuple[str, ...]:
        """Return the import names of required packages that are not installed; none if they are those of elsewhere."""
        if self.python or self.path:
            return ()
        # find_spec locates a top-level package without importing it.
        return tuple(name for name in (self.framework, *self.also_needs) if importlib.util.find_spec(name) is None)

    def version(self) -> str | None:
        """Return the version of the framework, or None if it or another required package is not installed.

        The version is "unknown" if the framework can be imported but none of `distributions` is installed.
        """
        if self.missing():
            return None
        for name in self.distributions:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return "unknown"

    def load(self) -> Backend:
        """Import the module of the backend, and with it the framework."""
        return cast(Backend, importlib.import_module(self.module))


def require_sound(entry: Entry) -> None:
    """Raise `TypeError` if a field of an entry has the wrong type, `ValueError` if it has an invalid value."""
    _require_types(entry)
    if not entry.modes:
        raise ValueError("modes must name at least one mode, got none")
    if not entry.devices or not set(entry.devices) <= set(DEVICES):
        raise ValueError(f"devices must be cpu, gpu or both, got {entry.devices!r}")
    for assignment in entry.keeping:
        if not assignment.partition("=")[0].isidentifier() or "=" not in assignment:
            raise ValueError(f"keeping must be texts NAME=VALUE, got {assignment!r}")
    _require_names("framework", (entry.framework,), "be the import name of a package")
    _require_names("also_needs", entry.also_needs, "be the import name of a package")
    _require_names("variables", entry.variables, "name environment variables")
    _require_names("caches", entry.caches, "name environment variables")


def _require_names(kind: str, names: tuple[str, ...], wanted: str) -> None:
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"{kind} must {wanted}, got {name!r}")


def _require_types(entry: Entry) -> None:
    for field in fields(entry):
        value = getattr(entry, field.name)
        if field.type == "str" and not isinstance(value, str):
            raise TypeError(f"{field.name} must be a string, got {value!r}")
        if field.type != "str" and not (isinstance(value, tuple) and all(isinstance(part, str) for part in value)):
            raise TypeError(f"{field.name} must be a tuple of strings, got {value!r}")
        for text in (value,) if isinstance(value, str) else value:
            if not _is_writable(text):
                raise ValueError(f"{field.name} must be text that a file can hold, got {text!r}")


def _is_writable(text: str) -> bool:
    """Return whether a text can be an argument of a process and stand in a file: no zero byte, no half of a pair."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def third_party() -> dict[str, Entry]:
    """Return the backends of other installed packages. One that cannot be loaded has its error in `fault`."""
    found = {}
    for point in metadata.entry_points(group=GROUP):
        try:
            with _exit_refused():
                entry = point.load()
            if not isinstance(entry, Entry):
                raise TypeError(f"{point.value} is not a backends.registry.Entry")
            require_sound(entry)
            if entry.name != point.name:
                raise ValueError(f"the entry is named {entry.name!r}, its entry point {point.name!r}")
            if entry.name == REFERENCE.name:
                raise ValueError(f"the name {entry.name!r} is reserved for the parity reference; choose another")
            entry.version()  # asked for by every list of backends: what it raises belongs here
        except (Exception, SystemExit) as error:  # code of another package may raise anything
            fault = f"entry point {point.value}: {type(error).__name__}: {error}"
            entry = Entry(point.name, "", ("unknown",), "backends", (), "", fault)
        found[point.name] = replace(entry, package=point.dist.name if point.dist else "")
    return found


@contextmanager
def _exit_refused() -> Iterator[None]:
    """Make `os._exit` an error of the code that calls it: every command would end here, without a word."""

    def refuse(status: int) -> NoReturn:
        raise SystemExit(f"os._exit({status}) would end the command")

    usual = os._exit
    vars(os)["_exit"] = refuse
    try:
        yield
    finally:
        vars(os)["_exit"] = usual


# Without the other two, JAX keeps only what took a second to compile (`jax/_src/config.py`).
JAX_KEEPING = (
    "JAX_COMPILATION_CACHE_DIR={}",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1",
)

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
            devices=("cpu",),
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
            keeping=JAX_KEEPING,
        ),
        Entry(
            name="keras-tensorflow",
            module="backends.keras_tensorflow_backend",
            modes=("fit",),
            framework="keras",
            distributions=("keras",),
            install="pip install 'levelfield[keras,tensorflow]'",
            also_needs=("tensorflow",),
            devices=("cpu",),
        ),
        Entry(
            name="keras-jax",
            module="backends.keras_jax_backend",
            modes=("fit",),
            framework="keras",
            distributions=("keras",),
            install="pip install 'levelfield[keras,jax]'",
            also_needs=("jax",),
            keeping=JAX_KEEPING,
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
            devices=("cpu",),
        ),
    )
}

# The frameworks that this project is about. The other backends are tools on top of them, and those of other packages.
FRAMEWORKS = ("numpy", "torch", "tensorflow", "jax")

# The parity check compares every backend with this one. It is not for users and appears in no list. Workers never time
# it, so it has no `open_product`.
REFERENCE = Entry(
    name="reference",
    module="backends.numpy_reference",
    modes=("plain",),
    framework="numpy",
    distributions=("numpy",),
    install="",
)

BACKENDS: dict[str, Entry]  # built-in ones and those of other packages


def __getattr__(name: str) -> object:
    """Load the backends of other packages when `BACKENDS` is first used.

    They cannot be loaded on import, because the modules of their entries import this module.
    """
    if name != "BACKENDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()["BACKENDS"] = third_party() | BUILT_IN
    return found
