"""Warnings about a row's times, from what its processes recorded. Pure.

An `unfair` flag means that the times are not comparable with those of other rows: the row is shown but not ranked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.claims import left_running
from bench.analysis.process_times import Bounds, ProcessTimes, process_times, product_bounds
from bench.analysis.steadiness import SPIKE, SPIKE_S, drift, long_passes, repeated
from bench.analysis.turns import Timed, timed
from bench.records.schema import Record, Row, Timing

LEFT_SHARE = 0.01  # of a pass: work that may be unfinished when the clock stops
LEFT_FLOOR_S = 50e-6  # two readings of the parameters can differ by as much for other reasons
READY_SHARE = 1.25  # of the granted cores: average threads ready to run, in addition to one that distributes work
VANISHED_SHARE = 0.1  # of the CPU time: used by threads that ended within the measured passes
COUNTABLE_S = 0.2  # kernels count CPU and waiting time in ticks of up to 10 ms, which is too coarse for shorter windows
CORES_SHARE = 1.05  # of the granted cores: CPU time / wall time
TREND = 1.1  # last passes / first passes
TREND_PASSES = 6
TREND_ERRORS = 3.4  # standard errors; just below the most that two processes of five turns can reach
BOUND_SHARE = 1.02  # of the fastest matrix product
CLOCK_SHARE = 0.01  # by which the clock of a process may differ from that of its parent
PHASES_FLOOR_S = 0.05  # time between a worker's last measurement and its parent's; 0.03 on a machine that is busy
TURN_FLOOR_S = 5e-3  # time from a request for a turn to its first measurement, and from the last one to the reply
UNDISTURBED = 0.25  # of the turns; the others may be delayed
HELPED_SHARE = 0.1  # of the CPU time: used by other processes
REMEMBERED = 0.25  # of a pass from a new start; caches and a slow machine make less of a difference


@dataclass(frozen=True)
class Flag:
    """A warning about the times of a row."""

    sentence: str
    unfair: bool


def flags_of(records: Iterable[Record]) -> dict[Row, tuple[Flag, ...]]:
    """Return the flags of each row."""
    known = timed(records)
    return flags_of_timed(known, product_bounds(each.record for each in known))


def flags_of_timed(known: Sequence[Timed], bounds: Bounds) -> dict[Row, tuple[Flag, ...]]:
    """Return the flags of each row, from the processes that were timed."""
    return {row: flags(each) for row, each in process_times(known, bounds).items()}


def unfair(found: Mapping[Row, Iterable[Flag]]) -> dict[Row, list[str]]:
    """Return the sentences of the unfair flags of each row that has any."""
    raised = {row: [flag.sentence for flag in flags if flag.unfair] for row, flags in found.items()}
    return {row: sentences for row, sentences in raised.items() if sentences}


def flags(samples: Sequence[ProcessTimes]) -> tuple[Flag, ...]:
    """Return the flags of a row, from the processes that timed it."""
    if not samples:
        return ()
    found = [Flag(check(samples), unfair=True) for check in UNFAIR]
    found += [Flag(check(samples), unfair=False) for check in NOTEWORTHY]
    return tuple(flag for flag in found if flag.sentence)


def _typical(samples: Sequence[ProcessTimes], number: Callable[[ProcessTimes], float]) -> float:
    """Return the median over processes, so that one disturbed process raises no flag."""
    return median(map(number, samples))


def unfinished(samples: Sequence[ProcessTimes]) -> str:
    """Work goes on after `train` has returned."""
    left_s = _typical(samples, lambda sample: _high(_readings(sample.timing)) - min(sample.timing.reread_s))
    pass_s = _typical(samples, lambda sample: sample.pass_s)
    # Caches explain that a reading takes twice as long as another one of large parameters with nothing left to do.
    explained_s = _typical(samples, lambda sample: min(sample.timing.reread_s))
    if left_s <= max(LEFT_SHARE * pass_s, LEFT_FLOOR_S, explained_s):
        return ""
    return f"does not wait: {left_s / max(pass_s, 1e-9):.0%} of a pass was left to do when train returned"


def _readings(timing: Timing) -> list[float]:
    """Return how long each reading of the parameters took; of those in turns, which are ranked, the mean of each turn.

    A process without readings in turns has those after the passes of its first training. There, memory that a framework
    gets for the first time can make a reading of large parameters twice as long.
    """
    turns = timing.turns
    in_turns = zip(turns.reads, turns.read_s, strict=True) if turns else ()
    return [read_s / reads for reads, read_s in in_turns if reads] or list(timing.read_s)


def _high(readings_s: Sequence[float]) -> float:
    """Return the upper median: the larger one of the two in the middle. Fewer than half may be disturbed."""
    return sorted(readings_s)[len(readings_s) // 2]


def crowded(samples: Sequence[ProcessTimes]) -> str:
    """More threads want to run than there are cores for."""
    samples = _countable(samples)
    if not samples:
        return ""
    known = [sample for sample in samples if sample.timing.steady.waited_s is not None]
    if not known:
        return ""
    ready = _typical(known, _ready)
    granted = samples[0].threads
    if ready <= READY_SHARE * granted + 1:
        return ""
    return f"{ready:.1f} threads at a time were ready to run, {granted} granted"


def uncounted(samples: Sequence[ProcessTimes]) -> str:
    """Short-lived threads used CPU time; their waiting time cannot be measured.

    That is not unfair by itself: no process can keep more cores busy than it was granted.
    """
    samples = _countable(samples)
    if not samples:
        return ""
    share = _typical(samples, lambda each: each.timing.steady.vanished_cpu_s / max(each.timing.steady.cpu_s, 1e-9))
    return f"short-lived threads used {share:.0%} of its CPU time" if share > VANISHED_SHARE else ""


def _countable(samples: Sequence[ProcessTimes]) -> list[ProcessTimes]:
    return [sample for sample in samples if sample.timing.steady.window_s >= COUNTABLE_S]


def _ready(sample: ProcessTimes) -> float:
    steady = sample.timing.steady
    return (_cpu_s(sample) + (steady.waited_s or 0.0)) / max(steady.window_s, 1e-9)


def _cpu_s(sample: ProcessTimes) -> float:
    """Return the CPU time of a process and its helpers."""
    return sample.timing.steady.cpu_s + sample.timing.steady.helpers_cpu_s


def helped(samples: Sequence[ProcessTimes]) -> str:
    """Other processes worked for it: their memory is not counted, and they need not stop when it does."""
    samples = _countable(samples)
    if not samples:
        return ""
    share = _typical(samples, lambda each: each.timing.steady.helpers_cpu_s / max(_cpu_s(each), 1e-9))
    return f"processes that it has started used {share:.0%} of its CPU time" if share > HELPED_SHARE else ""


def escaped(samples: Sequence[ProcessTimes]) -> str:
    """The process runs on cores that it was not granted."""
    granted = samples[0].threads
    cores = max(sample.resources.cores or 0 for sample in samples)
    if cores > granted:
        return f"set its CPU affinity to {cores} cores, {granted} granted"
    samples = _countable(samples)
    if not samples:
        return ""
    busy = _typical(samples, lambda each: _cpu_s(each) / max(each.timing.steady.window_s, 1e-9))
    return f"kept {busy:.1f} cores busy, {granted} granted" if busy > CORES_SHARE * granted else ""


def too_fast(samples: Sequence[ProcessTimes]) -> str:
    """The model's operations took less time than the fastest matrix product of the run allows."""
    share = _typical(samples, achieved_share)
    if share <= BOUND_SHARE:
        return ""
    return f"{share:.2f} times as fast as the fastest matrix product of this run: some work was not done"


