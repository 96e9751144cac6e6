"""How all pictures look: colours, names of rows, texts from run files made harmless, and how a figure is saved."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.registry import BACKENDS
from bench.errors import BadChoice, UserError, in_utf8, printable, quoted
from bench.records.runfile import Run
from bench.records.schema import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
# The colours of Okabe and Ito (2008), which colour-blind people can tell apart, without yellow, which is too light.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
BACKEND_COLORS = {
    "numpy": "#444444",
    "torch": "#d55e00",
    "tensorflow": "#e69f00",
    "jax": "#0072b2",
    "sklearn": "#56b4e9",
    "keras-tensorflow": "#009e73",
    "keras-jax": "#cc79a7",
    "keras-torch": "#8b5a2b",
}
OTHER_COLOR = "#999999"  # of backends of other packages, and of what is not ranked
DASHES = ("-", "--", ":", "-.")
WIDTH_INCHES, HEIGHT_INCHES = 8.0, 4.2  # of a panel
LONGEST_TEXT, LONGEST_NAME = 160, 80  # characters; a name stands beside the axis, which needs room
MOST_INCHES = 120.0  # of the height of a picture
SVG_STYLE = {
    "svg.fonttype": "none",  # text stays text, so that it can be searched, and a test reads it
    "svg.hashsalt": "levelfield",  # the same results give the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
}


class CannotPlot(UserError):
    """Raised if matplotlib is missing; the message says what to install."""


@dataclass(frozen=True)
class Style:
    """How the curve of a row looks."""

    color: str
    dashes: str


def styles(rows: Sequence[Row]) -> dict[Row, Style]:
    """Return a style for each row of one picture: a colour for each setting or, if all have the same, each backend."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    ways = list(dict.fromkeys((row.backend, row.mode, row.device) for row in rows))
    if len(tasks) > 1:
        return {
            row: Style(
                COLORS[tasks.index(row.task) % len(COLORS)],
                DASHES[
                    (tasks.index(row.task) // len(COLORS) + ways.index((row.backend, row.mode, row.device)))
                    % len(DASHES)
                ],
            )
            for row in rows
        }
    return {row: Style(BACKEND_COLORS.get(row.backend, OTHER_COLOR), dashes_of(row)) for row in rows}


def dashes_of(row: Row) -> str:
    """Return the dashes of a mode among those of its backend."""
    modes = BACKENDS[row.backend].modes if row.backend in BACKENDS else (row.mode,)
    return dict(zip(modes, itertools.cycle(DASHES), strict=False)).get(row.mode, "-")


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text of a run file for a picture: one line, not long, and no formula, which matplotlib would set."""
    line = printable(text[: longest + 1])
    line = (line if len(line) <= longest else f"{line[:longest]}…").replace("$", "\\$")
    return f" {line}" if line.startswith("_") else line  # matplotlib leaves such names out of a legend


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of the pictures. Raises `CannotPlot` if matplotlib is missing."""
    try:
        import matplotlib as mpl
        import matplotlib.figure
    except ImportError as error:
        raise CannotPlot("a plot needs a package that is missing: pip install 'levelfield[report]'") from error
    with mpl.rc_context(SVG_STYLE):
        yield


def panels(count: int, *, width: float = WIDTH_INCHES, height: float = HEIGHT_INCHES) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels below each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * count), layout="constrained", facecolor="white")
    return figure, list(figure.subplots(count, squeeze=False)[:, 0])


def tidy(ax: Axes, title: str = "") -> None:
    """Give a panel its title, grid and no frame."""
    if title:
        ax.set_title(plain(title), loc="left", fontsize=10, weight="bold")
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def legend(ax: Axes) -> None:
    """Show the names of curves to the right of the panel, if it has several."""
    handles, names = ax.get_legend_handles_labels()
    if len(handles) > 1:
        ax.legend(handles, names, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def about(run: Run) -> str:
    """Return where a picture comes from."""
    machine = run.header.machine
    name = in_utf8(run.path.name)
    return f"{name}, {run.header.created[:10]}, {machine.cpu}, {run.header.threads} of {machine.cores} cores"


def require_ending(path: Path) -> None:
    """Raise `BadChoice` for a file name that is not that of a picture."""
    if path.suffix.lower() not in ENDINGS:
        raise BadChoice(f"a picture is written as {', '.join(ENDINGS)}; got {quoted(path.name)}")


def save(figure: Figure, run: Run, path: Path) -> None:
    """Write a figure to a file by its ending, with a line that says where it comes from.

    Raises OSError, and `UserError` for a figure that nobody could look at.
    """
    if figure.get_figheight() > MOST_INCHES:
        raise UserError(
            f"{run.path} has so many rows that a picture would be {figure.get_figheight() / WIDTH_INCHES:.0f} times as "
            "high as it is wide; choose some with --task and --backend"
        )
    write(figure, plain(about(run)), path)


def write(figure: Figure, told: str, path: Path) -> None:
    """Write a figure to a file by its ending, with what is told of it, harmless text, below it. Raises OSError."""
    figure.supxlabel(told, fontsize=6, color="0.4", x=0.01, ha="left")
    date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata=date)
    if path.suffix.lower() == ".svg":
        path.write_text(renamed(path.read_text(encoding="utf-8")), encoding="utf-8")


def renamed(svg: str) -> str:
    """Return an SVG whose clip paths are numbered: matplotlib names them by sizes, whose last digits vary."""
    names = re.findall(r'<clipPath id="(\w+)">', svg)
    numbered = {name: f"clip{number}" for number, name in enumerate(names)}
    return re.sub(r'(url\(#|<clipPath id=")(\w+)', lambda found: found[1] + numbered.get(found[2], found[2]), svg)
