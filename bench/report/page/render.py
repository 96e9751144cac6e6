"""The page as one HTML file: template, style, scripts and libraries put together. Nothing in it loads anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from bench.records.runfile import Run
from bench.report.export import CannotRender
from bench.report.page.payload import content_of

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = resources.files("bench.report.page")
# In the order in which they run: each puts its part into the global `page`.
SCRIPTS = (
    *("format", "state", "theme", "filters", "baseline", "columns", "table", "details", "charts", "across"),
    *("start", "losses", "learned", "scaling", "inference", "resources", "machine", "samples", "printing", "main"),
)
STYLES = ("base", "first_screen", "table", "sections", "media")


@dataclass(frozen=True)
class Library:
    """A library of others that the page contains."""

    name: str
    version: str
    licence: str
    licences: tuple[str, ...]  # texts
    code: str


def page_of(runs: Sequence[Run]) -> str:
    """Return the page of these runs. Raises `CannotRender` without Jinja2, `NothingToShow` for runs without records."""
    try:
        template = _template()
    except ImportError as error:
        raise CannotRender("a report needs a package that is missing: pip install 'levelfield[report]'") from error
    content = content_of(runs)
    libraries = libraries_of_page()
    scripts = [*(library.code for library in libraries), *(_text(f"scripts/{name}.js") for name in SCRIPTS)]
    page: str = template.render(
        **content.words,
        policy=policy(scripts),
        style="".join(_text(f"styles/{name}.css") for name in STYLES),
        scripts=scripts,
        data=embedded(content.data),
        libraries=libraries,
    )
    return page


@cache  # it takes longer to compile than to fill
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html")


def libraries_of_page() -> tuple[Library, ...]:
    """Return the libraries in vendor/, as vendor.json lists them."""
    return tuple(
        Library(
            name=each["name"],
            version=each["version"],
            licence=each["licence"],
            licences=tuple(_text(f"vendor/{name}") for name in each["licences"]),
            code=_text(f"vendor/{each['file']}"),
        )
        for each in json.loads(_text("vendor/vendor.json"))
    )


def embedded(data: Mapping[str, Any]) -> str:
    """Return data as JSON that may stand in a script element: no text in it can end the element or begin a comment."""
    return (
        msgspec.json.encode(data)
        .decode()
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy: these scripts, styles of the page, images made in it; no address at all."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    rules = {
        "default-src": "'none'",
        "script-src": hashes,
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _text(name: str) -> str:
    return FOLDER.joinpath(name).read_text(encoding="utf-8")