def impossible(samples: Sequence[ProcessTimes]) -> str:
    """Its large matrix product took less time than the processor needs."""
    known = [sample for sample in samples if sample.timing.product_limit_flops_per_s is not None]
    if not known:
        return ""
    share = _typical(known, lambda each: each.timing.product_flops_per_s / (each.timing.product_limit_flops_per_s or 1))
    if share <= 1:
        return ""
    return f"its matrix product was {share:.2g} times as fast as the processor can be: it was not computed"


def remembering(samples: Sequence[ProcessTimes]) -> str:
    """The first pass, repeated from the same start, is far shorter than all passes from new ones."""
    known = [sample for sample in samples if sample.timing.turns and sample.timing.turns.passes_s]
    if not known:
        return ""
    share = _typical(known, _repeated_share)
    if share >= REMEMBERED:
        return ""
    return f"a pass repeated from its start took {share:.0%} of one from a new start: it remembers, or works in reset"


def _repeated_share(sample: ProcessTimes) -> float:
    turns = sample.timing.turns
    return sample.timing.passes_s[-1] / max(min(turns.passes_s), 1e-9) if turns else 1.0


def achieved_share(sample: ProcessTimes) -> float:
    """Return the model's FLOP/s divided by those of the fastest matrix product."""
    timing = sample.timing
    return timing.flops_per_pass / max(sample.pass_s, 1e-9) / sample.bound_flops_per_s


def drifting(samples: Sequence[ProcessTimes]) -> str:
    """Passes become slower, or faster, within most processes, and more than those of the rows beside them."""
    live = [sample for sample in samples if sample.timing.turns]
    ratio = _drift_in_turns(live) if live else _drift_in_passes(samples)
    if ratio > 1:
        return f"slows down: its last passes take {ratio:.2f} times as long as its first"
    if ratio < 1:
        return f"still warming up: its first steady passes take {1 / ratio:.2f} times as long as its last"
    return ""


