"""Did something else use the machine while a round ran? Noisy rounds are reported, but not left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.machine.calibration import jitter, typical_s
from bench.records.schema import Block, Calibration

SLOWER = 1.1  # than the median over all rounds
CHANGED = 1.1  # from the beginning of a round to its end
UNSTEADY = 0.5  # excess of the 90th percentile of the loops over their median
FOREIGN_CORES = 0.2  # kept busy by other processes or virtual machines


def usual_s(blocks: Iterable[Block]) -> float:
    """Return the median calibration loop over all rounds, in seconds; NaN without calibrations."""
    loops_s = [typical_s(calibration) for block in blocks for calibration in _calibrations(block)]
    return median(loops_s) if loops_s else float("nan")


def noise(block: Block, usual_loop_s: float) -> str:
    """Return a sentence about what disturbed a round; empty for a quiet round."""
    calibrations = _calibrations(block)
    loops_s = [typical_s(calibration) for calibration in calibrations]
    if loops_s and max(loops_s) > SLOWER * usual_loop_s:
        return f"the calibration loop took {max(loops_s) / usual_loop_s:.2f} times its usual time"
    if loops_s and max(loops_s) > CHANGED * min(loops_s):
        return f"the calibration loop changed by {max(loops_s) / min(loops_s) - 1:.0%}"
    if (most := max(map(_jitter, calibrations), default=0.0)) > UNSTEADY:
        return f"one calibration loop in ten took {1 + most:.2f} times the median"
    if block.foreign_cores is not None and block.foreign_cores > FOREIGN_CORES:
        return f"other processes kept {block.foreign_cores:.1f} cores busy"
    if block.stolen_cores is not None and block.stolen_cores > FOREIGN_CORES:
        return f"the hypervisor gave {block.stolen_cores:.1f} cores to other virtual machines"
    return ""


def _jitter(calibration: Calibration) -> float:
    """Return the jitter of the loops; 0 where even the longest is too short for any that counts."""
    possible = max(calibration.loops_s) > (1 + UNSTEADY) * typical_s(calibration)
    return jitter(calibration) if possible else 0.0


def _calibrations(block: Block) -> list[Calibration]:
    return [calibration for calibration in (block.before, block.after) if calibration is not None]
