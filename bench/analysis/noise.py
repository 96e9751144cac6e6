"""Did something else use the machine while a round ran? Noisy rounds are reported, but not left out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backends.contract import Array
from bench.analysis.kept import kept
from bench.analysis.turns import medians, middle
from bench.machine.calibration import jitters
from bench.records.blocks import Blocks
from bench.records.runfile import Run

SLOWER = 1.1  # than the median over all rounds
CHANGED = 1.1  # from the beginning of a round to its end
UNSTEADY = 0.5  # excess of the 90th percentile of the loops over their median
FOREIGN_CORES = 0.2  # kept busy by other processes or virtual machines
EXAMPLES = 3  # of disturbed rounds


@dataclass(frozen=True)
class Disturbed:
    """A round that something disturbed."""

    task: str
    block: int
    sentence: str


@dataclass(frozen=True)
class Noise:
    """How many rounds of a run were disturbed, and the first of them."""

    rounds: int
    disturbed: int
    examples: tuple[Disturbed, ...]


def noise_of(run: Run) -> Noise:
    """Return what disturbed the rounds of a run."""
    return kept(run, "noise", Noise) or _noise_of(run.blocks)


def _noise_of(blocks: Blocks) -> Noise:
    told = noise(blocks, usual_s(blocks))
    noisy = [place for place, sentence in enumerate(told) if sentence]
    examples = tuple(Disturbed(blocks[at].task, blocks[at].block, told[at]) for at in noisy[:EXAMPLES])
    return Noise(len(blocks), len(noisy), examples)


def loops_s(blocks: Blocks) -> Array:
    """Return the median calibration loop before and after each round, in seconds [2, rounds]; NaN where it failed."""
    return np.stack([loops.each(medians) for loops in (blocks.before, blocks.after)])


def usual_s(blocks: Blocks) -> float:
    """Return the median calibration loop over all rounds, in seconds; NaN without calibrations."""
    known = loops_s(blocks)
    known = known[np.isfinite(known)]
    return middle(known) if len(known) else math.nan


def noise(blocks: Blocks, usual_loop_s: float) -> list[str]:
    """Return for each round a sentence about what disturbed it; empty for a quiet round."""
    typical = loops_s(blocks)
    slowest, fastest = np.fmax(*typical), np.fmin(*typical)
    jitter = np.fmax(*(loops.each(jitters, empty=0.0) for loops in (blocks.before, blocks.after)))
    facts = np.stack([slowest, fastest, jitter, blocks.foreign_cores, blocks.stolen_cores], axis=1)
    return [_sentence(usual_loop_s, *each) for each in facts.tolist()]


def _sentence(usual_s: float, slowest_s: float, fastest_s: float, jitter: float, foreign: float, stolen: float) -> str:
    """Return the first thing that disturbed a round; what is not known is NaN, which is larger than nothing."""
    if slowest_s > SLOWER * usual_s:
        return f"the calibration loop took {slowest_s / usual_s:.2f} times its usual time"
    if slowest_s > CHANGED * fastest_s:
        return f"the calibration loop changed by {slowest_s / fastest_s - 1:.0%}"
    if jitter > UNSTEADY:
        return f"one calibration loop in ten took {1 + jitter:.2f} times the median"
    if foreign > FOREIGN_CORES:
        return f"other processes kept {foreign:.1f} cores busy"
    if stolen > FOREIGN_CORES:
        return f"the hypervisor gave {stolen:.1f} cores to other virtual machines"
    return ""
