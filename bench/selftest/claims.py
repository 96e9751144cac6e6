"""The suite's claims about its own measurements, tested on samples whose true ratio is known. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.comparison import Comparison, Group
from bench.analysis.flags import Flag
from bench.analysis.stats import MIN_ROUNDS
from bench.analysis.turns import Times
from bench.records.schema import Row
from bench.selftest.backend import STEPS_TO_ONE_MORE

FALSE_ALARMS = 0.05
FOUND = 0.90
COVERED = 0.95
MORE_STEPS = 1 / STEPS_TO_ONE_MORE
OVERHEAD = 0.01
FAULTS: Mapping[str, str] = {  # mode: what its flag must say
    "unfinished": "does not wait",
    "more_threads": "threads",
    "slows_down": "slows down",
    "recompiles": "compiles again",
}


@dataclass(frozen=True)
class Claim:
    """A claim in words, the wanted result, and the result."""

    name: str
    wanted: str
    got: str
    holds: bool


def two_errors(share: float, count: int) -> float:
    """Return two standard errors of a share that is observed in `count` independent cases."""
    return 2 * math.sqrt(share * (1 - share) / count) if count else math.inf


def compare_alone(times: Times, mode: str, other: str, effect: float) -> Comparison:
    """Return the comparison mode / other from a run that has only these two rows."""
    pair = {row.mode: row for row in times}
    two = {pair[name]: times[pair[name]] for name in (mode, other)}
    return Group(two, effect).compared_with(pair[other])[pair[mode]]


def measured(found: Comparison) -> bool:
    """Return whether the scatter of a comparison was measured; that of a single round is assumed."""
    return found.rounds >= MIN_ROUNDS


def no_false_alarms(runs: Sequence[Times], effect: float) -> Claim:
    """One backend under two names is rarely called faster or slower than itself."""
    found = [compare_alone(times, "again", "same", effect) for times in runs]
    outcomes = [each.judged.verdict for each in found if measured(each)]
    alarms = sum(outcome in ("faster", "slower") for outcome in outcomes)
    count = len(outcomes)
    limit = FALSE_ALARMS + two_errors(FALSE_ALARMS, count)
    equivalent = outcomes.count("equivalent")
    return Claim(
        name="A/A: one backend under two names is called different from itself",
        wanted=f"at most {limit:.1%} ({FALSE_ALARMS:.0%} and two standard errors) of {count}",
        got=f"{alarms} ({alarms / max(1, count):.1%}); {equivalent} equivalent, the others inconclusive",
        holds=count > 0 and alarms / count <= limit,
    )


def slowdowns_found(runs: Sequence[Times], effect: float) -> Claim:
    """Two percent more steps are found by runs that claim to detect such a difference."""
    found = [compare_alone(times, "slower", "same", effect) for times in runs]
    able = [each for each in found if each.judged.detectable <= MORE_STEPS]
    seen = sum(each.judged.verdict == "slower" for each in able)
    all_seen = sum(each.judged.verdict == "slower" for each in found)
    return Claim(
        name=f"{MORE_STEPS:.0%} more steps are found by a run that claims to detect such a difference",
        wanted=f"at least {FOUND:.0%}",
        got=f"{seen} of {len(able)} ({seen / max(1, len(able)):.0%}); {all_seen} of all {len(found)} runs",
        holds=bool(able) and seen / len(able) >= FOUND,
    )


def truth_covered(runs: Sequence[Times], effect: float) -> Claim:
    """The interval contains the true ratio, which is known here."""
    truths = (("again", "same", 1.0), ("slower", "same", 1 + MORE_STEPS))
    found = [(compare_alone(times, mode, other, effect), truth) for times in runs for mode, other, truth in truths]
    known = [(each.interval, truth) for each, truth in found if each.interval and measured(each)]
    covered = sum(interval.low <= truth <= interval.high for interval, truth in known)
    limit = COVERED - two_errors(COVERED, len(known))
    return Claim(
        name=f"the 95 % interval of the ratio contains the true ratio, 1 or {1 + MORE_STEPS}",
        wanted=f"at least {limit:.1%} (95 % less two standard errors) of {len(known)}",
        got=f"{covered} ({covered / max(1, len(known)):.1%})",
        holds=bool(known) and covered / len(known) >= limit,
    )


def little_overhead(times: Times, effect: float) -> Claim:
    """The harness adds little to a pass of 10 ms, even if all its work between passes is counted."""
    found = compare_alone(times, "no_op", "by_hand", effect)
    between = found.interval if measured(found) else None
    got = "no interval" if between is None else f"{found.ratio:.4f} [{between.low:.4f}, {between.high:.4f}]"
    return Claim(
        name="time of a 10 ms pass in the harness / in a loop written by hand",
        wanted=f"the whole interval below {1 + OVERHEAD:.2f}",
        got=f"{got} from {found.rounds} round{'' if found.rounds == 1 else 's'}",
        holds=between is not None and between.high < 1 + OVERHEAD,
    )


def faults_flagged(flags: Mapping[Row, Iterable[Flag]]) -> list[Claim]:
    """Each planted fault gets its own flag, and the backend without a fault gets none."""
    by_mode = {row.mode: [flag.sentence for flag in each] for row, each in flags.items()}
    claims = [
        Claim(
            name=f"a backend with a fault: {mode}",
            wanted=f"flagged: {says} …",
            got="; ".join(by_mode.get(mode, [])) or "nothing",
            holds=any(says in sentence for sentence in by_mode.get(mode, [])),
        )
        for mode, says in FAULTS.items()
    ]
    right = by_mode.get("same")
    got = "was not timed" if right is None else "; ".join(right) or "nothing"
    return [*claims, Claim("a backend without a fault", "no flag", got, right == [])]
