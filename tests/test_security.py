"""What no module of ours does: load code from data, run text, start a shell. Others run our code as themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from support import ROOT

MODULES = sorted(path for package in ("backends", "bench") for path in (ROOT / package).rglob("*.py"))
# Modules whose formats run code when they are read.
CODE_IN_DATA = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "dbm", "yaml"}
RUN_TEXT = {"eval", "exec", "compile", "__import__", "breakpoint"}  # of the language itself
CALLS = {  # by module
    "os": {"system", "popen"},
    "subprocess": {"getoutput", "getstatusoutput"},
    "tempfile": {"mktemp"},
    "torch": {"load"},
    "pandas": {"read_pickle"},
}
METHODS = {"extractall", "extract"}  # of archives: they write where the archive wants
FLAGS = {"shell": False, "allow_pickle": False}  # arguments, and the only value that they may have


def dangers(source: str) -> list[str]:
    """Return what a source does that none may, with the number of the line."""
    return [f"{node.lineno}: {danger}" for node in ast.walk(ast.parse(source)) for danger in _dangers_of(node)]  # type: ignore[attr-defined]


def _dangers_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names if each.name.partition(".")[0] in CODE_IN_DATA)
        case ast.ImportFrom(module=str(module), names=names):
            if module.partition(".")[0] in CODE_IN_DATA:
                yield module
            yield from (f"{module}.{each.name}" for each in names if each.name in CALLS.get(module, ()))
        case ast.Call(func=ast.Name(id=name)) if name in RUN_TEXT:
            yield name
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in CALLS.get(module, ()):
            yield f"{module}.{name}"
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.func.attr
        for keyword in node.keywords:
            if keyword.arg in FLAGS and getattr(keyword.value, "value", None) is not FLAGS[keyword.arg]:
                yield f"{keyword.arg}={ast.unparse(keyword.value)}"


def test_no_module_runs_what_it_reads() -> None:
    assert len(MODULES) > 100
    found = {path.relative_to(ROOT): dangers(path.read_text()) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "danger"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("def late():\n    import cloudpickle.compat", "cloudpickle.compat"),
        ("import yaml\nyaml.load(text)", "yaml"),
        ("eval('1')", "eval"),
        ("exec(text, {})", "exec"),
        ("__import__(name)", "__import__"),
        ("os.system('ls')", "os.system"),
        ("from os import popen", "os.popen"),
        ("run = os.popen", "os.popen"),
        ("subprocess.run(line, shell=True)", "shell=True"),
        ("subprocess.run(line, shell=flag)", "shell=flag"),
        ("subprocess.getoutput('ls')", "subprocess.getoutput"),
        ("tempfile.mktemp()", "tempfile.mktemp"),
        ("from tempfile import mktemp", "tempfile.mktemp"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("tar.extractall(folder)", "extractall"),
        ("archive.extract(member)", "extract"),
        ("torch.load(path)", "torch.load"),
    ],
)
def test_a_danger_is_seen(source: str, danger: str) -> None:
    assert danger in [each.partition(": ")[2] for each in dangers(source)]


@pytest.mark.parametrize(
    "source",
    [
        "re.compile('x')",
        "torch.compile(model)",
        "np.load(path, allow_pickle=False)",
        "json.loads(text)",
        "model.eval()",
    ],
)
def test_what_only_looks_alike_is_no_danger(source: str) -> None:
    assert dangers(source) == []
