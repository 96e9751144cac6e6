"""Curves over a training: losses laid over each other, their distance from the reference, and metrics by pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backends.contract import Array
from bench.analysis.trained import Trained, alike, by_task, labels, numbers, thinned, trained
from bench.errors import UserError
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.pictures.style import LONGEST_NAME, Style, legend, panels, plain, styles, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS_NAMES = {
    "mse": "mean squared error",
    "half_mse": "half the mean squared error",
    "softmax_cross_entropy": "cross-entropy",
}
FEW_EPOCHS = 60  # up to which each epoch has a mark of its own


def losses(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw the loss of each step over the epochs, on a logarithmic axis; the mean of each epoch where it has steps."""
    groups = by_task(trained(run, rows))
    figure, axes = panels(len(groups))
    for ax, (task, found) in zip(axes, groups.items(), strict=True):
        names, looks = _names(run, found), styles([each.row for each in found])
        tidy(ax, _title(task, found))
        rough = found[:1] if alike(found) else found
        for each in found:
            _loss_curve(ax, each, names[each.row], looks[each.row], steps=each in rough)
        one_step = all(each.steps_per_epoch == 1 for each in found)
        ax.set_xlabel("epoch" + (" (one step with all training rows)" if one_step else ""))
        ax.set_ylabel(f"loss: {_loss_name(run, found[0].row)}")
        _log_axis(ax, [each.losses for each in found])
        legend(ax)
    return figure


def _title(task: str, found: Sequence[Trained]) -> str:
    """Return the task, which row it is if there is only one, and that several cannot be told apart by eye."""
    if len(found) == 1:
        return f"{found[0].row.task} by {found[0].row.name}"
    return f"{task}: {len(found)} rows that lie over each other" if alike(found) else task


def _names(run: Run, found: Sequence[Trained]) -> dict[Row, str]:
    """Return the name of each row, with a word behind it if what it computes does not count."""
    names = labels(run, [each.row for each in found])
    causes = {each.row: "" if each.right else f" ({each.standing.cause})" for each in found}
    return {row: plain(names[row], LONGEST_NAME) + cause for row, cause in causes.items()}


def _loss_name(run: Run, row: Row) -> str:
    name = str(run.header.tasks.get(row.task, {}).get("loss", ""))
    return plain(LOSS_NAMES.get(name, name or "not told by the run"))


def _loss_curve(ax: Axes, each: Trained, name: str, style: Style, *, steps: bool) -> None:
    """Draw the losses of a row; where an epoch has many steps, their mean, and behind it all `steps` if wanted."""
    color = style.color if each.right else "0.6"
    if each.steps_per_epoch == 1:
        ax.plot(*thinned(each.epochs, each.losses), color=color, ls=style.dashes, lw=1.6, label=name)
        return
    if steps:
        ax.plot(*thinned(each.epochs, each.losses), color=color, lw=0.6, alpha=0.45)
    middles, means = each.by_epoch
    mark = "o" if len(means) <= FEW_EPOCHS else ""
    ax.plot(middles, means, color=color, ls=style.dashes, lw=1.6, marker=mark, ms=4, label=name)


def _log_axis(ax: Axes, curves: Sequence[Array]) -> None:
    """Make the vertical axis logarithmic, from what is above zero, and cut what has grown beyond all others."""
    values = np.concatenate(curves)
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    ax.set_yscale("log")
    ax.set_ylim(float(positive.min()) / 1.5, float(min(positive.max(), _tallest(curves))) * 1.5)


def _tallest(curves: Sequence[Array]) -> float:
    """Return where the axis ends if a training diverges: a thousand times the highest loss that one began with."""
    firsts = [float(curve[0]) for curve in curves if len(curve) and np.isfinite(curve[0])]
    return 1e3 * max(firsts, default=np.inf)


def distance(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw how far the loss of each step is from the reference's in float64, and how far parity lets it be."""
    told = [each for each in trained(run, rows) if len(each.distance)]
    if not told:
        raise UserError(f"{run.path} has no losses of the reference, as in runs of earlier versions; run it again")
    names = sorted({each.row.task for each in told}, key=[each.row.task for each in told].index)
    figure, axes = panels(len(names))
    for ax, task in zip(axes, names, strict=True):
        _distances(ax, run, [each for each in told if each.row.task == task])
        tidy(ax, task)
    return figure


def _distances(ax: Axes, run: Run, found: Sequence[Trained]) -> None:
    rows = [each.row for each in found]
    names, looks, steps = _names(run, found), styles(rows), np.arange(1, 1 + len(found[0].losses))
    least = _least(found)
    top = found[0].allowed
    if np.isfinite(top).any():
        ax.fill_between(steps, np.where(np.isfinite(top), top, np.nanmax(top[np.isfinite(top)])), least, color="0.93")
        ax.plot(steps, top, color="black", ls="--", lw=1, label="allowed by parity")
    for each in found:
        x, y = thinned(steps, np.maximum(each.distance, least), logarithmic=True)
        ax.plot(x, y, color=looks[each.row].color, ls=looks[each.row].dashes, lw=0.9, alpha=0.8, label=names[each.row])
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("step, logarithmic")
    ax.set_ylabel("distance of the loss\nfrom the reference in float64")
    legend(ax)


def _least(found: Sequence[Trained]) -> float:
    """Return what stands for no distance at all on a logarithmic axis."""
    values = np.concatenate([each.distance for each in found])
    positive = values[np.isfinite(values) & (values > 0)]
    return float(positive.min()) / 2 if len(positive) else 1e-16


def metrics(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw the metric for the evaluation rows after each pass, settings and backends laid over each other."""
    everyone = trained(run, rows)
    told = [each for each in everyone if each.learned is not None and each.learned.metric_by_pass]
    if not told:
        raise UserError(f"{run.path}: {_why_no_metrics(everyone)}")
    groups = by_task(told)
    figure, axes = panels(len(groups))
    for ax, (task, found) in zip(axes, groups.items(), strict=True):
        metric_curves(ax, run, found)
        tidy(ax, task if len(found) > 1 else _title(task, found))
        legend(ax)
    return figure


def _why_no_metrics(found: Sequence[Trained]) -> str:
    """Return, for people, why no row has a metric after each pass."""
    for each in found:
        if each.learned is None:
            return "what was learned was not kept, as in runs of earlier versions and of bench ab"
        if reason := each.learned.reason or each.learned.cut:
            return f"no row has a metric after each pass; {each.row}: {reason}"
    return "a single pass is the whole training of these tasks; bench plot --of losses shows their steps"


def metric_curves(ax: Axes, run: Run, found: Sequence[Trained]) -> None:
    """Draw the metric after each pass of these rows into a panel."""
    from matplotlib.ticker import MaxNLocator

    names, looks = _names(run, found), styles([each.row for each in found])
    for each in found:
        values = numbers(each.learned.metric_by_pass if each.learned else ())
        mark = "o" if len(values) <= FEW_EPOCHS else ""
        color = looks[each.row].color if each.right else "0.6"
        passes = np.arange(1, 1 + len(values))
        ax.plot(
            passes, values, color=color, ls=looks[each.row].dashes, lw=1.4, marker=mark, ms=4, label=names[each.row]
        )
        if each.learned and each.learned.cut:
            said = plain(each.learned.cut)
            ax.annotate(said, (passes[-1], values[-1]), (0, -9), textcoords="offset points", fontsize=6, ha="right")
    quality = found[0].record.quality
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel({"rmse": "root mean squared error"}.get(quality.metric, "accuracy") if quality else "")
