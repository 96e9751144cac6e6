"""Rules that keep the pages for people true. Each takes a page and returns what is wrong in it."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import itertools
import re
import shlex
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from support import KINDS, ROOT

from bench import conftest
from bench.analysis.baseline import require_baseline
from bench.cli.app import app
from bench.runs.plan import percent
from bench.runs.selection import Choice, choose_rows
from bench.tasks import TASKS
from bench.tasks.names import grid

# What the pages tell their readers to make is checked as something that is there already.
STAND_INS = {"rings": "linear_fit", "mine": "numpy", "pocketgrad": "numpy", "NAME": "numpy"}
NEW_MODULES = ("rings",)
PLACEHOLDER = re.compile(r"[A-Z]+")  # of a file: RUN, BEFORE, AFTER
OUR_FOLDERS = r"(?:bench|backends|tests|results|\.ci)"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BENCH = typer.main.get_command(app)


@dataclass(frozen=True)
class Page:
    """A page of markdown, taken apart."""

    path: str  # from the root of the repository
    text: str
    spans: tuple[str, ...]  # inline code
    lines: tuple[str, ...]  # of code blocks that are not Python
    python: tuple[str, ...]  # code blocks


def read_page(path: str) -> Page:
    """Read a page of the repository."""
    return page_of(path, (ROOT / path).read_text())


def page_of(path: str, text: str) -> Page:
    """Take markdown apart; a code block is fenced, or indented by four spaces after an empty line."""
    fence = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
    fenced = [(language, textwrap.dedent(code)) for language, code in fence.findall(text)]
    prose, indented = [], []
    for before, line in itertools.pairwise(["", *fence.sub("", text).split("\n")]):
        is_code = line.startswith("    ") and (not before.strip() or bool(indented and indented[-1] == before))
        (indented if is_code else prose).append(line)
    blocks = [line for language, code in fenced if language != "python" for line in code.splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", "\n".join(prose))]
    return Page(
        path=path,
        text=text,
        spans=tuple(spans),
        lines=tuple(line.strip() for line in [*blocks, *indented]),
        python=tuple(code for language, code in fenced if language == "python"),
    )


# Commands


def commands(page: Page) -> list[list[str]]:
    """Return every command line of a page, split into words."""
    parts = [part for line in [*page.spans, *page.lines] for part in re.sub(r"\s+(#|> ).*", "", line).split(" && ")]
    split = [shlex.split(part.removesuffix(" ...")) for part in parts if part.split(" ")[0] in PROGRAMS]
    return [words for words in split if len(words) > 1]


def command_faults(page: Page) -> list[str]:
    """Return the commands that would be refused: unknown names, options, settings, sessions, extras, markers."""
    faults = []
    for words in commands(page):
        try:
            PROGRAMS[words[0]]([STAND_INS.get(word, word) for word in words[1:]])
        except Exception as error:
            faults.append(f"{shlex.join(words)}: {error}")
    return faults


def require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_bench(arguments: list[str]) -> None:
    name, *rest = arguments
    if name.startswith("--"):
        require(any(name in each.opts for each in BENCH.params), f"bench has no option {name}")
        return
    require(name in BENCH.commands, f"there is no command {name}")
    if not rest:
        return  # it is only spoken of
    given = BENCH.commands[name].make_context(name, rest).params
    tasks = tuple(given.get("tasks") or ())
    if name == "sweep":
        tasks = grid(given["task"], given["vary"])
    if name == "check-backend":
        tasks, given["backend"] = tuple(given["task"] or ()), given["names"]
    if name == "ab":
        tasks, given["backend"], given["mode"] = (
            (given["task"],),
            [given["backend"]],
            [given["mode"]] * bool(given["mode"]),
        )
    settings = dict(text.split("=", 1) for text in given.get("settings") or ())
    backends, modes = tuple(given.get("backend") or ()), tuple(given.get("mode") or ())
    chosen = Choice(tasks=tasks, backends=backends, modes=modes, device="cpu", settings=settings)
    rows = choose_rows(chosen, has_gpu=False)
    require(rows, "it chooses nothing")
    require_baseline(given.get("baseline") or "", rows)
    for option in ("detect", "fail_on"):
        percent(given.get(option) or "5%", f"--{option}")
    for file in [*(given.get("runs") or ()), *filter(None, map(given.get, ("then", "now", "resume")))]:
        require(PLACEHOLDER.fullmatch(str(file)) or (ROOT / file).is_file(), f"there is no run file {file}")


class Refuser(argparse.ArgumentParser):
    """A parser that raises what is wrong instead of leaving Python."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ValueError(message)


