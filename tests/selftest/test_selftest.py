"""What the suite claims of itself: each claim held and broken by planted data, and the backends that it tests with."""

from __future__ import annotations

import csv
import functools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import numpy as np
import pytest
from support import a_record, a_row, a_timing, no_files
from synthetic import MockExecutor
from timed_processes import ATimedProcess, process_times_of

from backends.contract import Array, Params, Placement, Trainer, parts
from backends.numpy_backend import NumpyTrainer
from backends.registry import BACKENDS
from bench.analysis.flags import Flag, flags
from bench.analysis.stats import estimate, interval
from bench.analysis.turns import Grid, Times
from bench.cli.app import exit_code
from bench.events import SilentListener
from bench.harness.executor import ProcessExecutor
from bench.harness.live import turns_of
from bench.harness.measure import measure, reread
from bench.harness.process import Worker
from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup, make_setup
from bench.harness.time_job import TimeRequest
from bench.harness.turn_job import TurnRequest
from bench.harness.turns import Instruments, Repeater
from bench.harness.workbench import Workbench
from bench.machine.usage import Usage
from bench.records.schema import Goal, Record, Resources, Row, Steady
from bench.runs.plan import BadChoice, Plan
from bench.runs.selection import Choice, choose_rows
from bench.selftest import HIDDEN, SELFTEST, TASK, backend
from bench.selftest import run as selftests
from bench.selftest.by_hand import TURN_PASSES, ByHandRequest, ByHandTurnRequest
from bench.selftest.claims import (
    FAULTS,
    Claim,
    faults_flagged,
    little_overhead,
    no_false_alarms,
    slowdowns_found,
    truth_covered,
)
from bench.selftest.run import (
    EFFECT,
    LIMITS,
    Limits,
    OverheadExecutor,
    Part,
    claims_of,
    plan,
    samples_csv,
    selftest,
    take,
    tidy,
)
from bench.tasks import TASKS
from bench.tasks.training import make_training, repetition


def mode_row(mode: str) -> Row:
    return a_row(TASK, SELFTEST.name, mode)


def times(ratios: Mapping[str, float], *, blocks: int = 8, noise: float = 0.002) -> Times:
    """Return a run whose modes take so many times as long as its first, but for noise that adds up to nothing."""
    return {
        mode_row(mode): Grid.of_rounds(
            {
                block: np.array([math.log(0.02 * ratio) + 0.1 * block + (noise * (-1) ** block if number else 0.0)])
                for block in range(blocks)
            }
        )
        for number, (mode, ratio) in enumerate(ratios.items())
    }


def a_run(again: float = 1.0, slower: float = 1.02, **more: Any) -> Times:
    return times({"same": 1.0, "again": again, "slower": slower}, **more)


RIGHT, NOISY, SHORT = a_run(), a_run(noise=0.2), a_run(blocks=1)


# False alarms


def test_a_backend_that_is_never_told_from_itself_is_no_false_alarm() -> None:
    claim = no_false_alarms([RIGHT] * 40, EFFECT)
    assert claim.holds
    assert claim.wanted == "at most 11.9% (5% and two standard errors) of 40"
    assert claim.got == "0 (0.0%); 40 equivalent, the others inconclusive"


@pytest.mark.parametrize(("alarms", "holds"), [(4, True), (5, False)])  # 11.9 % of 40 are 4.8
@pytest.mark.parametrize("again", [1.1, 1 / 1.1])
def test_false_alarms_may_be_as_many_as_chance_explains(again: float, alarms: int, holds: bool) -> None:
    claim = no_false_alarms([a_run(again)] * alarms + [RIGHT] * (30 - alarms) + [NOISY] * 10, EFFECT)
    assert claim.holds == holds
    assert claim.got == f"{alarms} ({alarms / 40:.1%}); {30 - alarms} equivalent, the others inconclusive"


def test_one_run_is_enough_to_hold() -> None:
    assert no_false_alarms([RIGHT], EFFECT).holds
    assert not no_false_alarms([a_run(1.1)], EFFECT).holds


