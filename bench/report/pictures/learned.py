"""What a model learned, drawn as its lesson draws it: points and fitted curves, confused classes, digits, accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backends.contract import Array
from bench.analysis.trained import Trained, numbers, trained
from bench.errors import UserError
from bench.records.runfile import Run
from bench.records.schema import Learned, Lesson, Row
from bench.report.pictures.curves import metric_curves
from bench.report.pictures.style import COLORS, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

PANEL_INCHES, IMAGES_INCHES = 4.2, 6.0  # height and width of a panel, and height of one with images
SHOWN_COLUMNS, SHOWN_LINES = 4, 3  # of images


def learned(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw what was learned of each task: by the first row that is right or, if none is, the first that has told it.

    Raises `UserError` if no row says what it learned.
    """
    from matplotlib.figure import Figure

    everyone = trained(run, rows)
    found = representatives(everyone)
    if not found:
        raise UserError(_why_nothing(run, everyone))
    heights = [IMAGES_INCHES if each.lesson and each.lesson.images else PANEL_INCHES for each in found]
    figure = Figure(figsize=(2 * PANEL_INCHES, sum(heights)), layout="constrained", facecolor="white")
    parts = figure.subfigures(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, each in zip(parts, found, strict=True):
        part.suptitle(plain(_title(each)), fontsize=10, weight="bold", x=0.01, ha="left")
        _draw(part, run, each)
    return figure


def representatives(found: Sequence[Trained]) -> list[Trained]:
    """Return, for each task, the row whose outputs are drawn, in the order of the tasks; none if no row tells any."""
    told = [each for each in found if each.lesson and each.learned and _has_something(each.learned)]
    best: dict[str, Trained] = {}
    for each in sorted(told, key=_preferred):
        best.setdefault(each.row.task, each)
    order = list(dict.fromkeys(each.row.task for each in found))
    return sorted(best.values(), key=lambda each: order.index(each.row.task))


def _preferred(each: Trained) -> tuple[bool, bool]:
    """Return a key by which rows that are right and have a metric after each pass come first."""
    return not each.right, not (each.learned and each.learned.metric_by_pass)


def _has_something(told: Learned) -> bool:
    return bool(told.outputs or told.confusion)


def _why_nothing(run: Run, found: Sequence[Trained]) -> str:
    """Return, for people, why nothing can be drawn."""
    reasons = [f"{each.row}: {each.learned.reason}" for each in found if each.learned and each.learned.reason]
    if reasons:
        return f"{run.path}: no row says what it learned; {reasons[0]}"
    if any(each.learned for each in found):
        return f"{run.path}: these trainings diverged, so there are no classes to count"
    return f"{run.path}: what was learned was not kept, as in runs of earlier versions and of bench ab; run it again"


def _title(each: Trained) -> str:
    """Return the task, the row that is drawn, and whether what it computes counts."""
    counts = "" if each.right else f": does not count, {each.standing.why_not}"
    return f"{each.row.task} by {each.row.name}{counts}"


def _draw(part: SubFigure, run: Run, each: Trained) -> None:
    assert each.lesson is not None and each.learned is not None  # noqa: S101, PT018 - see `representatives`
    lesson, told = each.lesson, each.learned
    if lesson.classes:
        left, right = part.subfigures(1, 2, squeeze=False)[0]
        if lesson.images and told.outputs:
            _images(left, lesson, told)
            above, below = right.subplots(2, 1, height_ratios=[2.2, 1])
            _confusion(above, lesson, told)
            _by_pass(below, run, each)
            return
        _confusion(left.subplots(), lesson, told)
        _by_pass(right.subplots(), run, each)
        return
    if not np.isfinite(_first_outputs(lesson, told)).any():
        _say(part.subplots(), "no output was finite: the training diverged")
        return
    axes = part.subplots(1, 2)
    if len(lesson.inputs) and len(lesson.inputs[0]) == 1:
        _curve(axes[0], lesson, told)
    else:
        _outputs(axes[0], lesson, told)
    if told.metric_by_pass:
        _by_pass(axes[1], run, each)
    else:
        _residuals(axes[1], lesson, told)


def _first_outputs(lesson: Lesson, told: Learned) -> Array:
    """Return the first output for each row that is shown. Raises `UserError` if there is not one for each."""
    if len(told.outputs) != len(lesson.targets):
        raise UserError(f"{lesson.task}: {len(told.outputs)} outputs for the {len(lesson.targets)} rows that are shown")
    return numbers(output[0] if output else None for output in told.outputs)


def _curve(ax: Axes, lesson: Lesson, told: Learned) -> None:
    """Draw points, the fitted curve, and those of the reference on the way to it."""
    from matplotlib import colormaps

    x, y = np.array(lesson.inputs)[:, 0], _first_outputs(lesson, told)
    order = np.argsort(x)
    ax.plot(x, lesson.targets, "o", ms=4, color="0.55", label="targets")
    colors = colormaps["viridis_r"](np.linspace(0.15, 0.85, max(len(lesson.snapshots), 1)))
    for color, each in zip(colors, lesson.snapshots, strict=False):
        ax.plot(x[order], numbers(each.outputs)[order], lw=0.9, color=color, label=f"after {each.step} steps")
    ax.plot(x[order], y[order], lw=2.2, color=COLORS[1], label="this row, at the end")
    _around(ax, np.array(lesson.targets))
    ax.set_xlabel("input")
    ax.set_ylabel("target and output")
    tidy(ax, "points and fitted curve")
    ax.legend(fontsize=6, frameon=False)


def _around(ax: Axes, targets: Array) -> None:
    """Show the range of the targets and half of it more: the first curves may be far away."""
    low, high = float(targets.min()), float(targets.max())
    room = (high - low or 1.0) / 2
    ax.set_ylim(low - room, high + room)


def _outputs(ax: Axes, lesson: Lesson, told: Learned) -> None:
    """Draw outputs against targets: on the diagonal where they are equal."""
    y, targets = _first_outputs(lesson, told), np.array(lesson.targets)
    ends = [float(targets.min()), float(targets.max())]
    ax.plot(ends, ends, color="0.6", lw=1)
    if lesson.snapshots:
        middle = lesson.snapshots[len(lesson.snapshots) // 2]
        ax.plot(targets, numbers(middle.outputs), ".", ms=4, color=COLORS[5], label=f"after {middle.step} steps")
    ax.plot(targets, y, ".", ms=5, color=COLORS[1], label="this row, at the end")
    ax.set_xlabel("target")
    ax.set_ylabel("output")
    tidy(ax, "outputs against targets")
    ax.legend(fontsize=7, frameon=False)


def _residuals(ax: Axes, lesson: Lesson, told: Learned) -> None:
    """Draw what is left between outputs and targets, against the input if there is only one."""
    targets = np.array(lesson.targets)
    single = bool(lesson.inputs) and len(lesson.inputs[0]) == 1
    ax.axhline(0, color="0.6", lw=1)
    where = np.array(lesson.inputs)[:, 0] if single else targets
    ax.plot(where, _first_outputs(lesson, told) - targets, ".", ms=5, color=COLORS[1])
    ax.set_xlabel("input" if single else "target")
    ax.set_ylabel("output - target")
    tidy(ax, "what is left")


def _by_pass(ax: Axes, run: Run, each: Trained) -> None:
    tidy(ax, "by epoch")
    if each.learned and each.learned.metric_by_pass:
        metric_curves(ax, run, [each])
        return
    _say(ax, each.learned.cut if each.learned and each.learned.cut else "a single pass is the whole training")


def _say(ax: Axes, reason: str) -> None:
    """Write, in the place of a picture, why there is none."""
    ax.set_axis_off()
    ax.text(0, 0.9, plain(reason), transform=ax.transAxes, fontsize=8, color="0.4", wrap=True, va="top")


def _confusion(ax: Axes, lesson: Lesson, told: Learned) -> None:
    """Draw how many rows of each class were given each class; colours are shares of the class."""
    counts = np.array(told.confusion)
    ax.set_title("which class is taken for which", loc="left", fontsize=10, weight="bold")
    if not counts.size:
        _say(ax, "not every output was finite")
        return
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    numbered = tuple(map(str, range(len(counts))))
    names = [plain(name) for name in (lesson.classes if len(lesson.classes) == len(counts) else numbered)]
    small = 6 if len(counts) > 5 else 8
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            color = "white" if shares[row, column] > 0.5 else "black"
            ax.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=small, color=color)
    long = max(map(len, names)) > 5
    ax.set_xticks(range(len(counts)), names, rotation=30 if long else 0, fontsize=8)
    ax.set_yticks(range(len(counts)), names, fontsize=8)
    ax.set_xlabel("class that the model gives")
    ax.set_ylabel("class")


def _images(part: SubFigure, lesson: Lesson, told: Learned) -> None:
    """Draw images with the class that the model gives them, and its probabilities as bars."""
    axes = part.subplots(2 * SHOWN_LINES, SHOWN_COLUMNS, height_ratios=[3, 1] * SHOWN_LINES)
    for ax in axes.ravel():
        ax.set_axis_off()
    shown = zip(lesson.images, lesson.targets, told.outputs, strict=False)
    for number, (image, target, output) in enumerate(shown):
        line, column = divmod(number, SHOWN_COLUMNS)
        if line < SHOWN_LINES:
            _image(axes[2 * line][column], axes[2 * line + 1][column], lesson, image, int(target), numbers(output))


def _image(above: Axes, below: Axes, lesson: Lesson, image: bytes, target: int, probabilities: Array) -> None:
    pixels = np.frombuffer(image, np.uint8).reshape(lesson.image_shape)
    above.imshow(pixels, cmap="gray_r", vmin=0, vmax=255)
    known = len(probabilities) > 0 and np.isfinite(probabilities).all() and len(probabilities) <= len(lesson.classes)
    if not known:
        return
    given = int(probabilities.argmax())
    right = given == target
    said = f"{lesson.classes[given]}: {100 * probabilities[given]:.0f} %"
    wrong = "" if right else f", is {lesson.classes[target]}"
    above.set_title(plain(said + wrong), fontsize=7, color="black" if right else COLORS[1], pad=2)
    colors = [COLORS[0] if number == target else "0.7" for number in range(len(probabilities))]
    below.bar(range(len(probabilities)), probabilities, color=colors)
    below.set_xlim(-0.6, len(lesson.classes) - 0.4)
    below.set_ylim(0, 1)
    below.axhline(0, color="0.7", lw=0.8)
