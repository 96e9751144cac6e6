"""Warnings about a row's times, from what its processes recorded. Pure.

An `unfair` flag means that the times are not comparable with those of other rows: the row is shown but not ranked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from backends.contract import Array
from bench.analysis.claims import left_running
from bench.analysis.process_times import Bounds, ProcessTimes, process_times, product_bounds
from bench.analysis.steadiness import SPIKE, SPIKE_S, drift, repeated
from bench.analysis.turns import SHORTEST_S, Timed, medians, middle, timed
from bench.records.columns import Columns
from bench.records.lists import Lists
from bench.records.schema import Record, Row

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
    known = timed(Columns.of(records))
    return flags_of_timed(known, product_bounds(known.columns))


def flags_of_timed(known: Timed, bounds: Bounds) -> dict[Row, tuple[Flag, ...]]:
    """Return the flags of each row, from the processes that were timed."""
    return {row: flags(each) for row, each in process_times(known, bounds).items()}


def unfair(found: Mapping[Row, Iterable[Flag]]) -> dict[Row, list[str]]:
    """Return the sentences of the unfair flags of each row that has any."""
    raised = {row: [flag.sentence for flag in flags if flag.unfair] for row, flags in found.items()}
    return {row: sentences for row, sentences in raised.items() if sentences}


def flags(samples: ProcessTimes) -> tuple[Flag, ...]:
    """Return the flags of a row, from the processes that timed it."""
    if not len(samples):
        return ()
    found = [Flag(check(samples), unfair=True) for check in UNFAIR]
    found += [Flag(check(samples), unfair=False) for check in NOTEWORTHY]
    return tuple(flag for flag in found if flag.sentence)


# In what follows, the median over processes is what counts, so that one disturbed process raises no flag.


def unfinished(samples: ProcessTimes) -> str:
    """Work goes on after `train` has returned."""
    reread_s = _shortest(samples.columns.lists("reread_s"))
    left_s = middle(_readings(samples.columns) - reread_s)
    pass_s = middle(samples.pass_s)
    # Caches explain that a reading takes twice as long as another one of large parameters with nothing left to do.
    if left_s <= max(LEFT_SHARE * pass_s, LEFT_FLOOR_S, middle(reread_s)):
        return ""
    return f"does not wait: {left_s / max(pass_s, SHORTEST_S):.0%} of a pass was left to do when train returned"


def _readings(columns: Columns) -> Array:
    """Return how long a reading of the parameters took; of those in turns, which are ranked, by the mean of each turn.

    A process without readings in turns has those after the passes of its first training. There, memory that a framework
    gets for the first time can make a reading of large parameters twice as long.
    """
    reads, read_s = columns.lists("turns.reads"), columns.lists("turns.read_s")
    some = reads.values > 0
    in_turns = Lists(read_s.values[some] / reads.values[some], reads.keep(some).counts)
    return np.where(in_turns.counts > 0, _high(in_turns), _high(columns.lists("read_s")))


def _high(readings_s: Lists) -> Array:
    """Return the upper medians: the larger one of the two in the middle. Fewer than half may be disturbed."""
    return readings_s.each(lambda times: np.sort(times, axis=1)[:, times.shape[1] // 2])


def _shortest(times_s: Lists) -> Array:
    return times_s.each(lambda times: times.min(axis=1))


def crowded(samples: ProcessTimes) -> str:
    """More threads want to run than there are cores for."""
    columns = _countable(samples)
    waited_s = columns["steady.waited_s"]
    known = np.isfinite(waited_s)
    if not known.any():
        return ""
    ready = middle(((_cpu_s(columns) + waited_s) / _window_s(columns))[known])
    granted = columns["threads"][0]
    if ready <= READY_SHARE * granted + 1:
        return ""
    return f"{ready:.1f} threads at a time were ready to run, {granted} granted"


def uncounted(samples: ProcessTimes) -> str:
    """Short-lived threads used CPU time; their waiting time cannot be measured.

    That is not unfair by itself: no process can keep more cores busy than it was granted.
    """
    columns = _countable(samples)
    if not len(columns):
        return ""
    share = middle(columns["steady.vanished_cpu_s"] / np.maximum(columns["steady.cpu_s"], SHORTEST_S))
    return f"short-lived threads used {share:.0%} of its CPU time" if share > VANISHED_SHARE else ""


def _countable(samples: ProcessTimes) -> Columns:
    return samples.columns.take(np.flatnonzero(samples.columns["steady.window_s"] >= COUNTABLE_S))


def _window_s(columns: Columns) -> Array:
    return np.maximum(columns["steady.window_s"], SHORTEST_S)


def _cpu_s(columns: Columns) -> Array:
    """Return the CPU time of a process and its helpers."""
    found: Array = columns["steady.cpu_s"] + columns["steady.helpers_cpu_s"]
    return found


def helped(samples: ProcessTimes) -> str:
    """Other processes worked for it: their memory is not counted, and they need not stop when it does."""
    columns = _countable(samples)
    if not len(columns):
        return ""
    share = middle(columns["steady.helpers_cpu_s"] / np.maximum(_cpu_s(columns), SHORTEST_S))
    return f"processes that it has started used {share:.0%} of its CPU time" if share > HELPED_SHARE else ""


def escaped(samples: ProcessTimes) -> str:
    """The process runs on cores that it was not granted."""
    granted = samples.columns["threads"][0]
    cores = max(resources.cores or 0 for resources in samples.columns.different_resources())
    if cores > granted:
        return f"set its CPU affinity to {cores} cores, {granted} granted"
    columns = _countable(samples)
    if not len(columns):
        return ""
    busy = middle(_cpu_s(columns) / _window_s(columns))
    return f"kept {busy:.1f} cores busy, {granted} granted" if busy > CORES_SHARE * granted else ""


def too_fast(samples: ProcessTimes) -> str:
    """The model's operations took less time than the fastest matrix product of the run allows."""
    share = middle(achieved_share(samples))
    if share <= BOUND_SHARE:
        return ""
    return f"{share:.2f} times as fast as the fastest matrix product of this run: some work was not done"


