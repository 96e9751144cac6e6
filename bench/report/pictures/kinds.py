"""The kinds of pictures by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.pictures import curves, learned, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Kind:
    """A kind of picture."""

    about: str  # for people
    draw: Callable[[Run, Sequence[Row]], Figure]


KINDS = {
    "losses": Kind("loss against epochs, of settings and backends over each other", curves.losses),
    "distance": Kind("distance of each loss from the reference, and what parity allows", curves.distance),
    "metric": Kind("accuracy or error for the evaluation rows after each epoch", curves.metrics),
    "learned": Kind("what was learned, as the lesson of each task draws it", learned.learned),
    "passes": Kind("time of a pass with its interval", times.passes),
    "inference": Kind("time of an answer with its interval", times.inference),
    "phases": Kind("where the time of one process goes", times.phases),
}
