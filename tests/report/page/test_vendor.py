"""The libraries of the report page are what vendor.json says, have their licences, and are in the wheel."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from support import ROOT

from bench.report.page.render import FOLDER, SCRIPTS, STYLES, libraries_of_page

VENDOR = ROOT / "bench" / "report" / "page" / "vendor"
LISTED: list[dict[str, Any]] = json.loads((VENDOR / "vendor.json").read_text())


@pytest.mark.parametrize("library", LISTED, ids=lambda library: library["file"])
def test_a_library_is_the_file_that_was_fetched(library: dict[str, Any]) -> None:
    assert hashlib.sha256((VENDOR / library["file"]).read_bytes()).hexdigest() == library["sha256"]


def test_nothing_lies_there_that_is_not_listed() -> None:
    known = {"vendor.json"}
    for library in LISTED:
        known |= {library["file"], *library["licences"], *filter(None, [library.get("bundled_from")])}
    assert {path.name for path in VENDOR.iterdir()} == known


def test_each_library_has_the_text_of_its_licence() -> None:
    for library in libraries_of_page():
        assert library.licence == "MIT"
        assert library.licences
        for text in library.licences:
            assert "Permission is hereby granted, free of charge" in text
            assert "Copyright (c)" in text


def test_no_file_of_the_page_could_end_its_own_element() -> None:
    texts = [FOLDER.joinpath(f"scripts/{name}.js").read_text() for name in SCRIPTS]
    texts += [library.code for library in libraries_of_page()]
    assert not any("</script" in text.lower() or "<!--" in text for text in texts)
    styles = [FOLDER.joinpath(f"styles/{name}.css").read_text() for name in STYLES]
    assert not any("</style" in text.lower() for text in styles)


def test_every_script_and_style_is_in_the_page() -> None:
    assert {path.stem for path in Path(str(FOLDER)).glob("scripts/*.js")} == set(SCRIPTS)
    assert {path.stem for path in Path(str(FOLDER)).glob("styles/*.css")} == set(STYLES)


def test_no_script_makes_markup_of_a_text() -> None:
    for name in SCRIPTS:
        text = FOLDER.joinpath(f"scripts/{name}.js").read_text()
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in text, name


def test_the_wheel_has_all_files_of_the_page() -> None:
    packed = {each.relative_path for each in WheelBuilder(str(ROOT)).recurse_included_files()}
    folder = ROOT / "bench" / "report" / "page"
    needed = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(needed) > 30
    assert {str(path.relative_to(ROOT)) for path in needed} <= packed