# Slowdowns


def test_a_slowdown_that_is_always_found() -> None:
    claim = slowdowns_found([RIGHT] * 10, EFFECT)
    assert claim.holds
    assert claim.name == "2% more steps are found by a run that claims to detect such a difference"
    assert claim.wanted == "at least 90%"
    assert claim.got == "10 of 10 (100%); 10 of all 10 runs"


@pytest.mark.parametrize(("missed", "holds"), [(1, True), (2, False)])
@pytest.mark.parametrize("slower", [1.0, 1 / 1.1])
def test_one_slowdown_in_ten_may_be_missed(slower: float, missed: int, holds: bool) -> None:
    claim = slowdowns_found([a_run(slower=slower)] * missed + [RIGHT] * (10 - missed), EFFECT)
    assert claim.holds == holds
    assert claim.got.startswith(f"{10 - missed} of 10 ")


def test_a_run_that_could_not_have_seen_a_slowdown_misses_none() -> None:
    claim = slowdowns_found([NOISY, SHORT, RIGHT], EFFECT)
    assert claim.holds
    assert claim.got == "1 of 1 (100%); 1 of all 3 runs"


def test_runs_that_all_could_not_have_seen_a_slowdown_prove_nothing() -> None:
    assert not slowdowns_found([NOISY, SHORT], EFFECT).holds


# Intervals


def test_intervals_that_hold_the_truth() -> None:
    claim = truth_covered([RIGHT] * 40, EFFECT)
    assert claim.holds
    assert claim.wanted == "at least 90.1% (95 % less two standard errors) of 80"
    assert claim.got == "80 (100.0%)"


@pytest.mark.parametrize(("missed", "holds"), [(7, True), (8, False)])  # 90.1 % of 80 are 72.1
@pytest.mark.parametrize("planted", [{"again": 1.01}, {"again": 0.99}, {"slower": 1.04}, {"slower": 1.0}], ids=str)
def test_intervals_may_miss_as_often_as_chance_explains(planted: dict[str, float], missed: int, holds: bool) -> None:
    claim = truth_covered([a_run(**planted)] * missed + [RIGHT] * (40 - missed), EFFECT)
    assert claim.holds == holds
    assert claim.got == f"{80 - missed} ({(80 - missed) / 80:.1%})"


def test_runs_without_an_interval_do_not_count() -> None:
    assert truth_covered([SHORT, RIGHT], EFFECT).wanted.endswith(" of 2")
    assert not truth_covered([SHORT], EFFECT).holds


@pytest.mark.parametrize("claim", [no_false_alarms, slowdowns_found, truth_covered])
def test_no_runs_prove_nothing(claim: Callable[[Sequence[Times], float], Claim]) -> None:
    assert not claim([], EFFECT).holds


# Overhead


def overhead(ratio: float, **more: Any) -> Claim:
    return little_overhead(times({"by_hand": 1.0, "no_op": ratio}, **more), 0.01)


def test_an_overhead_of_half_a_percent_is_little() -> None:
    claim = overhead(1.005, noise=0.001)
    between = interval(estimate([math.log(1.005) + 0.001 * (-1) ** block for block in range(8)]))
    assert claim.holds
    assert between is not None
    assert claim.wanted == "the whole interval below 1.01"
    assert claim.got == f"1.0050 [{between.low:.4f}, {between.high:.4f}] from 8 rounds"


def test_an_overhead_of_two_percent_is_not() -> None:
    assert not overhead(1.02, noise=0.001).holds


def test_an_overhead_that_may_be_more_than_a_percent_is_not_little() -> None:
    assert not overhead(1.0, noise=0.02).holds


def test_an_overhead_without_an_interval_is_not_known_to_be_little() -> None:
    claim = overhead(1.0, blocks=1)
    assert not claim.holds
    assert claim.got == "no interval from 1 round"


# Faults


def flagged(sentences: Mapping[str, Sequence[str]]) -> dict[Row, list[Flag]]:
    return {mode_row(mode): [Flag(each, unfair=True) for each in told] for mode, told in sentences.items()}