def _drift_in_turns(samples: Sequence[ProcessTimes]) -> float:
    return drift([sample.trend for sample in samples if sample.trend], TREND, TREND_ERRORS)


def _drift_in_passes(samples: Sequence[ProcessTimes]) -> float:
    """Return the typical ratio of the last to the first passes of one training if most processes drift, else 1."""
    trends = [_trend(sample.timing.steady_s) for sample in samples if len(sample.timing.steady_s) >= TREND_PASSES]
    slower, faster = (sum(each > TREND for each in trends), sum(each < 1 / TREND for each in trends))
    return median(trends) if trends and max(slower, faster) >= 0.75 * len(trends) else 1.0


def _trend(steady_s: Sequence[float]) -> float:
    third = len(steady_s) // 3
    return median(steady_s[-third:]) / max(median(steady_s[:third]), 1e-9)


def recompiling(samples: Sequence[ProcessTimes]) -> str:
    """Some passes are far slower than the others in most processes; a single process may have been disturbed."""
    live = [sample for sample in samples if sample.timing.turns]
    return _recompiling_in_turns(live) if live else _recompiling_in_passes(samples)


def _recompiling_in_turns(samples: Sequence[ProcessTimes]) -> str:
    known = [(sample.timing.turns, sample.beside) for sample in samples]
    found = repeated([(len(turns.passes_s), long_passes(turns, beside)) for turns, beside in known if turns])
    if found is None:
        return ""
    where = "most turns" if found.turn is None else f"turn {found.turn + 1}"
    return f"compiles again? In {where} a pass took over {SPIKE:g} times the median in {found.processes} processes"


def _recompiling_in_passes(samples: Sequence[ProcessTimes]) -> str:
    if len(samples) < 2:
        return ""
    counts = Counter(number for sample in samples for number in _spikes(sample.timing.passes_s))
    if not counts:
        return ""
    number, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
    if times <= len(samples) / 2:
        return ""
    others = " and others" if sum(count == times for count in counts.values()) > 1 else ""
    return f"compiles again? Pass {number + 1}{others} took over {SPIKE:g} times the median in {times} processes"


def _spikes(passes_s: Sequence[float]) -> list[int]:
    usual_s = median(passes_s[1:])
    return [
        number
        for number, pass_s in enumerate(passes_s)
        if number > 0 and pass_s > max(SPIKE * usual_s, usual_s + SPIKE_S)
    ]


def other_clock(samples: Sequence[ProcessTimes]) -> str:
    """The clock of the process and that of its parent disagree about how long its turns took."""
    known = [sample for sample in samples if sample.timing.turns and sample.timing.turns.asked_s]
    if not known:
        return ""
    off = _typical(known, _clock_off)
    if abs(off) <= CLOCK_SHARE:
        return ""
    return f"its clock runs {abs(off):.0%} {'slower' if off > 0 else 'faster'} than that of the run"


def _clock_off(sample: ProcessTimes) -> float:
    """Return by how much more time passed for the parent, beyond what a request takes.

    It is that of a turn with a small difference, because a busy machine delays requests and replies of some turns.
    """
    turns = sample.timing.turns
    if turns is None:
        return 0.0
    differences = [
        math.copysign(max(0.0, abs(asked_s - took_s) - TURN_FLOOR_S), asked_s - took_s) / max(took_s, 1e-9)
        for asked_s, took_s in zip(turns.asked_s, turns.took_s, strict=True)
    ]
    return sorted(differences, key=abs)[int(UNDISTURBED * len(differences))]


def unaccounted(samples: Sequence[ProcessTimes]) -> str:
    """The phases do not add up to the wall time, which the parent has measured."""
    missing_s = _typical(samples, lambda sample: sample.timing.wall_s - sample.timing.phases_s)
    wall_s = max(_typical(samples, lambda sample: sample.timing.wall_s), 1e-9)
    if abs(missing_s) <= max(CLOCK_SHARE * wall_s, PHASES_FLOOR_S):
        return ""
    if missing_s < 0:
        return f"the phases are {-missing_s / wall_s:.0%} longer than the wall time"
    return f"{missing_s / wall_s:.0%} of the wall time is in no phase"


def other_than_claimed(samples: Sequence[ProcessTimes]) -> str:
    """A process used another precision, device or number of threads than its row says."""
    return next((sample.unlike_row for sample in samples if sample.unlike_row), "")


UNFAIR = (
    other_than_claimed,
    unfinished,
    crowded,
    escaped,
    helped,
    too_fast,
    impossible,
    remembering,
    other_clock,
    unaccounted,
)


def left_behind(samples: Sequence[ProcessTimes]) -> str:
    """Processes that it has started were still running when it had ended."""
    return left_running(tuple(dict.fromkeys(command for sample in samples for command in sample.resources.left)))


NOTEWORTHY = (uncounted, drifting, recompiling, left_behind)
