"""Command lines: every command with any options ends with a known exit code, a sentence, and nobody's file touched."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import COMMAND, INPUTS, content_of, inputs, run
from hypothesis import strategies as st
from target import fuzz
from task_texts import GRID, KEY, NAME, SOME_TEXT, TASK, VALUE, size_of

from backends.registry import BACKENDS
from bench.cli.exit_codes import ExitCode

COMMANDS: dict[str, Any] = COMMAND.commands
PATHS = st.sampled_from(
    (
        *(*INPUTS, *INPUTS, "missing.jsonl", "folder", "folder/new.jsonl", "folder/deep/new.jsonl", "new.jsonl", "."),
        *("new.csv", "new.md", "new.html", "new.tex", "new.json", "new.parquet", "new.xlsx", "new.CSV", "new", "new."),
        *("bad.jsonl/new.jsonl", "", " ", "-", "x" * 300, "new\udcff.jsonl", "new\x1b[31m.jsonl", "new\n.jsonl"),
    )
)
NUMBERS = st.sampled_from(("1", "2", "0", "-1", "5%", "5", "0.5", "1e3", "nan", "inf", "1e400", "9" * 30, "five", ""))
BACKEND = st.sampled_from((*BACKENDS, *BACKENDS, "jx", "torch:eager", "numpy:loop", "linear_fit numpy", ""))
MODE = st.sampled_from(tuple(mode for entry in BACKENDS.values() for mode in entry.modes))
SETTING = st.tuples(KEY, VALUE).map("=".join)
OF_OPTION: dict[str, st.SearchStrategy[str]] = {
    "set": SETTING | SOME_TEXT,
    "vary": GRID,
    "backend": BACKEND,
    "baseline": BACKEND,
    "mode": MODE,
    "task": NAME | TASK,
    "tasks": NAME | TASK | st.just("all"),
    "names": BACKEND | st.just("mnist"),
    "style": st.sampled_from(("markdown", "csv", "json", "latex", "html", "parquet", "xlsx")),
    "rank": st.sampled_from(("steady", "total", "fast")),
    "device": st.sampled_from(("cpu", "gpu", "auto", "tpu")),
    "precision": st.sampled_from(("float32", "float64", "float16")),
    "cluster": st.sampled_from(("local:2", "local:0", "local:", "tcp://nowhere:1", "")),
    "allow": st.sampled_from(("machine", "versions", "settings", "code")),
    "output_of": st.sampled_from(("linear_fit torch x", "linear_fit", "none", "")),
    **dict.fromkeys(("runs", "then", "now", "out", "resume", "data_dir", "old", "new"), PATHS),
}
FEW = ("selftest", "faults", "cheats", "alarms", "doctor", "list", "data")  # commands with little to give
CHOSEN = st.sampled_from((*COMMANDS, *[name for name in COMMANDS if name not in FEW] * 3, "fly"))


def harmless(token: str) -> str:
    """Return what a shell could give, and what as a path stays in its folder."""
    return token.replace("\x00", "").replace("..", "").lstrip("/") if len(token) < 2**15 else token[: 2**15]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw a command and values for some of its parameters."""
    name = draw(CHOSEN)
    tokens = []
    for parameter in COMMANDS[name].params if name in COMMANDS else ():
        tokens += draw(given_or_not(parameter))
    if draw(st.integers(0, 7)) == 0:
        tokens.insert(draw(st.integers(0, len(tokens))), draw(SOME_TEXT | st.sampled_from(("--help", "--", "-x"))))
    return [name, *map(harmless, tokens)]


def given_or_not(parameter: Any) -> st.SearchStrategy[list[str]]:
    """Return the tokens of a parameter; none where it is left out."""
    values = OF_OPTION.get(str(parameter.name), OF_OPTION.get(parameter.opts[0].lstrip("-"), NUMBERS))
    if parameter.param_type_name == "argument":
        return st.lists(values, min_size=int(parameter.required), max_size=2 if parameter.nargs == -1 else 1)
    if parameter.is_flag:
        chosen: st.SearchStrategy[list[str]] = st.just([parameter.opts[0]])
    else:
        chosen = values.map(lambda value: [parameter.opts[0], value])
    seldom = 3 if not parameter.required else 10
    return st.integers(0, 11).flatmap(lambda die: chosen if die < seldom else st.just([]))


def assert_ends_well(arguments: list[str]) -> Any:
    """Raise AssertionError unless a command ends as a user should see it."""
    ended = run(arguments)
    assert ended.code in {int(code) for code in ExitCode}, f"exit code {ended.code!r}"
    for text in (ended.output, ended.errors):
        assert "Traceback" not in text
        assert "\x1b" not in text
    if any(line.startswith("error:") for line in ended.errors.splitlines()):  # `ab` first tells what it compares
        assert ended.code in (ExitCode.USAGE_ERROR, ExitCode.NOT_COMPARABLE, ExitCode.FAILED)
    elif ended.code == ExitCode.USAGE_ERROR:
        assert "Usage:" in ended.errors, f"no word of why: {ended.errors!r}"
    written = {each.removeprefix("--out=") for each in arguments}
    for name, content in inputs().items():
        if "--out" not in arguments or name not in written:
            assert content_of(name).startswith(content), f"{name} is not what it was"
    return ended


@fuzz("command lines", command_lines(), share=25_000)
def test_any_command_line_ends_as_a_user_should_see(arguments: list[str]) -> int:
    assert_ends_well(arguments)
    return 100_000 + size_of(*arguments)  # what a command prints and writes


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_can_be_reached_with_its_fakes(name: str) -> None:
    needed: dict[str, list[str]] = {
        "sweep": ["linear_fit", "--vary", "epochs=1,2"],
        "check-backend": ["numpy"],
        "show": ["linear_fit"],
        "table": ["run.jsonl"],
        "report": ["run.jsonl", "-o", "a.html"],
        "merge": ["run.jsonl", "-o", "store"],
        "history": ["run.jsonl", "old.jsonl"],
        "plot": ["run.jsonl", "--of", "losses", "-o", "a.svg"],
        "compare": ["run.jsonl", "run.jsonl"],
        "ab": ["linear_fit", "--backend", "numpy", "--old", "folder", "--new", "folder"],
    }
    ended = assert_ends_well([name, *needed.get(name, [])])
    assert ended.code != ExitCode.USAGE_ERROR, ended.errors
    assert ended.output or ended.errors
