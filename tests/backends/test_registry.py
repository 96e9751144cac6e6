"""Backends by name: what is missing says how to install it, and another package's fault costs only its own rows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support import FAKES, ROOT, a_row, entries_in

from backends import registry
from backends.registry import BUILT_IN, Entry, require_sound, third_party
from bench.harness.availability import unavailable

MISSING = Entry("absent", "absent", ("loop",), "no_such_framework", ("no-such",), "pip install no-such")


def test_a_framework_that_is_not_installed_has_no_version() -> None:
    assert MISSING.version() is None
    assert BUILT_IN["numpy"].version() is not None


def test_rows_of_a_missing_framework_are_unsupported_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BACKENDS, "absent", MISSING)
    here, gone = a_row("line_fit"), a_row("line_fit", "absent")
    found = unavailable([here, gone], {})
    assert found == {gone: ("unsupported", "no_such_framework is not installed: pip install no-such")}


def test_a_framework_that_runs_on_another_is_missing_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(BUILT_IN["numpy"], name="absent", also_needs=("sys", "no_such_framework"), install="pip install it")
    assert entry.version() is None
    monkeypatch.setitem(registry.BACKENDS, "absent", entry)
    row = a_row("line_fit", "absent")
    assert unavailable([row], {}) == {row: ("unsupported", "no_such_framework is not installed: pip install it")}
    both = replace(entry, framework="neither")
    monkeypatch.setitem(registry.BACKENDS, "absent", both)
    reason = "neither and no_such_framework are not installed: pip install it"
    assert unavailable([row], {}) == {row: ("unsupported", reason)}


def test_rows_without_data_say_why_whatever_their_backend() -> None:
    row, other = a_row("mnist_mlp"), a_row("line_fit")
    assert unavailable([row, other], {"mnist_mlp": "no source gave it"}) == {row: ("no data", "no source gave it")}


def test_an_entry_that_could_not_be_loaded_is_a_failure_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BACKENDS, "absent", replace(MISSING, fault="entry point absent: SyntaxError: no"))
    row = a_row("line_fit", "absent")
    assert unavailable([row], {}) == {row: ("failed", "entry point absent: SyntaxError: no")}


def test_other_packages_add_backends_and_cannot_replace_ours() -> None:
    code = "from backends.registry import BACKENDS; print(*BACKENDS); print(BACKENDS['broken'].fault)"
    environment = {"PYTHONPATH": f"{ROOT}:{FAKES}"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    names, fault = result.stdout.splitlines()
    assert set(names.split()) == {"misbehaving", "broken", *BUILT_IN}
    assert fault.startswith("entry point misbehaving:NOWHERE: AttributeError")


def test_an_entry_that_is_found_says_which_package_it_is_from() -> None:
    assert {entry.package for entry in entries_in(FAKES).values()} == {"misbehaving"}
    assert {entry.package for entry in BUILT_IN.values()} == {""}


def test_another_package_cannot_take_the_name_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        SimpleNamespace(name=name, value="theirs:ENTRY", load=lambda name=name: replace(MISSING, name=name), dist=None)
        for name in ("reference", "other")
    ]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
    found = third_party()
    assert found["reference"].fault == (
        "entry point theirs:ENTRY: ValueError: the name 'reference' is reserved for the parity reference; "
        "choose another"
    )
    assert found["other"].fault == ""


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"also_needs": None}, "TypeError: also_needs must be a tuple of strings, got None"),
        ({"framework": "sys", "distributions": ("",)}, "ValueError: A distribution name is required."),
    ],
)
def test_an_entry_that_no_list_could_show_is_a_fault_of_its_own(
    changes: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(MISSING, name="odd", **changes)
    monkeypatch.setattr(
        registry.metadata,
        "entry_points",
        lambda group: [SimpleNamespace(name="odd", value="x:Y", dist=None, load=lambda: entry)],
    )
    found = third_party()["odd"]
    assert found.fault == f"entry point x:Y: {fault}"
    assert found.version()


def test_an_entrys_module_can_be_imported_before_the_registry() -> None:
    code = "import misbehaving; from backends.registry import BACKENDS; print(repr(BACKENDS['misbehaving'].fault))"
    environment = {"PYTHONPATH": f"{ROOT}:{FAKES}"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "''"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modes": "eager"}, "modes must be a tuple of strings, got 'eager'"),
        ({"modes": ()}, "modes must name at least one mode, got none"),
        ({"devices": ()}, r"devices must be cpu, gpu or both, got \(\)"),
        ({"devices": ("cuda",)}, r"devices must be cpu, gpu or both, got \('cuda',\)"),
        ({"distributions": (1,)}, r"distributions must be a tuple of strings, got \(1,\)"),
        ({"also_needs": None}, "also_needs must be a tuple of strings, got None"),
        ({"variables": "TINY_"}, "variables must be a tuple of strings, got 'TINY_'"),
        ({"caches": [1]}, r"caches must be a tuple of strings, got \[1\]"),
        ({"keeping": ("TINY_CACHE",)}, "keeping must be texts NAME=VALUE, got 'TINY_CACHE'"),
        ({"install": None}, "install must be a string, got None"),
        ({"framework": ""}, "framework must be the import name of a package, got ''"),
        (
            {"also_needs": ("google.protobuf",)},
            "also_needs must be the import name of a package, got 'google.protobuf'",
        ),
        ({"fault": 5}, "fault must be a string, got 5"),
        ({"caches": ("X=Y",)}, "caches must name environment variables, got 'X=Y'"),
        ({"variables": ("",)}, "variables must name environment variables, got ''"),
        ({"modes": ("plain", "\ud800")}, r"modes must be text that a file can hold, got '\\ud800'"),
        ({"caches": ("A\0B",)}, r"caches must be text that a file can hold, got 'A\\x00B'"),
        ({"python": "python\0"}, r"python must be text that a file can hold, got 'python\\x00'"),
    ],
)
def test_an_entry_with_fields_of_other_types_is_refused(changes: dict[str, Any], message: str) -> None:
    require_sound(MISSING)
    with pytest.raises((TypeError, ValueError), match=message):
        require_sound(replace(MISSING, **changes))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_mode_is_explained_in_its_backends_docstring(name: str) -> None:
    source = (ROOT / BUILT_IN[name].module.replace(".", "/")).with_suffix(".py").read_text()
    docstring = source.split('"""')[1]
    for mode in BUILT_IN[name].modes:
        assert f"\n    {mode} " in docstring


def explained_modes(source: str) -> tuple[str, ...]:
    """Return the modes that the docstring of a backend's source explains, in its order."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    _, _, listed = docstring.partition(":\n    ")
    return tuple(re.findall(r"^    (\S+)  +\S", f"    {listed}", flags=re.MULTILINE))


@pytest.mark.parametrize("entry", BUILT_IN.values(), ids=lambda entry: entry.name)
def test_a_backends_docstring_explains_its_modes_in_the_order_of_the_registry(entry: Entry) -> None:
    source = (ROOT / f"{entry.module.replace('.', '/')}.py").read_text()
    assert explained_modes(source) == entry.modes


def test_a_mode_that_is_not_explained_is_seen() -> None:
    assert explained_modes('"""A backend.\n\nModes:\n    eager   one\n            by one\n    scan  all\n"""') == (
        "eager",
        "scan",
    )
    assert explained_modes('"""A backend without any."""') == ()
