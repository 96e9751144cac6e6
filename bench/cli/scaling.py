"""What `bench sweep` shows in the end, and the table and the plot that it writes beside its run file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import console
from bench.errors import UserError
from bench.records.runfile import Run
from bench.report import terminal

if TYPE_CHECKING:
    from bench.analysis.scaling import Cost
    from bench.analysis.sweep import Curve, Sweep

# What computes and draws is imported in the functions: a sweep that is refused needs none of it.


def show_scaling(run: Run, *, quiet: bool = False) -> tuple[bool, dict[str, str]]:
    """Print how cost grows, if quiet only which row is the fastest where; write table and plot next to the run file.

    Returns whether all times are fair, and the paths of the files that were written, by what they are.
    """
    from bench.analysis.scaling import costs
    from bench.analysis.sweep import sweep_of
    from bench.report import scaling_table, sentences

    if not run.records:
        return True, {}
    sweep = sweep_of(run)
    fitted, caption = costs(run, sweep.points), sentences.caption(run.header)
    told = [*scaling_table.winner_sentences(sweep), *scaling_table.unranked_sentences(sweep)]
    if not quiet:
        terminal.print_panels(
            console.output(), {each.title: scaling_table.readable(each, fitted) for each in sweep.panels}
        )
        told += [*sentences.noise_sentences((run,)), caption]
    for sentence in told:
        terminal.print_sentence(console.output(), sentence)
    files = _write_scaling(run.path, sweep, fitted, caption, quiet=quiet)
    return all(point.summary.fair for point in sweep.points), files


def require_new_beside(path: Path) -> None:
    """Raise `UserError` if a file has the name of the table or the plot that a sweep writes beside its run file."""
    for file in _beside(path):
        if file.exists():
            raise UserError(f"{file} exists already, and a sweep writes there; name another run file by --out")


def _beside(path: Path) -> tuple[Path, ...]:
    """Return where the table and the plot of a sweep are written."""
    return tuple(path.with_suffix(ending) for ending in (".csv", ".png"))


def _write_scaling(
    path: Path, sweep: Sweep, fitted: Mapping[Curve, Cost], caption: str, *, quiet: bool
) -> dict[str, str]:
    """Write table and plot of a sweep beside its run file; return their paths."""
    from bench.analysis.frame import scaling_frame
    from bench.report import plots
    from bench.report.pictures.style import CannotPlot

    table, plot = _beside(path)
    console.write(table, scaling_frame(sweep).to_csv(index=False))
    files = {"table": str(table)}
    try:
        plots.draw_scaling(sweep, fitted, caption, plot)
        files["plot"] = str(plot)
    except CannotPlot as error:
        console.say(f"no plot: {error}, then bench sweep --resume {path}", file=sys.stderr if quiet else None)
    except OSError as error:
        raise UserError(f"cannot write {plot}: {error.strerror}") from error
    for kind, name in files.items() if not quiet else ():
        console.say(f"{kind}: {name}")
    return files
