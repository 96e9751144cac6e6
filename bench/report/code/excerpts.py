"""The pieces of code that define a task, and those that train it in one mode of a backend."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from backends.registry import Entry
from backends.sequences import every
from bench.errors import UserError
from bench.report.code.recipes import RECIPES, Recipe
from bench.report.code.source import Found, arguments, arm, entries, find, meant, named, read_source, used
from bench.tasks import Task, catalog


@dataclass(frozen=True)
class Excerpt:
    """Lines of a file, one after the other."""

    part: str  # what it is, such as "layer Dense"
    file: str  # such as backends/torch_layers.py
    line: int  # the first, counted from 1
    code: str  # the lines, without the indentation that all of them have


@dataclass(frozen=True)
class Column:
    """The code of one mode of a backend for a task."""

    backend: str
    mode: str
    excerpts: tuple[Excerpt, ...]  # no line stands in two of them
    missing: tuple[str, ...]  # layers and the optimizer that the backend does not have; it cannot train the task then


def definition(name: str) -> tuple[Excerpt, ...]:
    """Return the code that defines the task of a name such as `mnist_mlp`, behind that of the task it is made from."""
    for module in pkgutil.iter_modules(catalog.__path__, f"{catalog.__name__}."):
        source = read_source(module.name)
        for node in source.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call(keywords=keywords)):
                    if any(each.arg == "name" and _is(each.value, name) for each in keywords):
                        found = named(source, variable)
                        return tuple(_cut("task", each) for each in _with_origin(found))
    raise LookupError(f"no file of the catalog defines {name}")


def _is(value: ast.expr, text: str) -> bool:
    return isinstance(value, ast.Constant) and value.value == text


def _with_origin(task: Found | None) -> Iterator[Found]:
    """Yield a task behind the one that it is a `replace` of."""
    if task is None:
        return
    match task.node:
        case ast.Assign(value=ast.Call(func=ast.Name(id="replace"), args=[ast.Name(id=origin)])):
            yield from _with_origin(named(task.source, origin))
    yield task


def column(task: Task, entry: Entry, mode: str) -> Column:
    """Return the code that trains a task in one mode of a backend.

    Of a backend of another package, whose code we do not know, this is the whole module. Raises `UserError` if there is
    no text of it, or if its entry could not be loaded.
    """
    if entry.fault:
        raise UserError(f"the code of {entry.name} cannot be shown: {entry.fault}")
    recipe = RECIPES.get(entry.name, {}).get(mode)
    if recipe is None or entry.package:
        source = read_source(entry.module)
        whole = Excerpt("module", source.file, 1, "\n".join(source.lines).rstrip("\n"))
        return Column(entry.name, mode, (whole,), ())
    kinds = tuple(dict.fromkeys(type(layer).__name__ for layer in every(task.layers)))
    optimizer = type(task.optimizer).__name__
    missing = _missing(recipe, kinds, optimizer)
    seen: list[Found] = []
    cuts = tuple(
        _cut(part, each)
        for part, found in _parts(recipe, task, kinds, optimizer)
        for each in found
        if not _is_seen(each, seen)
    )
    return Column(entry.name, mode, cuts, missing)


def _parts(recipe: Recipe, task: Task, kinds: Iterable[str], optimizer: str) -> Iterator[tuple[str, Iterable[Found]]]:
    """Yield what is shown, part by part, in the order in which it is read."""
    ways = {"model": recipe.model, "training step": recipe.step, "loop": recipe.loop}
    told = {part: [find(recipe.place(name)) for name in names] for part, names in ways.items()}
    layers = entries(find(recipe.place(recipe.layers))) if recipe.layers else {}
    # Other layers are no helpers of those that are used, and what has a part of its own is shown there.
    apart = [*map(meant, layers.values()), *(each for found in told.values() for each in found)]
    for kind in kinds:
        if kind in layers:
            yield f"layer {kind}", _with_helpers(meant(layers[kind]), recipe, apart)
    for name in dict.fromkeys(layer.activation for layer in every(task.layers) if layer.activation != "identity"):
        tables = (entries(find(recipe.place(table))) for table in recipe.activations)
        found = [meant(table[name]) for table in tables if name in table]
        yield f"activation {name}", [helped for each in found for helped in _with_helpers(each, recipe, apart)]
    yield "model", told["model"]
    yield "loss", _with_helpers(meant(entries(find(recipe.place(recipe.losses)))[task.loss]), recipe, apart)
    if recipe.optimizer:
        yield "optimizer", _with_helpers(arm(find(recipe.place(recipe.optimizer)), optimizer), recipe, apart)
    yield "training step", told["training step"]
    yield "loop", told["loop"]


def _with_helpers(found: Found, recipe: Recipe, apart: Collection[Found]) -> list[Found]:
    """Return a piece of code, and the functions and classes of the backend that it is made with, and so on."""
    chain = [found]
    for each in chain:  # which grows meanwhile
        for helper in used(each):
            if helper.source.module.startswith(f"{recipe.family}_") and helper not in (*chain, *apart):
                chain.append(helper)
    return chain


def _cut(part: str, found: Found) -> Excerpt:
    return Excerpt(part, found.source.file, found.first, found.code)


def _missing(recipe: Recipe, kinds: Iterable[str], optimizer: str) -> tuple[str, ...]:
    supported = arguments(find(recipe.place(recipe.supported)))
    layers, optimizers = (entries(meant(supported[name])) for name in ("layers", "optimizers"))
    return (*(kind for kind in kinds if kind not in layers), *((optimizer,) if optimizer not in optimizers else ()))


def _is_seen(found: Found, seen: list[Found]) -> bool:
    """Return whether all lines of what was found have been shown; if not, remember them."""
    if any(found.source is each.source and each.first <= found.first and found.last <= each.last for each in seen):
        return True
    seen.append(found)
    return False
