"""Times rows in live rounds, until the stopping rule or the time limit ends it.

In a round, one process of each row trains once, one after the other; then all of them take short turns, side by side.
The noise of a machine lasts seconds, so turns that lie side by side are hit alike and their ratio is hardly disturbed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from msgspec.structs import replace

from bench.analysis.stopping import still_open
from bench.events import JobListener
from bench.harness.executor import Executor
from bench.harness.live import Live, Sample
from bench.harness.turns import LONG_PASS_S
from bench.harness.warm import compiles
from bench.records.columns import Columns, ColumnsSoFar
from bench.records.schema import Block, CoreTimes, Record, Row
from bench.runs.plan import Plan, round_order, turn_order
from bench.runs.sharing import NO_PLACES, Space, fastest, side_by_side, space_of, space_taken, usable

# A round of n turns costs S + n T: starting its processes, and one turn of each. The ratio of two rows in it has the
# variance p + w / n: what differs between processes, and between turns. With turns that take as long as the start,
# n = S / T, cost times variance is 2 (S p + T w). It is above S p + T w for every n, so this costs at most twice the
# time of the best number of turns, whatever p and w are.
MIN_TURNS = 5  # so that one disturbed turn cannot move a median, where a turn takes seconds
# Most rows are so far from the fastest that the first round tells, and leave after it: it has `MIN_TURNS` turns. More
# would tell nothing: what a comparison of one round assumes of processes is far above what is left by five turns. A row
# that has used its part of this share of the time leaves earlier.
FIRST_SHARE = 0.25
FIRST_TURNS = 2  # of a row that has used its part of the time: one of slow passes
# A pass of seconds averages over what disturbs a machine. A row of such passes that is so many times slower than the
# fastest leaves the first round after one turn: it is behind beyond doubt, even if one of the two took twice as long.
FAR_BEHIND = 5.0
# After their turns processes answer requests: every row in its first round, and later ones as long as all of that has
# taken less than this share of the run.
INFERENCE_SHARE = 0.1
SERVING_TURNS = 5
SERVING_S = 2.0  # of a row in a round, from which on it has no further turn
# At the very end, in its first round, a row tells what it has learned. The metric after each pass needs one more
# training: the fastest row of a task has it, the others, the fastest first, as long as all of that has taken less than
# this share of the run.
LEARNING_SHARE = 0.05
LEARNING_S = 60.0  # of the fastest row, at most
MAX_TURNS = 40  # more do not help: by then the difference between processes is larger than what turns leave


@dataclass
class Progress:
    """The progress of a run."""

    plan: Plan
    begun_s: float
    so_far: dict[str, ColumnsSoFar]  # the records of each task
    took_s: dict[str, float] = field(default_factory=dict)  # duration of the last round of each task
    rounds: dict[str, int] = field(default_factory=dict)  # number of the next round of each task
    inference_s: float = 0.0  # that inference has taken
    learning_s: float = 0.0  # that telling what was learned has taken

    @classmethod
    def of(cls, plan: Plan, earlier: Iterable[Record], begun_s: float) -> Self:
        """Begin, or go on after these records, with a new round: processes of two times cannot be side by side."""
        progress = cls(plan, begun_s, {task: ColumnsSoFar() for task in plan.tasks})
        for record in earlier:
            progress.so_far[record.job.row.task].add(record)
        for task in plan.tasks:
            records = progress.records(task)
            progress.rounds[task] = 1 + int(records["block"][records["ok"]].max(initial=-1))
        return progress

    def records(self, task: str) -> Columns:
        """Return the records of a task."""
        return self.so_far[task].columns()

    def fits(self, task: str, now_s: float) -> bool:
        """Return whether another round of a task, as long as its last one, would end in time.

        A task has rounds until each of its rows has been in one, however long that takes.
        """
        if self.plan.goal.workers is not None or task not in self.took_s:
            return True
        if self.records(task).by_row().keys() < set(self.plan.tasks[task]):
            return True
        return now_s - self.begun_s + self.took_s[task] <= self.plan.goal.time_s

    def serving(self, rows: Iterable[Row], now_s: float) -> set[Row]:
        """Return those of the rows of a round that answer requests after their turns."""
        if not self.plan.inference:
            return set()
        if self.inference_s < INFERENCE_SHARE * (now_s - self.begun_s):
            return set(rows)
        return {row for row in rows if not self._has_told("inference", row)}

    def starting_warm(self, task: str, rows: Iterable[Row]) -> set[Row]:
        """Return those of the rows of a round that start once more from a warm cache, if they compile anything."""
        return set(rows) - self.records(task).by_row().keys() if self.plan.warm_cache else set()

    def learning(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of the rows of a round that tell what they have learned: each tells it once."""
        return [row for row in rows if not self._has_told("learned", row)] if self.plan.learned else []

    def learning_left_s(self, now_s: float) -> float:
        """Return how long further trainings that tell what was learned may take."""
        return LEARNING_SHARE * (now_s - self.begun_s) - self.learning_s

    def _has_told(self, what: str, row: Row) -> bool:
        records = self.records(row.task)
        return bool(records[what][records.by_row().get(row, NO_PLACES)].any())

    def due(self, task: str, executor: Executor, unranked: Collection[Row]) -> tuple[Row, ...]:
        """Return the rows of a task that run in its next round, in their order; none if the task has told enough."""
        rows, number, records = self.plan.tasks[task], self.rounds[task], self.records(task)
        wanted = still_open(rows, self.plan.goal, records, number, unranked)
        if not wanted:
            return ()
        best = fastest(records, unranked)
        order = round_order(rows, seed=self.plan.seed, block=number)
        together = [row for row in order if row in wanted or row == best]
        if not len(records):  # what fits is seen as processes come: they take less than the bounds that are known now
            return tuple(together)
        spaces = {row: space_of(row, self.plan.settings, records) for row in together}
        return side_by_side(together, best, records, spaces, _free(executor))

    def left_s(self, tasks: Iterable[str], now_s: float) -> float | None:
        """Return about how long the rounds of these tasks still take at most; None if it is not known yet."""
        workers = self.plan.goal.workers
        if workers is None:
            return max(0.0, self.plan.goal.time_s - (now_s - self.begun_s))
        rounds = {task: max(1, workers - self.rounds[task]) for task in tasks}
        return (
            sum(self.took_s[task] * count for task, count in rounds.items())
            if rounds.keys() <= self.took_s.keys()
            else None
        )

    def label(self, tasks: Iterable[str], now_s: float) -> str:
        """Return, for people, the number of the round and how much of the time has passed."""
        number = 1 + min(self.rounds[task] for task in tasks)
        if self.plan.goal.workers is not None:
            return f"round {number} of {max(number, self.plan.goal.workers)}"
        return f"round {number}, {(now_s - self.begun_s) / 60:.0f} of {self.plan.goal.time_s / 60:g} min"


