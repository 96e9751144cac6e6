"""Finds what a module defines and cuts it out of its file. The module is read as text, so no framework is imported.

A place in a module is a dotted name behind that of the module: `LAYERS`, `Trainer.step`, or `Trainer.__init__.steps`,
which is the statement in `__init__` that sets `self.steps`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError
from bench.report.text import visible


@dataclass(frozen=True)
class Source:
    """A module as text, and its tree."""

    module: str  # dotted name
    lines: tuple[str, ...]
    tree: ast.Module

    @property
    def file(self) -> str:
        """The path of the file below the folder that its package lies in, such as `backends/torch_layers.py`."""
        return f"{self.module.replace('.', '/')}.py"


@dataclass(frozen=True)
class Found:
    """A definition, a statement or a part of one, and the lines of its module that it stands in."""

    source: Source
    node: ast.AST
    first: int  # line, counted from 1
    last: int

    @property
    def code(self) -> str:
        """Its lines, whole, as they stand in the file but for the indentation that all of them have."""
        return textwrap.dedent("\n".join(self.source.lines[self.first - 1 : self.last]))

    def __str__(self) -> str:
        return f"line {self.first} of {self.source.file}"


def at(source: Source, node: ast.stmt | ast.expr) -> Found:
    """Return a node with its lines; decorators stand above the line that a function itself begins with."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min(each.lineno for each in (node, *decorators))
    return Found(source, node, first, node.end_lineno or node.lineno)


@functools.cache
def read_source(module: str) -> Source:
    """Return a module as text. Raises `UserError` if there is none, as for a compiled one, or if it is no Python."""
    try:
        spec = importlib.util.find_spec(module)  # which imports no more than the package that the module is in
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            raise FileNotFoundError("there is no Python file of it")
        text = visible(Path(spec.origin).read_text(encoding="utf-8"))
        return Source(module, tuple(text.split("\n")), ast.parse(text))
    except Exception as error:  # a package of somebody else may raise anything
        raise UserError(f"the code of {module or 'it'} cannot be shown: {type(error).__name__}: {error}") from error


def find(place: str) -> Found:
    """Return what stands at a place such as `backends.torch_layers.DenseLayer.forward`. Raises `LookupError`."""
    package, module, *names = place.split(".")
    source = read_source(f"{package}.{module}")
    found = named(source, names[0])
    if found is None:
        raise LookupError(f"nothing is called {names[0]} in {source.file}")
    for name in names[1:]:
        found = _inside(found, name)
    return found


def named(source: Source, name: str) -> Found | None:
    """Return what a module means by a name of its own, or of another module of its package that it is imported from."""
    for node in source.tree.body:
        if name in _defined_by(node):
            return at(source, node)
        if isinstance(node, ast.ImportFrom) and node.module and _is_beside(node.module, source):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return named(read_source(node.module), alias.name)
    return None


def _is_beside(module: str, source: Source) -> bool:
    return module.rpartition(".")[0] == source.module.rpartition(".")[0]


def _inside(found: Found, name: str) -> Found:
    """Return the method of a class, or the statement of a function that sets a variable or an attribute of self."""
    for node in ast.walk(found.node):
        if isinstance(node, ast.stmt) and node is not found.node and name in _defined_by(node):
            return at(found.source, node)
    raise LookupError(f"nothing is called {name} in what begins at {found}")


def _defined_by(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [_last_name(target) for target in targets]
        case ast.AnnAssign(target=target):
            return [_last_name(target)]
        case _:
            return []


def _last_name(target: ast.expr) -> str:
    """Return `steps` for `steps` and for `self.steps`, nothing for what is neither."""
    match target:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
        case _:
            return ""


def entries(table: Found) -> dict[str, Found]:
    """Return the values of a table by key, which is a name or a text; without values, `(Dense, Flatten)`, the keys.

    Raises `LookupError` for what is no table.
    """
    value = table.node.value if isinstance(table.node, ast.Assign | ast.AnnAssign) else table.node
    match value:
        case ast.Dict(keys=keys, values=values):
            return {_key(key): at(table.source, each) for key, each in zip(keys, values, strict=True) if key}
        case ast.Tuple(elts=elements):
            return {_key(each): at(table.source, each) for each in elements}
        case _:
            raise LookupError(f"{table} is no table")


def _key(key: ast.expr) -> str:
    match key:
        case ast.Name(id=name) | ast.Constant(value=str(name)):
            return name
        case _:
            raise LookupError(f"{ast.unparse(key)} is no key of a table")


def arguments(call: Found) -> dict[str, Found]:
    """Return the named arguments of a call that is given a name: `SUPPORTED = Supported(layers=LAYERS)`."""
    match call.node:
        case ast.Assign(value=ast.Call(keywords=keywords)):
            return {each.arg: at(call.source, each.value) for each in keywords if each.arg}
        case _:
            raise LookupError(f"{call} is no call")


def meant(found: Found) -> Found:
    """Return what a name stands for, if it is defined in this package; otherwise what was given."""
    if isinstance(found.node, ast.Name):
        return named(found.source, found.node.id) or found
    return found


def arm(function: Found, kind: str) -> Found:
    """Return the case of a function's `match` that stands for the class `kind`. Raises `LookupError`."""
    for node in ast.walk(function.node):
        if isinstance(node, ast.match_case):
            match node.pattern:
                case ast.MatchClass(cls=ast.Name(id=name)) as pattern if name == kind:
                    last = node.body[-1]
                    return Found(function.source, node, pattern.lineno, last.end_lineno or last.lineno)
    raise LookupError(f"the function at {function} has no case for {kind}")


def used(found: Found) -> Iterator[Found]:
    """Yield the functions and classes of the package whose names a piece of code reads; annotations do not count."""
    for name in dict.fromkeys(_names(found.node)):
        target = named(found.source, name)
        if target and isinstance(target.node, ast.FunctionDef | ast.ClassDef):
            yield target


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _names(child)