def impossible(samples: ProcessTimes) -> str:
    """Its large matrix product took less time than the processor needs."""
    limit = samples.columns["product_limit_flops_per_s"]
    known = np.isfinite(limit)
    if not known.any():
        return ""
    share = middle((samples.columns["product_flops_per_s"] / limit)[known])
    if share <= 1:
        return ""
    return f"its matrix product was {share:.2g} times as fast as the processor can be: it was not computed"


def remembering(samples: ProcessTimes) -> str:
    """The first pass, repeated from the same start, is far shorter than all passes from new ones."""
    lists = samples.columns.lists
    passes, wall_s, first_s = lists("turns.passes"), lists("turns.wall_s"), lists("passes_s")
    some = passes.values > 0
    passes_s = Lists(wall_s.values[some] / passes.values[some], passes.keep(some).counts)
    known = passes_s.counts > 0
    if not known.any():
        return ""
    share = middle((first_s.last / np.maximum(_shortest(passes_s), SHORTEST_S))[known])
    if share >= REMEMBERED:
        return ""
    return f"a pass repeated from its start took {share:.0%} of one from a new start: it remembers, or works in reset"


def achieved_share(samples: ProcessTimes) -> Array:
    """Return the model's FLOP/s of each process divided by those of the fastest matrix product."""
    rate = samples.columns["flops_per_pass"] / np.maximum(samples.pass_s, SHORTEST_S)
    found: Array = rate / samples.bound_flops_per_s
    return found


def drifting(samples: ProcessTimes) -> str:
    """Passes become slower, or faster, within most processes, and more than those of the rows beside them."""
    live = samples.columns["turns"].any()
    ratio = drift(samples.trends, TREND, TREND_ERRORS) if live else _drift_in_passes(samples)
    if ratio > 1:
        return f"slows down: its last passes take {ratio:.2f} times as long as its first"
    if ratio < 1:
        return f"still warming up: its first steady passes take {1 / ratio:.2f} times as long as its last"
    return ""


def _drift_in_passes(samples: ProcessTimes) -> float:
    """Return the typical ratio of the last to the first passes of one training if most processes drift, else 1."""
    trends = samples.columns.lists("passes_s").each(_trends)
    trends = trends[np.isfinite(trends)]
    slower, faster = (trends > TREND).sum(), (trends < 1 / TREND).sum()
    return middle(trends) if len(trends) and max(slower, faster) >= 0.75 * len(trends) else 1.0


def _trends(passes_s: Array) -> Array:
    """Return the last passes / the first steady ones, for passes [processes, passes]; NaN if there are too few."""
    steady_s = passes_s[:, 1:]
    if steady_s.shape[1] < TREND_PASSES:
        return np.full(len(steady_s), math.nan)
    third = steady_s.shape[1] // 3
    return medians(steady_s[:, -third:]) / np.maximum(medians(steady_s[:, :third]), SHORTEST_S)