def run_rounds(
    plan: Plan,
    executor: Executor,
    listener: JobListener,
    earlier: Iterable[Record] = (),
    unranked: Callable[[], Collection[Row]] = tuple,
) -> Iterator[Sample | Block]:
    """Yield the samples of each round and, after them, the state of the machine during it.

    `earlier` are the good records of the same plan, from a run that is resumed. `unranked` returns the rows that are
    not ranked: no other row is compared with them.
    """
    progress = Progress.of(plan, earlier, executor.clock())
    while True:
        fitting = [task for task in plan.tasks if progress.fits(task, executor.clock())]
        due = {task: rows for task in fitting if (rows := progress.due(task, executor, unranked()))}
        if not due:
            return
        # 2: the turns of the round, and its repetitions, which whoever takes the samples judges
        jobs = sum(len(rows) + 2 + len(progress.starting_warm(task, rows)) for task, rows in due.items())
        listener.stage(progress.label(due, executor.clock()), jobs, progress.left_s(due, executor.clock()))
        for task, rows in due.items():
            if progress.fits(task, executor.clock()):
                yield from _round(task, rows, progress, executor, listener)


def _round(
    task: str, rows: tuple[Row, ...], progress: Progress, executor: Executor, listener: JobListener
) -> Iterator[Sample | Block]:
    number = progress.rounds[task]
    begun_s = executor.clock()
    before, cores_before = executor.calibrate(), executor.core_times()
    working_s = executor.clock()
    samples = _live(task, rows, progress, executor, listener)
    wall_s = executor.clock() - working_s
    cores_after, after = executor.core_times(), executor.calibrate()
    progress.took_s[task] = executor.clock() - begun_s
    progress.rounds[task] += 1
    starting = progress.starting_warm(task, rows)
    samples = [_warmed(each, executor, listener) if each.record.job.row in starting else each for each in samples]
    for sample in samples:
        progress.so_far[task].add(sample.record)
    foreign, stolen = _others(cores_before, cores_after, wall_s)
    yield from samples
    yield Block(
        task=task,
        block=number,
        wall_s=wall_s,
        before=before,
        after=after,
        foreign_cores=foreign,
        stolen_cores=stolen,
    )