GOOD_FLAGS: dict[str, tuple[str, ...]] = {
    "same": (),
    **{mode: (f"it {says} 9 times",) for mode, says in FAULTS.items()},
}


def held(sentences: Mapping[str, Sequence[str]]) -> dict[str, bool]:
    """Return by mode whether the claim on it holds."""
    claims = faults_flagged(flagged(sentences))
    return dict(zip((*FAULTS, "same"), (claim.holds for claim in claims), strict=True))


def test_every_fault_is_flagged_and_the_right_backend_is_not() -> None:
    assert held(GOOD_FLAGS) == dict.fromkeys((*FAULTS, "same"), True)
    *faulty, right = faults_flagged(flagged(GOOD_FLAGS))
    for claim, (mode, says) in zip(faulty, FAULTS.items(), strict=True):
        assert mode in claim.name
        assert says in claim.wanted
        assert claim.got == f"it {says} 9 times"
    assert (right.wanted, right.got) == ("no flag", "nothing")


@pytest.mark.parametrize("mode", FAULTS)
@pytest.mark.parametrize("told", [(), ("of something else",)])
def test_a_fault_that_is_not_flagged_by_what_it_is_breaks_its_claim_alone(mode: str, told: tuple[str, ...]) -> None:
    assert held({**GOOD_FLAGS, mode: told}) == {**dict.fromkeys((*FAULTS, "same"), True), mode: False}


@pytest.mark.parametrize("mode", [*FAULTS, "same"])
def test_a_mode_that_was_not_timed_breaks_its_claim(mode: str) -> None:
    assert not held({name: told for name, told in GOOD_FLAGS.items() if name != mode})[mode]


def test_a_flag_on_the_right_backend_breaks_its_claim() -> None:
    claims = faults_flagged(flagged({**GOOD_FLAGS, "same": ("slows down",)}))
    assert [(claim.got, claim.holds) for claim in claims if claim.wanted == "no flag"] == [("slows down", False)]


def test_a_fault_may_raise_other_flags_too() -> None:
    both = {**GOOD_FLAGS, "unfinished": ("something else", "does not wait: 20%")}
    assert held(both)["unfinished"]
    assert "something else; does not wait: 20%" in [claim.got for claim in faults_flagged(flagged(both))]


# The backends


class FakeTime:
    """Stands in for the module: time goes by where somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def usage(self) -> Usage:
        return Usage(self.now_s, self.now_s, None)


class FakeThread:
    """Runs when it is waited for."""

    started = 0

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = (), *, daemon: bool = False) -> None:
        self.work: Callable[[], object] | None = lambda: target(*args)
        self.daemon = daemon

    def start(self) -> None:
        FakeThread.started += 1

    def join(self) -> None:
        if self.work is not None:
            self.work()
        self.work = None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(backend, "time", fake)
    monkeypatch.setattr(backend, "spin", fake.sleep)
    monkeypatch.setattr(backend, "threading", SimpleNamespace(Thread=FakeThread))
    monkeypatch.setattr(FakeThread, "started", 0)
    return fake


@pytest.fixture
def two_seconds(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Let NumPy train in two seconds."""
    train = NumpyTrainer.train

    def train_slowly(self: NumpyTrainer, order: Array) -> Array:
        clock.sleep(2.0 * len(order) / len(ORDER))
        return train(self, order)

    monkeypatch.setattr(NumpyTrainer, "train", train_slowly)
    return clock