def recompiling(samples: ProcessTimes) -> str:
    """Some passes are far slower than the others in most processes; a single process may have been disturbed."""
    live = np.flatnonzero(samples.columns["turns"])
    return _recompiling_in_turns(samples.take(live)) if len(live) else _recompiling_in_passes(samples)


def _recompiling_in_turns(samples: ProcessTimes) -> str:
    passes = samples.columns.lists("turns.passes")
    found = repeated(passes.keep(passes.values > 0).counts, samples.long_passes)
    if found is None:
        return ""
    where = "most turns" if found.turn is None else f"turn {found.turn + 1}"
    return f"compiles again? In {where} a pass took over {SPIKE:g} times the median in {found.processes} processes"


def _recompiling_in_passes(samples: ProcessTimes) -> str:
    if len(samples) < 2:
        return ""
    passes_s = samples.columns.lists("passes_s")
    numbers = [number for place in range(len(samples)) for number in _spikes(passes_s[place])]
    counts = np.bincount(np.array(numbers, int))
    times = int(counts.max(initial=0))
    if times <= len(samples) / 2:
        return ""
    others = " and others" if (counts == times).sum() > 1 else ""
    number = int(counts.argmax()) + 1
    return f"compiles again? Pass {number}{others} took over {SPIKE:g} times the median in {times} processes"


def _spikes(passes_s: Array) -> list[int]:
    usual_s = median(passes_s[1:].tolist())
    spikes = passes_s[1:] > max(SPIKE * usual_s, usual_s + SPIKE_S)
    return [int(number) for number in 1 + np.flatnonzero(spikes)]


def other_clock(samples: ProcessTimes) -> str:
    """The clock of the process and that of its parent disagree about how long its turns took."""
    asked_s, took_s = (samples.columns.lists(f"turns.{name}") for name in ("asked_s", "took_s"))
    known = asked_s.counts > 0
    if not known.any():
        return ""
    off = middle(_clock_off(asked_s, took_s)[known])
    if abs(off) <= CLOCK_SHARE:
        return ""
    return f"its clock runs {abs(off):.0%} {'slower' if off > 0 else 'faster'} than that of the run"


def _clock_off(asked_s: Lists, took_s: Lists) -> Array:
    """Return by how much more time passed for the parent of each process, beyond what a request takes.

    It is that of a turn with a small difference, because a busy machine delays requests and replies of some turns.
    """
    more_s = asked_s.values - took_s.values
    beyond_s = np.maximum(0.0, np.abs(more_s) - TURN_FLOOR_S)
    off = asked_s.with_values(np.copysign(beyond_s, more_s) / np.maximum(took_s.values, SHORTEST_S))
    return off.each(_undisturbed)


def _undisturbed(off: Array) -> Array:
    place = int(UNDISTURBED * off.shape[1])
    smallest = np.argsort(np.abs(off), axis=1, kind="stable")[:, place]
    found: Array = off[np.arange(len(off)), smallest]
    return found


def unaccounted(samples: ProcessTimes) -> str:
    """The phases do not add up to the wall time, which the parent has measured."""
    missing_s = middle(samples.columns["wall_s"] - phases_s(samples.columns))
    wall_s = max(middle(samples.columns["wall_s"]), SHORTEST_S)
    if abs(missing_s) <= max(CLOCK_SHARE * wall_s, PHASES_FLOOR_S):
        return ""
    if missing_s < 0:
        return f"the phases are {-missing_s / wall_s:.0%} longer than the wall time"
    return f"{missing_s / wall_s:.0%} of the wall time is in no phase"


def phases_s(columns: Columns) -> Array:
    """Return the sum of all phases of each process, as `Timing.phases_s` does."""
    names = ("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s")
    before = sum((columns[name] for name in names), start=np.zeros(len(columns)))
    found: Array = columns.lists("passes_s").added_to(before) + columns["checks_s"]
    return found


def other_than_claimed(samples: ProcessTimes) -> str:
    """A process used another precision, device or number of threads than its row says."""
    return next(filter(None, samples.unlike_row.tolist()), "")


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


def left_behind(samples: ProcessTimes) -> str:
    """Processes that it has started were still running when it had ended."""
    different = samples.columns.different_resources()
    return left_running(tuple(dict.fromkeys(command for resources in different for command in resources.left)))


NOTEWORTHY = (uncounted, drifting, recompiling, left_behind)