def _live(
    task: str, rows: tuple[Row, ...], progress: Progress, executor: Executor, listener: JobListener
) -> list[Sample]:
    """Let the processes of a round train, take turns, answer requests; return what they leave, when they are gone."""
    begun_s, plan, number = executor.clock(), progress.plan, progress.rounds[task]
    lives: dict[Row, Live] = {}
    records = progress.records(task)
    free = None if len(records) else _free(executor)  # the rows were chosen by what is known of them
    with executor.round() as processes:
        for row in rows:
            taken = [space_taken(live.record) for live in lives.values()]
            if free and taken and not free.holds([*taken, space_of(row, plan.settings, records)]):
                continue  # it comes in the next round
            listener.begins(f"{row} #{number + 1}")
            lives[row] = processes.begin(plan.job(row, number), plan.watched(task))
            listener.ended(f"{row} #{number + 1}", lives[row].record.status)
        alive = {row: live for row, live in lives.items() if live.record.status == "ok"}
        listener.begins(f"{task} turns #{number + 1}")
        _take_turns(alive, plan, number, executor, executor.clock() - begun_s)
        outcomes = [live.record.status for live in alive.values()]
        turned_s = executor.clock()
        serving = progress.serving(alive, turned_s)
        _serve({row: live for row, live in alive.items() if row in serving}, plan, number, executor)
        progress.inference_s += executor.clock() - turned_s
        _learn({row: alive[row] for row in progress.learning(alive)}, progress, executor)
        samples = [live.finish() for live in lives.values()]
        listener.ended(f"{task} turns #{number + 1}", next((each for each in outcomes if each != "ok"), "ok"))
        return samples


def _warmed(sample: Sample, executor: Executor, listener: JobListener) -> Sample:
    """Return the first sample of a row with its start from a warm cache, if it has compiled anything."""
    label = f"{sample.record.job.row} warm"
    listener.begins(label)
    if not compiles(sample.record):
        listener.ended(label, "nothing to keep")
        return sample
    warm = executor.start_warm(sample.record.job)
    listener.ended(label, warm.reason or "ok")
    return sample._replace(record=replace(sample.record, warm=warm))


def _free(executor: Executor) -> Space:
    """Return the memory that processes of a round may take together."""
    return usable({"cpu": executor.free_memory_bytes("cpu"), "gpu": executor.free_memory_bytes("gpu")})