@pytest.fixture
def twenty_milliseconds(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Let NumPy train in twenty milliseconds, without any result."""

    def train(self: NumpyTrainer, order: Array) -> Array:
        clock.sleep(0.02)
        return np.zeros(len(order))

    monkeypatch.setattr(NumpyTrainer, "train", train)
    return clock


TRAINING = make_training(TASKS["linear_fit"], "float32", no_files)
ORDER = TRAINING.orders[0]
CPU = Placement(mode="loop", device="cpu", precision="float32", threads=2)


def opened(mode: str, threads: int = 2) -> Any:
    placement = Placement(mode=mode, device="cpu", precision="float32", threads=threads)
    trainer = backend.open_trainer(TRAINING.problem, placement)
    trainer.reset(TRAINING.initial)
    return trainer


def passes_s(mode: str, clock: FakeTime, count: int) -> list[float]:
    trainer, found = opened(mode), []
    for _ in range(count):
        before_s = clock.now_s
        trainer.train(ORDER)
        found.append(clock.now_s - before_s)
    return found


@pytest.mark.parametrize(
    ("mode", "expected_s"),
    [
        ("same", [2.0, 2.0, 2.0]),
        ("again", [2.0, 2.0, 2.0]),
        ("slows_down", [2.06, 2.12, 2.18, 2.24]),
        ("recompiles", [2.0, 2.0, 2.0, 2.0, 2.1, 2.0, 2.0, 2.0, 2.0, 2.1]),
        ("no_op", [0.01, 0.01]),
        ("by_hand", [0.01, 0.01]),
        ("unfinished", [2.0, 2.0]),
        ("more_threads", [2.0, 2.0]),
    ],
)
def test_a_pass_takes_as_long_as_its_mode_says(mode: str, expected_s: list[float], two_seconds: FakeTime) -> None:
    assert passes_s(mode, two_seconds, len(expected_s)) == pytest.approx(expected_s)


@pytest.mark.parametrize("steps", [10, 50, 75, 1000])
def test_two_percent_more_steps_are_so_many_over_the_passes(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(NumpyTrainer, "train", lambda _, order: taken.append(len(order)) or np.zeros(len(order)))
    trainer = opened("slower")
    passes = -(-1000 // steps)
    assert {len(trainer.train(np.zeros((steps, 1), int))) for _ in range(passes)} == {steps}
    assert sum(taken) == pytest.approx(1.02 * passes * steps, abs=1)


@pytest.mark.parametrize("mode", [mode for mode in SELFTEST.modes if mode not in ("no_op", "by_hand", "slower")])
def test_all_but_the_no_op_and_more_steps_train_as_numpy_does(mode: str, clock: FakeTime) -> None:
    right, mine = NumpyTrainer(TRAINING.problem, CPU), opened(mode)
    right.reset(TRAINING.initial)
    np.testing.assert_array_equal(mine.train(ORDER), right.train(ORDER))
    np.testing.assert_array_equal(mine.predict(TRAINING.test.inputs), right.predict(TRAINING.test.inputs))
    assert values(mine.params()) == values(right.params()) != values(TRAINING.initial)


def values(params: Params) -> list[Any]:
    return [part.tolist() for part in parts(params)]


def test_the_no_op_trains_nothing(clock: FakeTime) -> None:
    trainer = opened("no_op")
    assert trainer.train(ORDER).tolist() == [0.0] * len(ORDER)
    assert trainer.params() is TRAINING.initial
    assert trainer.predict(TRAINING.test.inputs).tolist() == [[0.0]] * len(TRAINING.test.inputs)
    assert trainer.peak_device_memory_bytes() is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda trainer: trainer.params(),
        lambda trainer: trainer.reset(TRAINING.initial),
        lambda trainer: trainer.predict(TRAINING.test.inputs),
    ],
    ids=["params", "reset", "predict"],
)
def test_everything_but_train_waits_for_what_was_left_unfinished(
    ask: Callable[[Any], object], two_seconds: FakeTime
) -> None:
    trainer = opened("unfinished")
    for number in (1, 2):
        begun_s = two_seconds.now_s
        trainer.train(ORDER)
        assert two_seconds.now_s - begun_s == pytest.approx(2.0)
        assert FakeThread.started == number
        for _ in range(2):
            ask(trainer)
            assert two_seconds.now_s - begun_s == pytest.approx(2.4)


@pytest.mark.parametrize("threads", [1, 4])
def test_more_threads_are_three_a_core_and_end_with_the_process(
    threads: int, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[object, bool]] = []

    class EnvelopeCache(FakeThread):
        def __init__(self, target: Callable[..., object], *, daemon: bool = False) -> None:
            super().__init__(target, daemon=daemon)
            made.append((target, daemon))

    monkeypatch.setattr(backend, "threading", SimpleNamespace(Thread=EnvelopeCache))
    opened("more_threads", threads)
    assert made == [(backend._hash_for_ever, True)] * (3 * threads)
    assert FakeThread.started == 3 * threads


def test_each_of_them_hashes_so_much_that_others_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def sha256(content: bytes) -> None:
        sizes.append(len(content))
        if len(sizes) == 3:
            raise StopIteration

    monkeypatch.setattr(backend, "hashlib", SimpleNamespace(sha256=sha256))
    with pytest.raises(StopIteration):
        backend._hash_for_ever()
    assert min(sizes) > 2047  # from there on Python lets other threads run


def test_spinning_looks_at_the_clock_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([10.0, 10.5, 10.99, 11.0])
    monkeypatch.setattr(backend, "time", SimpleNamespace(perf_counter=lambda: next(told)))
    backend.spin(1.0)
    assert list(told) == []


def measured(mode: str, clock: FakeTime) -> ATimedProcess:
    """Return what the harness measures of a mode in one process: in a first training, and in turns."""
    trainer = opened(mode)
    found = measure(trainer, TRAINING, clock.perf_counter, clock.usage)
    reread_s = reread(trainer, TRAINING.initial, clock.perf_counter, lambda: None)
    instruments = Instruments(clock.perf_counter, clock.perf_counter, clock.usage)
    nth = functools.partial(repetition, TRAINING, TASKS["linear_fit"], "float32")
    repeater = Repeater(trainer, nth, TRAINING.test.inputs, instruments)
    replies = [repeater.turn() for _ in range(6)]
    turns = turns_of(replies, asked_s=[reply.took_s for reply in replies])
    timing = a_timing(*found.passes_s, read_s=found.read_s, reread_s=reread_s, turns=turns)
    return ATimedProcess(timing, Resources(cores=2, dtype="float32", framework="1.0"), 1e11)


@pytest.mark.parametrize("mode", [mode for mode in FAULTS if mode != "more_threads"])
def test_the_harness_flags_a_fault_by_what_the_claim_wants(mode: str, twenty_milliseconds: FakeTime) -> None:
    raised = flags(process_times_of([measured(mode, twenty_milliseconds) for _ in range(2)]))
    assert [FAULTS[mode] in flag.sentence for flag in raised] == [True]


@pytest.mark.parametrize("mode", ["same", "again", "slower", "no_op"])
def test_the_harness_flags_nothing_else(mode: str, twenty_milliseconds: FakeTime) -> None:
    assert flags(process_times_of([measured(mode, twenty_milliseconds) for _ in range(2)])) == ()


@pytest.mark.parametrize(
    "steady",
    [
        Steady(window_s=1.0, cpu_s=2.0, vanished_cpu_s=0.0, waited_s=4.0),
        Steady(window_s=1.0, cpu_s=2.0, vanished_cpu_s=1.0, waited_s=0.0),
    ],
    ids=["waiting", "vanished"],
)
def test_more_threads_are_flagged_by_what_the_claim_wants(steady: Steady) -> None:
    sample = ATimedProcess(a_timing(steady=steady), Resources(cores=2, dtype="float32", framework="1.0"), 1e11)
    assert [FAULTS["more_threads"] in flag.sentence for flag in flags(process_times_of([sample]))] == [True]


# Where the backend is


def test_its_modes_are_those_that_it_opens() -> None:
    assert set(SELFTEST.modes) == set(backend.TRAINERS)
    assert set(FAULTS) < set(SELFTEST.modes)
    assert SELFTEST.load() is cast(Any, backend)


def test_it_is_no_backend_that_anybody_can_choose() -> None:
    assert SELFTEST.name not in BACKENDS
    assert SELFTEST not in BACKENDS.values()
    with pytest.raises(BadChoice, match="unknown backend 'selftest'"):
        choose_rows(Choice(tasks=(TASK,), backends=(SELFTEST.name,)), has_gpu=False)


# Samples


class FakeWorker:
    """Answers a request by the reply of its mode, and keeps what it was asked."""

    age_s = 11.0

    def __init__(self, replies: Mapping[str, Record | Failure]) -> None:
        self.replies = replies
        self.asked: list[tuple[TimeRequest, float]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def end(self) -> None:
        pass

    def run(self, request: TimeRequest, limit_s: float) -> Record | Failure:
        self.asked.append((request, limit_s))
        return self.replies[request.job.row.mode]


@dataclass(frozen=True, kw_only=True)
class FakeSetup(WorkerSetup):
    """Has one worker, that is no process."""

    fake: FakeWorker

    def worker(self, scratch: Path) -> Worker:
        return cast(Worker, self.fake)


def a_setup(worker: FakeWorker) -> WorkerSetup:
    return FakeSetup(cores=(0, 1), environment={}, time_limit_s=5.0, backends=HIDDEN, fake=worker)


@pytest.mark.parametrize(
    ("mode", "first", "turn"), [("no_op", TimeRequest, TurnRequest), ("by_hand", ByHandRequest, ByHandTurnRequest)]
)
def test_the_no_op_is_timed_by_the_harness_and_by_hand_without_it(
    mode: str, first: type[TimeRequest], turn: type[TurnRequest], tmp_path: Path
) -> None:
    job = a_record(mode_row(mode), 3).job
    fake = FakeWorker({mode: Failure(status="timeout", reason="too slow")})
    live = OverheadExecutor(a_setup(fake), cast(Worker, fake)).live(job, (1, 2), cast(Worker, fake), tmp_path)
    assert live.request == first(job=job, backend=SELFTEST, watched=(1, 2))
    assert live.turn_kind is turn
    live.begin()
    assert fake.asked == [(live.request, 5.0)]
    assert (live.record.status, live.record.reason) == ("timeout", "too slow")


def test_by_hand_a_turn_is_many_passes_between_two_looks_at_the_clock() -> None:
    training = make_training(TASKS[TASK], "float32", no_files)
    calls: list[int] = []
    trainer = SimpleNamespace(train=lambda order: calls.append(len(order)))
    workbench = Workbench()
    workbench.put(
        Repeater(cast(Trainer, trainer), lambda number: training, training.test.inputs, cast(Instruments, None))
    )
    turn = ByHandTurnRequest(turn=0).answer(workbench)
    assert turn.passes == len(calls) == TURN_PASSES
    assert turn.wall_s > 0


def test_a_plan_has_a_row_a_mode_of_the_backend() -> None:
    goal = Goal(workers=3, effect=0.01, time_s=7.0)
    found = plan(a_setup(FakeWorker({})), ("same", "slower"), goal, 11)
    assert found == Plan(rows=(mode_row("same"), mode_row("slower")), threads=2, settings={}, goal=goal, seed=11)
    assert {(row.device, row.precision) for row in found.rows} == {("cpu", "float32")}


def test_the_records_of_a_plan_are_taken_and_its_blocks_left_out() -> None:
    planned = plan(a_setup(FakeWorker({})), ("same", "slower"), Goal(workers=3, effect=0.05, time_s=math.inf), 0)
    executor = MockExecutor(dict.fromkeys(planned.rows, 0.02), np.random.default_rng(0))
    records = take(planned, cast(ProcessExecutor, executor))
    assert all(isinstance(record, Record) for record in records)
    assert sorted((record.job.row.mode, record.job.block) for record in records) == [
        (mode, block) for mode in ("same", "slower") for block in range(3)
    ]


def a_part(*records: Record, number: int = 0) -> Part:
    planned = plan(a_setup(FakeWorker({})), ("same",), Goal(workers=1, effect=0.05, time_s=0.0), 0)
    return Part("precision", number, planned, records)


def test_there_is_a_line_a_sample_in_numbers_that_people_count_by() -> None:
    records = [a_record(mode_row("same"), 0, 9.0, 0.1, 0.2, 0.4), a_record(mode_row("slower"), 4, status="crashed")]
    part = a_part(*records, number=6)
    lines = list(tidy(part))
    assert lines == [
        {"part": "precision", "run": 7, "round": 1, "mode": "same", "status": "ok", "pass_s": "0.2"},
        {"part": "precision", "run": 7, "round": 5, "mode": "slower", "status": "crashed", "pass_s": "nan"},
    ]
    assert samples_csv([part]) == (
        "part,run,round,mode,status,pass_s\nprecision,7,1,same,ok,0.2\nprecision,7,5,slower,crashed,nan\n"
    )


def test_a_time_is_written_with_nine_digits() -> None:
    (line,) = tidy(a_part(a_record(mode_row("same"), 0, 1.0, 0.0123456789123)))
    assert list(line.values())[-1] == "0.0123456789"


# A whole self-test

PASS_S = {"same": 0.02, "again": 0.02, "slower": 0.0204, "no_op": 0.01, "by_hand": 0.01}


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        self.told.append(("stage", label, total))

    def begins(self, label: str) -> None:
        self.told.append(("begins", label))

    def ended(self, label: str, outcome: str) -> None:
        self.told.append(("ended", label, outcome))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, object]]:
    """Let samples be made up; return the plans and what they were carried out on."""
    plans: list[tuple[Plan, object]] = []

    def take(plan: Plan, executor: object) -> list[Record]:
        plans.append((plan, executor))
        return [
            a_record(row, block, *(PASS_S.get(row.mode, 0.02) * (1 + 1e-3 * (-1) ** (block + i)),) * 7)
            for block in range(plan.goal.workers or 6)
            for i, row in enumerate(plan.rows)
        ]

    monkeypatch.setattr(selftests, "take", take)
    return plans


def test_a_self_test_takes_samples_for_every_claim(taken: list[tuple[Plan, object]]) -> None:
    listener = Listener()
    parts = list(selftest(a_setup(FakeWorker({})), listener, 3, seed=20))
    modes = [tuple(row.mode for row in plan.rows) for plan, _ in taken]
    assert modes == [("same", "again", "slower")] * 3 + [("no_op", "by_hand"), ("same", *FAULTS)]
    assert [plan.seed for plan, _ in taken[:3]] == [20, 21, 22]
    assert [plan.goal for plan, _ in taken] == [
        *(Goal(workers=None, effect=0.02, time_s=LIMITS.repetition_s),) * 3,
        Goal(workers=None, effect=0.01, time_s=LIMITS.overhead_s),
        Goal(workers=6, effect=0.02, time_s=math.inf),
    ]
    assert [type(executor) for _, executor in taken] == [ProcessExecutor] * 3 + [OverheadExecutor, ProcessExecutor]
    assert [claim.holds for claim in claims_of(parts)] == [True] * 4 + [False] * len(FAULTS) + [True]
    labels = ["run 1", "run 2", "run 3", "overhead", "faults"]
    assert [told[1:] for told in listener.told if told[0] == "begins"] == [(label,) for label in labels]
    assert [told[1:] for told in listener.told if told[0] == "ended"] == [(label, "ok") for label in labels]
    assert [told[2] for told in listener.told if told[0] == "stage"] == [3, 2]


def test_every_sample_of_a_self_test_is_written(taken: list[tuple[Plan, object]]) -> None:
    parts = selftest(a_setup(FakeWorker({})), Listener(), 2, seed=0)
    lines = list(csv.DictReader(samples_csv(parts).splitlines()))
    names = [line["part"] for line in lines]
    assert {name: names.count(name) for name in names} == {"precision": 2 * 3 * 6, "overhead": 2 * 6, "faults": 5 * 6}
    assert [line["run"] for line in lines if line["mode"] == "again"] == ["1"] * 6 + ["2"] * 6
    assert {line["run"] for line in lines if line["part"] != "precision"} == {"1"}


def test_a_mode_that_always_fails_breaks_claims_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(plan: Plan, executor: object) -> list[Record]:
        return [a_record(row, status="crashed") for row in plan.rows]

    monkeypatch.setattr(selftests, "take", take)
    parts = selftest(a_setup(FakeWorker({})), Listener(), 1, seed=0)
    assert not any(claim.holds for claim in claims_of(parts))


def test_a_self_test_of_real_processes_has_a_good_sample_of_every_mode() -> None:
    """Take one block of each part, which is too few for any claim but those on the faults."""
    limits = Limits(repetition_s=0.0, overhead_s=0.0, fault_workers=1)
    parts = list(selftest(make_setup(None, 60, None), SilentListener(), 1, seed=0, limits=limits))
    samples = list(csv.DictReader(samples_csv(parts).splitlines()))
    assert len(samples) == 3 + 2 + 1 + len(FAULTS)
    assert {sample["mode"] for sample in samples} == set(SELFTEST.modes)
    assert {sample["status"] for sample in samples} == {"ok"}
    pass_s = {sample["mode"]: float(sample["pass_s"]) for sample in samples if sample["part"] != "precision"}
    for mode in ("no_op", "by_hand"):  # which spins by the clock, and may be interrupted
        assert backend.NO_OP_S <= pass_s[mode] < 5 * backend.NO_OP_S
    claims = {claim.name: claim for claim in claims_of(parts)}
    assert len(claims) == 4 + len(FAULTS) + 1
    unfinished = next(claim for name, claim in claims.items() if "unfinished" in name)
    assert unfinished.holds, unfinished.got


HOLDS, BREAKS = Claim("it holds", "a", "b", True), Claim("it breaks", "c", "d", False)


@pytest.mark.parametrize(("claims", "code"), [((HOLDS,), 0), ((HOLDS, BREAKS), 1)])
def test_the_command_writes_claims_and_samples_and_ends_with_1_where_a_claim_breaks(
    claims: tuple[Claim, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[tuple[int, int]] = []

    def take(
        setup: WorkerSetup, listener: object, repetitions: int, seed: int, task: str, limits: Limits
    ) -> Iterator[Part]:
        assert task == "linear_fit"
        assert limits.repetition_s == 300.0
        asked.append((repetitions, seed))
        yield a_part(a_record(mode_row("same"), 0, 9.0, 0.02))

    monkeypatch.setattr(selftests, "selftest", take)
    monkeypatch.setattr(selftests, "claims_of", lambda parts: claims)
    monkeypatch.setattr(
        sys,
        "argv",
        ["bench", "selftest", "linear_fit", "--repetitions", "3", "--minutes", "5", "--out", f"{tmp_path}/told"],
    )
    assert exit_code() == code
    ((repetitions, seed),) = asked
    assert repetitions == 3
    text = (tmp_path / "told" / "selftest.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| it ")]
    assert rows == [[each.name, each.wanted, each.got, "yes" if each.holds else "NO"] for each in claims]
    assert "linear_fit; runs of at most 5 minutes; " in text
    assert f"; seed {seed}" in text
    assert (tmp_path / "told" / "selftest.csv").read_text().endswith("\nprecision,1,1,same,ok,0.02\n")
    shown = capsys.readouterr().out
    assert all(claim.name in shown for claim in claims)
    assert "selftest.csv" in shown


def test_an_interrupted_self_test_has_written_the_runs_that_were_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def take(*_: object) -> Iterator[Part]:
        for number in range(2):
            yield a_part(a_record(mode_row("same"), 0, 9.0, 0.02), number=number)
        raise KeyboardInterrupt

    monkeypatch.setattr(selftests, "selftest", take)
    monkeypatch.setattr(sys, "argv", ["bench", "selftest", "--out", str(tmp_path)])
    assert exit_code() == 130
    samples = tmp_path / "selftest.csv"
    assert f"interrupted; the results of 2 runs are in {samples}" in capsys.readouterr().out
    assert [line["run"] for line in csv.DictReader(samples.read_text().splitlines())] == ["1", "2"]
    assert not (tmp_path / "selftest.md").exists()  # of claims on a half there is nothing to say
