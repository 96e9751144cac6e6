"""`bench show`: what is cut from the files of the backends stands there, is all that a task uses, and nothing else."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from page_rules import excerpts as quoted_on_page
from page_rules import is_in, read_page, squeezed
from rich.console import Console
from support import KINDS, ROOT

from backends.registry import BUILT_IN, Entry
from backends.sequences import every
from bench.errors import UserError
from bench.report.code import side_by_side
from bench.report.code.excerpts import Column, Excerpt, column, definition
from bench.report.code.recipes import RECIPES
from bench.report.code.source import arm, entries, find, meant, named, read_source
from bench.tasks import TASKS

ALWAYS = ["model", "loss", "training step", "loop"]


def every_column() -> list[tuple[str, Column]]:
    return [(name, column(task, BUILT_IN[kind], mode)) for name, task in TASKS.items() for kind, mode in KINDS]


def lines_of(file: str) -> list[str]:
    return (ROOT / file).read_text().split("\n")


def unlike_its_file(excerpt: Excerpt) -> bool:
    """Return whether the lines of an excerpt are not those that stand at its place in its file."""
    code = excerpt.code.split("\n")
    found = lines_of(excerpt.file)[excerpt.line - 1 : excerpt.line - 1 + len(code)]
    return textwrap.dedent("\n".join(found)) != excerpt.code or not is_in(excerpt.file, excerpt.code)


def test_every_excerpt_is_what_stands_at_its_place() -> None:
    cut = [excerpt for _, each in every_column() for excerpt in each.excerpts]
    cut += [excerpt for name in TASKS for excerpt in definition(name)]
    assert len(cut) > 1000
    assert [excerpt for excerpt in cut if not excerpt.code.strip() or unlike_its_file(excerpt)] == []
    assert unlike_its_file(Excerpt("loss", "backends/jax_layers.py", cut[0].line, cut[0].code))


@pytest.mark.parametrize(("backend", "mode"), KINDS)
def test_every_task_has_all_parts_and_only_the_layers_that_it_uses(backend: str, mode: str) -> None:
    for task in TASKS.values():
        found = column(task, BUILT_IN[backend], mode)
        kinds = list(dict.fromkeys(type(layer).__name__ for layer in every(task.layers)))
        titles = list(dict.fromkeys(excerpt.part for excerpt in found.excerpts))
        shown = [title.removeprefix("layer ") for title in titles if title.startswith("layer ")]
        assert shown == ([] if backend == "sklearn" else kinds)
        assert [title for title in titles if title in ALWAYS] == ALWAYS
        assert ("optimizer" in titles) == (backend != "sklearn")
        assert found.missing == () or backend == "sklearn"


@pytest.mark.parametrize("backend", sorted(set(BUILT_IN) - {"sklearn"}))
def test_the_code_of_a_layer_that_a_task_does_not_use_is_not_shown(backend: str) -> None:
    recipe = RECIPES[backend][BUILT_IN[backend].modes[0]]
    table = {kind: meant(found) for kind, found in entries(find(recipe.place(recipe.layers))).items()}
    for task in TASKS.values():
        text = squeezed("\n".join(each.code for each in column(task, BUILT_IN[backend], recipe_mode(backend)).excerpts))
        used = {type(layer).__name__ for layer in every(task.layers)}
        assert {kind for kind, found in table.items() if squeezed(found.code) in text} == used


def recipe_mode(backend: str) -> str:
    return BUILT_IN[backend].modes[0]


def test_only_the_loss_the_optimizer_and_the_activation_of_the_task_are_shown() -> None:
    shown = {each.part: each.code for each in column(TASKS["mnist_mlp"], BUILT_IN["torch"], "eager").excerpts}
    assert shown["loss"] == '"softmax_cross_entropy": F.cross_entropy,'
    assert shown["optimizer"] == "case SGD(rate):\n    return torch.optim.SGD(parameters, lr=rate)"
    assert shown["activation relu"] == '"relu": torch.relu,'
    by_hand = column(TASKS["mlp_regression"], BUILT_IN["numpy"], "loop").excerpts
    optimizer = [each.code.split("\n")[0].split("(")[0] for each in by_hand if each.part == "optimizer"]
    assert optimizer == ["case Adam", "def _adam", "def _one_minus_power", "def _adam_block"]


def test_each_mode_has_a_loop_of_its_own() -> None:
    loops = {mode: column(TASKS["mnist_mlp"], BUILT_IN["torch"], mode) for mode in BUILT_IN["torch"].modes}
    code = {mode: "\n".join(each.code for each in found.excerpts) for mode, found in loops.items()}
    assert "DataLoader(" in code["dataloader"]
    assert "torch.while_loop(" in code["compile-pass"]
    assert "torch.compile(model)" in code["compile"]
    assert not any(word in code["eager"] for word in ("DataLoader(", "torch.while_loop(", "torch.compile("))


def test_every_mode_of_every_backend_has_a_recipe() -> None:
    assert {(backend, mode) for backend, modes in RECIPES.items() for mode in modes} == set(KINDS)


def test_a_task_made_from_another_one_is_shown_with_it() -> None:
    shown = [each.code.split(" ")[0] for each in definition("thermometer_standardized")]
    assert shown == ["THERMOMETER", "THERMOMETER_RAW", "THERMOMETER_STANDARDIZED"]
    assert len(definition("mnist_mlp")) == 1


def test_what_is_not_there_is_missed() -> None:
    with pytest.raises(LookupError, match=r"nothing is called GONE in backends/torch_layers\.py"):
        find("backends.torch_layers.GONE")
    with pytest.raises(LookupError, match="nothing is called gone in what begins at line"):
        find("backends.torch_layers.DenseLayer.gone")
    with pytest.raises(LookupError, match="has no case for Lion"):
        arm(find("backends.torch_layers.make_optimizer"), "Lion")
    with pytest.raises(LookupError, match="is no table"):
        entries(find("backends.torch_layers.put"))
    with pytest.raises(LookupError, match="no file of the catalog defines gone"):
        definition("gone")
    with pytest.raises(UserError, match=r"the code of backends\.gone cannot be shown"):
        read_source("backends.gone")
    assert named(read_source("backends.torch_layers"), "np") is None


def test_a_backend_that_cannot_train_a_task_says_what_it_lacks() -> None:
    assert column(TASKS["text_classifier"], BUILT_IN["sklearn"], "partial_fit").missing == ("Adam",)
    assert "Conv2d" in column(TASKS["mnist_cnn"], BUILT_IN["sklearn"], "partial_fit").missing


def test_of_a_backend_of_another_package_the_whole_module_is_shown_and_its_control_characters_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pocketgrad_shown.py").write_text("import nothing_there\n\nRED = '\x1b[31m'\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("pocket", "pocketgrad_shown", ("plain",), "nothing_there", (), "", package="pocketgrad")
    (whole,) = column(TASKS["mnist_mlp"], entry, "plain").excerpts
    assert whole == Excerpt("module", "pocketgrad_shown.py", 1, "import nothing_there\n\nRED = '\\x1b[31m'")


@pytest.mark.parametrize(
    ("content", "module", "fault"),
    [
        ("def broken(:", "shown_broken", "SyntaxError: invalid syntax"),
        ("", "shown_raising.inside", "RuntimeError: not today"),
        ("", "json.decoder_gone", "FileNotFoundError: there is no Python file of it"),
        ("", "_json", "FileNotFoundError: there is no Python file of it"),
    ],
)
def test_a_package_whose_code_cannot_be_read_is_named_without_a_traceback(
    content: str, module: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shown_broken.py").write_text(content)
    (tmp_path / "shown_raising.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("theirs", module, ("plain",), "nothing_there", (), "", package="theirs")
    with pytest.raises(UserError, match=f"the code of {module} cannot be shown: {fault}"):
        column(TASKS["mnist_mlp"], entry, "plain")


def test_a_backend_whose_entry_is_broken_says_so() -> None:
    entry = Entry("theirs", "", ("unknown",), "nothing", (), "", "entry point theirs:GONE: ImportError: gone")
    with pytest.raises(UserError, match="the code of theirs cannot be shown: entry point theirs:GONE"):
        column(TASKS["mnist_mlp"], entry, "unknown")


def test_no_framework_is_imported() -> None:
    code = (
        "import sys\nfrom backends.registry import BUILT_IN\nfrom bench.tasks import TASKS\n"
        "from bench.report.code.excerpts import column\n"
        "for entry in BUILT_IN.values(): column(TASKS['text_transformer'], entry, entry.modes[-1])\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) & {"torch", "tensorflow", "jax", "keras", "sklearn", "pandas", "scipy"} == set()


# The README


def test_what_the_readme_quotes_of_the_backends_is_what_is_shown_of_its_task() -> None:
    shown = [each for entry in BUILT_IN.values() for mode in entry.modes for each in shown_of(entry, mode)]
    text = "\n".join(textwrap.indent(each.code, " " * 20) for each in shown)
    quoted = [code for path, code in quoted_on_page(read_page("README.md")) if path.startswith("backends/")]
    assert len(quoted) > 6
    assert [code for code in quoted if not stands_in(code, text)] == []
    assert not stands_in("return self.activation(x)", text)


def shown_of(entry: Entry, mode: str) -> tuple[Excerpt, ...]:
    return column(TASKS["mnist_mlp"], entry, mode).excerpts


def stands_in(code: str, text: str) -> bool:
    flush, all_lines = textwrap.dedent(code), squeezed(text)
    return any(squeezed(textwrap.indent(flush, " " * depth)) in all_lines for depth in range(0, 64, 4))


# On the terminal


def printed(width: int, *, terminal: bool = True) -> str:
    """Return what is printed of four backends, on a terminal without colors of so many columns."""
    console = Console(width=width, force_terminal=terminal, color_system=None, file=io.StringIO())
    columns = [column(TASKS["linear_fit"], BUILT_IN[name], BUILT_IN[name].modes[0]) for name in FOUR]
    side_by_side.print_code(console, definition("linear_fit"), columns)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


FOUR = ("numpy", "torch", "tensorflow", "jax")


@pytest.mark.parametrize(("width", "beside"), [(80, 1), (120, 2), (200, 4)])
def test_backends_stand_side_by_side_where_there_is_room(width: int, beside: int) -> None:
    text = printed(width)
    assert max(line.count("backends/") for line in text.split("\n")) == beside
    assert max(map(len, text.split("\n"))) <= width


@pytest.mark.parametrize("width", [30, 80])
def test_a_line_that_is_too_long_goes_on_below_and_nothing_of_it_is_lost(width: int) -> None:
    shown = "".join(re.sub(r"^ *[0-9]+ ", "", printed(width), flags=re.MULTILINE).split())
    for excerpt in column(TASKS["linear_fit"], BUILT_IN["tensorflow"], "eager").excerpts:
        assert "".join(excerpt.code.split()) in shown


def test_without_a_terminal_everything_stands_below_each_other_and_no_line_is_broken() -> None:
    text = printed(40, terminal=False)
    assert "\x1b" not in text
    for excerpt in (*definition("linear_fit"), *column(TASKS["linear_fit"], BUILT_IN["jax"], "jit").excerpts):
        assert f"# {excerpt.part}: {excerpt.file}:{excerpt.line}\n{excerpt.code}\n" in text