def _take_turns(lives: Mapping[Row, Live], plan: Plan, number: int, executor: Executor, lasting_s: float) -> None:
    """Let the rows take turns for about `lasting_s` seconds: between `MIN_TURNS` and `MAX_TURNS` each.

    The first round has `MIN_TURNS` at most; rows of slow passes leave it earlier (`FIRST_TURNS`, `FAR_BEHIND`).
    """
    if not lives:
        return
    begun_s = executor.clock()
    lives, used_s = dict(lives), dict.fromkeys(lives, 0.0)
    share_s = FIRST_SHARE * lasting_s / len(lives)
    everyone = plan.tasks[next(iter(lives)).task]
    far = _far_behind(lives)
    for turn in range(MAX_TURNS if number else MIN_TURNS):
        if turn >= MIN_TURNS and executor.clock() - begun_s >= lasting_s:
            return
        if number == 0 and turn:
            over = {row for row in lives if used_s[row] > share_s} if turn >= FIRST_TURNS else set()
            lives = {row: live for row, live in lives.items() if row not in over | far} or lives
        for row in turn_order(everyone, seed=plan.seed, block=number, turn=turn):
            if row in lives:
                turned_s = executor.clock()
                lives[row].turn(turn)
                used_s[row] += executor.clock() - turned_s


def _far_behind(lives: Mapping[Row, Live]) -> set[Row]:
    """Return the rows of passes that take seconds and that are far slower than the fastest, by their first trainings.

    These come before all turns, so that no turn decides how many turns there are.
    """
    passes_s = {row: min(live.record.timing.passes_s) for row, live in lives.items() if live.record.timing}
    least_s = max(LONG_PASS_S, FAR_BEHIND * min(passes_s.values(), default=math.inf))
    return {row for row, pass_s in passes_s.items() if pass_s > least_s}


def _serve(lives: Mapping[Row, Live], plan: Plan, number: int, executor: Executor) -> None:
    """Let the rows answer requests in turns. Nothing of their training is timed any more."""
    used_s = dict.fromkeys(lives, 0.0)
    for live in lives.values():
        live.open_service()
    for turn in range(SERVING_TURNS if lives else 0):
        for row in turn_order(plan.tasks[next(iter(lives)).task], seed=plan.seed, block=number, turn=turn):
            if row in lives and used_s[row] < SERVING_S:
                begun_s = executor.clock()
                lives[row].serve(turn)
                used_s[row] += executor.clock() - begun_s


def _learn(lives: Mapping[Row, Live], progress: Progress, executor: Executor) -> None:
    """Let the rows tell what they have learned, the fastest first: each trains once more if there is time."""
    begun_s = executor.clock()
    trainings_s = {row: training_s(live.record) for row, live in lives.items() if live.record.status == "ok"}
    order = sorted(trainings_s, key=lambda row: trainings_s[row])
    first = None if not order or progress.records(order[0].task)["learned"].any() else order[0]
    for row in order:
        now_s = executor.clock()
        left_s = LEARNING_S if row == first else progress.learning_left_s(now_s) - (now_s - begun_s)
        if row != first and trainings_s[row] > left_s:
            left_s = 0.0
        lives[row].learn(left_s, f"not trained again, because that would take {trainings_s[row]:.1f} s")
    progress.learning_s += executor.clock() - begun_s


def training_s(record: Record) -> float:
    """Return how long a process would train once more: its first training, without compiling."""
    if record.timing is None:
        return math.inf
    *passes_s, again_s = record.timing.passes_s  # the last one repeats the first
    return len(passes_s) * min(again_s, *passes_s)


def _others(before: CoreTimes | None, after: CoreTimes | None, wall_s: float) -> tuple[float | None, float | None]:
    """Return how many cores other processes, and other virtual machines on the host, kept busy."""
    if before is None or after is None or wall_s <= 0:
        return None, None
    foreign_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return max(0.0, foreign_s / wall_s), max(0.0, (after.stolen_s - before.stolen_s) / wall_s)