class Group:
    """What pytest hands to `pytest_addoption`, as far as ours asks for it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.addoption = parser.add_argument

    def getgroup(self, name: str) -> Group:
        return self


def require_pytest(arguments: list[str]) -> None:
    parser = Refuser(allow_abbrev=False)
    parser.add_argument("paths", nargs="*")
    for option in ("-k", "-m", "--benchmark-json"):
        parser.add_argument(option, default="")
    conftest.pytest_addoption(Group(parser))  # type: ignore[arg-type]
    given = parser.parse_args(arguments)
    for path in given.paths:
        require((ROOT / path).exists(), f"there is no {path}")
    names = [f"{task}-{backend}-{mode}" for task in TASKS for backend, mode in KINDS]
    for word in set(re.findall(r"\w+", given.k)) - {"and", "or", "not"}:
        require(any(word in name for name in names), f"-k {word} selects no row")
    known = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    for word in set(re.findall(r"\w+", given.m)) - {"and", "or", "not"}:
        require(word in known, f"there is no marker {word}")


def sessions() -> dict[str, list[str]]:
    """Return the versions of Python that each session of noxfile.py can be asked for, by its name."""
    found = {}
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        for mark in map(ast.unparse, getattr(node, "decorator_list", ())):
            if mark.startswith("nox.session"):
                found[node.name] = re.findall(r"'(3\.\d+)'", mark)  # type: ignore[attr-defined]
    return found


def require_nox(arguments: list[str]) -> None:
    require(arguments[:1] == ["-s"] and len(arguments) > 1, "nox takes -s and a session here")
    session, *rest = arguments[1:]
    require(session in sessions(), f"there is no session {session}")
    if rest[:1] == ["-p"]:
        require(rest[1:] != [] and rest[1] in sessions()[session], f"{session} has no Python {rest[1:]}")
        rest = rest[2:]
    if rest:
        require(rest[0] == "--", "arguments of a session stand behind --")
        passed_on: dict[str, Callable[[list[str]], None]] = {
            **dict.fromkeys(("bench", "report"), lambda options: require_bench(["run", *options])),
            "tests": require_pytest,
        }
        passed_on[session](rest[1:])


def require_pip(arguments: list[str]) -> None:
    known = PROJECT["project"]["optional-dependencies"]
    for argument in arguments:
        for extra in ",".join(re.findall(r"\[(.*)\]", argument)).split(","):
            require(not extra or extra in known, f"there is no extra {extra}")
    for option, value in itertools.pairwise(arguments):
        require(option != "-c" or (ROOT / value).is_file(), f"there is no {value}")


def require_python(arguments: list[str]) -> None:
    modules: dict[str, Callable[[list[str]], None]] = {
        "nox": require_nox,
        "pip": require_pip,
        "pytest": require_pytest,
        "venv": lambda _: None,
    }
    require(arguments[0] == "-m" and arguments[1] in modules, f"no page should say python3 {shlex.join(arguments)}")
    modules[arguments[1]](arguments[2:])


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "bench": require_bench,
    "pytest": require_pytest,
    "python3": require_python,
    "pip": require_pip,
}


def option_faults(page: Page) -> list[str]:
    """Return the options that stand alone in inline code and that no command has."""
    parameters = [parameter for command in BENCH.commands.values() for parameter in command.params]
    declared = ["--help", *(option for parameter in parameters for option in parameter.opts)]
    alone = [span.removeprefix("-- ").split(" ")[0] for span in page.spans if span.startswith("--")]
    return [f"no command has the option {option}" for option in alone if option not in declared]


# Files, headings and modules


def file_faults(page: Page) -> list[str]:
    """Return the files, and the headings of linked pages, that are not there."""
    faults = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.text):
        file, _, heading = target.partition("#")
        if target.startswith("https://"):
            continue
        path = (ROOT / page.path).parent / file if file else ROOT / page.path
        if not path.exists():
            faults.append(f"there is no {file}")
        elif heading and heading not in anchors(path.read_text()):
            faults.append(f"{path.name} has no heading #{heading}")
    prose = re.sub(r"\]\([^)]*\)", "", page.text)
    named = re.findall(rf"(?<![\w./-]){OUR_FOLDERS}/[\w./-]*\w/?", prose)
    return faults + [f"there is no {path}" for path in named if not list(ROOT.glob(path.replace("NAME", "*")))]


def anchors(text: str) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def module_faults(page: Page) -> list[str]:
    """Return the dotted names of ours, in inline code or imported by examples, that name nothing."""
    named = [name for span in page.spans for name in re.findall(r"^(?:bench|backends)(?:\.\w+)+", span)]
    named += [name for code in page.python if not is_excerpt(code) for name in imported(ast.parse(code))]
    ours = [name for name in named if name.split(".")[0] in ("bench", "backends")]
    return [f"there is no {name}" for name in ours if not names_something(name)]


def imported(tree: ast.Module) -> Iterator[str]:
    """Return the modules that a source imports, and what it imports from them."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_something(dotted: str) -> bool:
    """Return whether a module, or something in one, has this name; framework modules are found and not imported."""
    parts = dotted.split(".")
    if set(parts) & set(NEW_MODULES):
        return True
    path = ROOT.joinpath(*parts)
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    try:
        module = importlib.import_module(".".join(parts[:-1]))
    except ModuleNotFoundError:
        return False
    return hasattr(module, parts[-1])


