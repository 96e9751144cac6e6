"""The subject of a check: a backend in one mode, opened on one case; and the exception for violations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends import numpy_reference
from backends.contract import Array, Backend, Params, Placement, Precision, Trainer
from backends.registry import Entry
from bench.conformance.cases import Case
from bench.errors import UserError

SHOWN = 10  # numbers of a list, such as the losses of a pass; a longer one is not shown whole


class Violation(UserError):
    """Raised by a check: what was got and what was wanted; `cause` if it is not the check's usual one."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A backend in one mode, and a case to open it on."""

    entry: Entry
    placement: Placement
    case: Case

    @property
    def backend(self) -> Backend:
        """The backend's module."""
        return self.entry.load()

    def open(self) -> Trainer:
        """Open the backend on the case and reset it to the case's weights. Raises `Unsupported`."""
        trainer = self.backend.open_trainer(self.case.problem, self.placement)
        trainer.reset(self.case.initial)
        return trainer

    def reference(self) -> Trainer:
        """Open the reference on the same case and reset it to the same weights."""
        placement = replace(self.placement, mode="plain", device="cpu")
        trainer = numpy_reference.open_trainer(self.case.problem, placement)
        trainer.reset(self.case.initial)
        return trainer

    @property
    def precision(self) -> Precision:
        """The precision that the backend is opened in."""
        return self.placement.precision


def require_array(got: object, shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> None:
    """Raise `Violation` unless `got` is a NumPy array of this shape and type."""
    if not isinstance(got, np.ndarray):
        raise Violation(f"{what}: {described(got)}; wanted a NumPy array of shape {shape}")
    if got.shape != shape:
        raise Violation(f"{what}: shape {got.shape}, wanted {shape}")
    if got.dtype != dtype:
        raise Violation(f"{what}: type {got.dtype}, wanted {dtype}")


def described(value: object) -> str:
    """Return the type of a value, and the length of a list, for a sentence."""
    length = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__module__}.{type(value).__qualname__}{length}".replace("builtins.", "")


def require_same(got: Array, wanted: Array, what: str, cause: str = "") -> None:
    """Raise `Violation` unless both arrays are the same bit for bit."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        raise Violation(f"{what}: shape {got.shape}, wanted {wanted.shape}", cause)
    wrong = np.flatnonzero(~((got == wanted) | (np.isnan(got) & np.isnan(wanted))))
    if wrong.size:
        raise Violation(f"{what}: {_first(got, wanted, wrong)}, wanted the same bit for bit", cause)


def require_close(got: Array, wanted: Array, what: str, relative: float, cause: str = "") -> None:
    """Raise `Violation` if the arrays differ by more than `relative` times the largest wanted number."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        raise Violation(f"{what}: shape {got.shape}, wanted {wanted.shape}", cause)
    off = np.abs(got.astype(np.float64) - wanted)
    wrong = np.flatnonzero(~(off <= relative * np.max(np.abs(wanted))))  # NaN is wrong too
    if wrong.size:
        raise Violation(f"{what}: {_first(got, wanted, wrong)}, wanted NumPy's to {relative:g} relative", cause)


def require_same_params(got: Params, wanted: Params, what: str) -> None:
    """Raise `Violation` unless both are the same bit for bit."""
    for number, (layer_got, right) in enumerate(zip(got, wanted, strict=True), start=1):
        for name, part in right.items():
            require_same(layer_got[name], part, f"{what}, {name} of layer {number}")


def require_close_params(got: Params, wanted: Params, what: str, relative: float) -> None:
    """Raise `Violation` if a part differs by more than `relative` times the largest wanted number of that part."""
    for number, (layer_got, right) in enumerate(zip(got, wanted, strict=True), start=1):
        for name, part in right.items():
            require_close(layer_got[name], part, f"{what}, {name} of layer {number}", relative)


def _first(got: Array, wanted: Array, wrong: Array) -> str:
    """Return the first wrong number and the right one, for a sentence; of a short list, all numbers."""
    index = np.unravel_index(wrong[0], wanted.shape)
    place = f"step {index[0] + 1}" if len(index) == 1 else f"place {tuple(map(int, index))}"
    first = f"{got[index]:.9g} at {place} where it should be {wanted[index]:.9g}"
    if wanted.ndim != 1 or not 1 < len(wanted) <= SHOWN:
        return first
    return f"{first}; all {len(wanted)}: got {_listed(got)}, wanted {_listed(wanted)}"


def _listed(numbers: Array) -> str:
    return f"[{' '.join(f'{number:.9g}' for number in numbers)}]"
