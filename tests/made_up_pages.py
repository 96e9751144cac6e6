"""Runs for the report page: with every kind of row, with text that would do harm, with inference and losses."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from made_up_runs import noisy
from msgspec.structs import replace
from support import a_block, a_header, a_parity_result, a_quality, a_record, a_row, write_run

from bench.records.runfile import Run, read_run
from bench.records.schema import Inference, Learned, Lesson, Line, Record, Row, Snapshot

ROUNDS = 8
PASS_S = {("jax", "scan"): 0.010, ("tensorflow", "xla"): 0.0101, ("torch", "eager"): 0.020, ("numpy", "loop"): 0.030}
TASKS = ("linear_fit", "iris_mlp")
HARM = '"></script><script>window.harmed = 1</script><img src=x onerror="window.harmed = 1">\u202e\x1b[31m'


def row_of(kind: tuple[str, str], task: str = "linear_fit") -> Row:
    return a_row(task, *kind)


def samples(rows: Iterable[tuple[Row, float]], share: float = 0.01) -> list[Line]:
    """Return processes of rows with these passes, off by some share, each with losses of its own."""
    found: list[Line] = []
    for seed, (row, pass_s) in enumerate(rows):
        losses = tuple(1 / (step + 1) + 1e-8 * seed for step in range(900))
        for block, time_s in noisy(pass_s, ROUNDS, share, seed).items():
            timing = {"steps_per_pass": 100}
            found.append(a_record(row, block, 9 * pass_s, time_s, timing=timing, quality=a_quality(losses=losses)))
    return found


def answering(record: Record) -> Record:
    """Return a record whose process answered requests, in half the time of its pass."""
    assert record.timing
    time_s = record.timing.passes_s[1] / 2
    found = Inference(
        calls=300, latency_median_s=time_s, latency_p95_s=2 * time_s, latency_p99_s=3 * time_s, latency_s=(time_s,) * 5,
        rows=256, batches=50, batch_s=(20 * time_s,) * 5, predicted=1.0,
    )  # fmt: skip
    return replace(record, inference=found)


def good_run(path: Path, tasks: Iterable[str] = TASKS) -> Run:
    """Return a run of four rows of each task; the first two cannot be told apart."""
    rows = {row_of(kind, task): pass_s for task in tasks for kind, pass_s in PASS_S.items()}
    lines = [answering(line) for line in samples(rows.items()) if isinstance(line, Record)]
    blocks = [a_block(task, block) for task in tasks for block in range(ROUNDS)]
    verdicts = [a_parity_result(row, gradient=1e-16, envelope=1.25) for row in rows]
    return read_run(write_run(path, a_header(*rows), [*verdicts, *lines, *blocks]))


WRONG, CRASHED, UNSUPPORTED, UNCHECKED = (
    a_row("linear_fit", *kind)
    for kind in (("torch", "compile"), ("jax", "jit"), ("sklearn", "partial_fit"), ("tensorflow", "graph"))
)


def failing_run(path: Path, reason: str = "loss 2 at step 7") -> Run:
    """Return a run in which the fastest row is wrong, one crashed, one is not supported, and one was not checked."""
    right = {row_of(kind): pass_s for kind, pass_s in PASS_S.items()}
    lines: list[Line] = [*samples(right.items()), *samples([(WRONG, 0.001), (UNCHECKED, 0.002)])]
    lines += [
        a_record(CRASHED, 0, status="crashed", reason=reason),
        a_record(UNSUPPORTED, 0, status="unsupported", reason="not the same optimizer"),
        *map(a_parity_result, right),
        a_parity_result(WRONG, agrees=False, tier="envelope", reason=reason),
    ]
    return read_run(write_run(path, a_header(), lines))


def harmful_run(path: Path) -> Run:
    """Return a run in which every text that a file can hold would do harm as markup or on a terminal."""
    row = a_row("linear_fit", f"torch{HARM}", f"eager{HARM}")
    other = a_row("linear_fit", "jax", "scan")
    header = a_header(
        row, other, WRONG, command=HARM, commit=HARM, versions={HARM: HARM},
        environment={HARM: HARM}, tasks={f"linear_fit{HARM}": {HARM: HARM}},
    )  # fmt: skip
    classes = Lesson(task="linear_fit", classes=(HARM, "b"), targets=(), reason=HARM)
    told = Learned(confusion=((1, 2), (3, 4)), metric_by_pass=(0.5, 0.9), cut=HARM)
    lines: list[Line] = [
        classes,
        *(replace(each, learned=told) for each in samples([(row, 0.02), (other, 0.01)]) if isinstance(each, Record)),
        a_record(WRONG, 0, status="crashed", reason=HARM, output=HARM, started="2026-02-31T00:00:00Z"),
        a_parity_result(row),
        a_parity_result(other, reason=HARM),
        a_block("linear_fit"),
    ]
    return read_run(write_run(path, header, lines))


LESSONS = {
    "mlp_regression": Lesson(
        task="mlp_regression", inputs=((0.0,), (1.0,), (0.5,)), targets=(0.0, 1.0, 0.25), losses=(1.0, 0.5, 0.25, 0.2),
        allowed=(1e-3, None, 1e-4, 1e-4),
        snapshots=(Snapshot(step=0, outputs=(5.0, 5.0, None)), Snapshot(step=3, outputs=(0.0, 0.9, 0.2))),
    ),
    "mnist_mlp": Lesson(
        task="mnist_mlp", images=(bytes(4), bytes([255] * 4)), image_shape=(2, 2), targets=(0.0, 1.0),
        classes=("0", "1"),
    ),
}  # fmt: skip
LEARNED = {
    "mlp_regression": Learned(outputs=((0.01,), (0.95,), (None,))),
    "mnist_mlp": Learned(
        outputs=((0.9, 0.1), (0.75, 0.25)), confusion=((9, 1), (2, 8)), metric_by_pass=(0.5, 0.8, 0.95)
    ),
}


def learned_run(path: Path, *, wrong: bool = False) -> Run:
    """Return a run whose rows say what they learned: NumPy's, and one that is faster and may be wrong."""
    rows = {
        a_row(task, *kind): time_s
        for task in LESSONS
        for kind, time_s in ((("numpy", "loop"), 0.03), (("jax", "scan"), 0.01))
    }
    lines: list[Line] = [*LESSONS.values()]
    for row, pass_s in rows.items():
        off = 2e-6 if row.backend == "jax" else 1e-6
        quality = a_quality(losses=tuple(loss + off for loss in (1.0, 0.5, 0.25, 0.2)), metric="accuracy")
        timing = {"steps_per_pass": 2, "rows_per_step": 64}
        record = a_record(row, 0, 0.5, pass_s, timing=timing, quality=quality, learned=LEARNED[row.task])
        lines += [record, a_parity_result(row, agrees=not (wrong and row.backend == "jax"), envelope=0.5)]
    settings = {"mlp_regression": {"batch_size": "all"}, "mnist_mlp": {"batch_size": 64}}
    return read_run(write_run(path, a_header(*rows, tasks=settings), lines))


def versions_run(path: Path, new_s: float = 0.02) -> Run:
    """Return a run of `bench ab`: an old version of torch, and a new one that takes another time."""
    rows = {a_row("linear_fit", f"torch@{name}", "eager"): time_s for name, time_s in (("old", 0.02), ("new", new_s))}
    lines = []
    for line in samples(rows.items(), share=0.001):
        assert isinstance(line, Record)
        assert line.resources
        version = "2.12" if line.job.row.backend.endswith("old") else "2.13"
        lines.append(replace(line, resources=replace(line.resources, framework=version)))
    return read_run(write_run(path, a_header(*rows), [*lines, *map(a_parity_result, rows)]))