# Python


def excerpts(page: Page) -> list[tuple[str, str]]:
    """Return each piece of code that is cut from a file, and the path of the file, which stands in a comment before it.

    `...` alone in a line stands for lines left out.
    """
    found = []
    for code in filter(is_excerpt, page.python):
        for path, body in re.findall(r"^# ([\w/]+\.py)\n(.*?)(?=^# [\w/]+\.py$|\Z)", code, re.DOTALL | re.MULTILINE):
            found += [(path, part) for part in re.split(r"^ *\.\.\.$\n?", body, flags=re.MULTILINE)]
    return found


def excerpt_faults(page: Page) -> list[str]:
    """Return the excerpts that are not in their files line by line, at whatever depth."""
    return [f"not in {path}: {code.strip()}" for path, code in excerpts(page) if not is_in(path, code)]


def is_in(path: str, code: str) -> bool:
    """Return whether these lines stand one after the other in a file; empty lines do not count."""
    source, flush = squeezed((ROOT / path).read_text()), textwrap.dedent(code)
    return any(squeezed(textwrap.indent(flush, " " * depth)) in source for depth in range(0, 24, 4))


def is_excerpt(code: str) -> bool:
    """Return whether a code block is cut from a file."""
    return re.match(r"# [\w/]+\.py\n", code) is not None


def squeezed(code: str) -> str:
    """Return code without empty lines, a line break before and behind it."""
    return "\n" + "".join(f"{line}\n" for line in code.splitlines() if line.strip())


def words(text: str) -> int:
    """Return the number of words of a page, as `wc -w` counts them."""
    return len(text.split())


RULES: tuple[Callable[[Page], list[str]], ...] = (
    command_faults, option_faults, file_faults, module_faults, excerpt_faults
)  # fmt: skip
