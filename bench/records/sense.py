"""What the types of a run file cannot say: whether a line belongs to its run, and whether its parts fit together. Pure.

Run files are joined, cut and edited by hand. A line that cannot have come from a run of its header is refused, because
its numbers would stand in a table like any others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Self

import numpy as np

from bench.records.columns import COUNTS_OF_TASK, Columns
from bench.records.schema import (
    Block,
    Header,
    Inference,
    Learned,
    Lesson,
    Line,
    ParityResult,
    Quality,
    Record,
    Row,
    Settings,
    Timing,
    Turns,
)

SHARES = frozenset({"accuracy", "threshold_accuracy"})  # metrics that are 1 at most; none is negative
ALIKE = (*COUNTS_OF_TASK, "threads")  # the same for all samples of a task
NEVER_LEFT_OUT = ("passes", "wall_s", "cpu_s")  # of the lists of turns, which they begin with
_lists_of = attrgetter(*Turns.__struct_fields__)


@dataclass(frozen=True)
class Known:
    """What a header names."""

    rows: Mapping[Row, Row]  # from each row to itself: one object for all lines that name it
    tasks: frozenset[str]
    settings: Settings  # that were changed
    metrics: Mapping[str, object]  # by task; of some headers only
    batches: Mapping[str, int]  # rows of a batch, by task; of some headers only, and not where a batch is all rows

    @classmethod
    def of(cls, header: Header) -> Self:
        """Collect it from a header, once for all lines."""
        metrics = {task: settings["metric"] for task, settings in header.tasks.items() if "metric" in settings}
        tasks = frozenset(row.task for row in header.rows)
        sizes = {task: settings.get("batch_size") for task, settings in header.tasks.items()}
        batches = {task: size for task, size in sizes.items() if isinstance(size, int)}
        return cls({row: row for row in header.rows}, tasks, header.settings, metrics, batches)


def fault_of_header(header: Header) -> str:
    """Return what is wrong with a header; empty if nothing is."""
    twice = [row for row, count in Counter(header.rows).items() if count > 1]
    return f"a header that names {twice[0]} more than once" if twice else ""


def fault(line: Line, known: Known) -> str:
    """Return what is wrong with a line that follows a header; empty if nothing is."""
    match line:
        case Record():
            row = line.job.row
            return (
                _foreign(row, known.rows)
                or _otherwise_set(row, line.job.settings, known.settings)
                or _otherwise_judged(row, line.quality, known.metrics)
                or _otherwise_trained(row, line.timing, known.batches)
                or _fault_of_record(line)
            )
        case Header():
            return "a second header: here another run begins; put each run into a file of its own"
        case Block():
            return "" if line.task in known.tasks else f"a round of {line.task}, which the header does not name"
        case Lesson():
            if line.task not in known.tasks:
                return f"a lesson of {line.task}, which the header does not name"
            return _fault_of_lesson(line)
        case ParityResult():
            return (
                _foreign(line.row, known.rows)
                or _otherwise_set(line.row, line.settings, known.settings)
                or _fault_of_parity(line)
            )


def _foreign(row: Row, rows: Collection[Row]) -> str:
    return "" if row in rows else f"a result of {row}, which the header does not name"


def _otherwise_set(row: Row, settings: Settings, of_run: Settings) -> str:
    if settings == of_run:
        return ""
    return f"a result of {row} with {_shown(settings)}, where the header has {_shown(of_run)}"


def _shown(settings: Settings) -> str:
    if not settings:
        return "no setting changed"
    return f"the settings {' '.join(f'{name}={value}' for name, value in settings.items())}"


def _otherwise_judged(row: Row, quality: Quality | None, metrics: Mapping[str, object]) -> str:
    if quality is None or quality.metric == metrics.get(row.task, quality.metric):
        return ""
    return f"a sample of {row} that was judged by {quality.metric}, where the task has {metrics[row.task]}"


def _otherwise_trained(row: Row, timing: Timing | None, batches: Mapping[str, int]) -> str:
    if timing is None or timing.rows_per_step == (size := batches.get(row.task, timing.rows_per_step)):
        return ""
    return f"a sample of {row} with batches of {timing.rows_per_step} rows, where the task has {size}"


def other_work(columns: Columns) -> tuple[int, str] | None:
    """Return the place of a record with other work or threads than the first of its task, and what is wrong with it.

    None if there is none: all backends and modes have the same batches, the same model and as many threads.
    """
    _, task_of_row = np.unique([row.task for row in columns.rows], return_inverse=True)
    places = np.flatnonzero(columns["timed"])
    rows = columns["row"][places]
    _, firsts, which = np.unique(task_of_row[rows], return_index=True, return_inverse=True)
    for name in ALIKE:
        counts = columns[name][places]
        right = counts[firsts][which]
        for wrong in np.flatnonzero(counts != right)[:1]:
            said = f"a sample of {columns.rows[rows[wrong]]} with {name} {counts[wrong]}; others have {right[wrong]}"
            return int(places[wrong]), said
    return None


def _fault_of_record(record: Record) -> str:
    if record.inference is not None and (wrong := _fault_of_inference(record.inference)):
        return wrong
    if record.learned is not None and (wrong := fault_of_learned(record.learned)):
        return wrong
    timing, quality, resources = record.timing, record.quality, record.resources
    if quality is not None and quality.metric in SHARES and quality.value is not None and quality.value > 1:
        return f"a sample of {record.job.row} whose {quality.metric} is {quality.value:g}; 1 is the most"
    if record.status == "ok" and (timing is None or quality is None or resources is None):
        missing = [name for name in ("timing", "quality", "resources") if getattr(record, name) is None]
        return f"a good sample without {' and '.join(missing)}"
    if record.status != "ok" and (timing or quality):
        return f"a sample of {record.job.row} that is {record.status} and has times or a result"
    if resources is not None and resources.dtype != record.job.row.precision:
        return f"a sample of {record.job.row} that was trained in {resources.dtype}"
    if timing is None:
        return ""
    return _fault_of_timing(timing) or _fault_of_losses(record)


def _fault_of_losses(record: Record) -> str:
    """Return what is wrong with the number of losses: there is one for each step before the pass that is a repetition.

    Processes of schema 2, which had no turns, repeated the training more often.
    """
    timing, quality = record.timing, record.quality
    if not (timing and timing.turns and quality and quality.losses):
        return ""
    steps = timing.steps_per_pass * (len(timing.passes_s) - 1)
    if len(quality.losses) == steps:
        return ""
    return f"a sample of {record.job.row} with {len(quality.losses)} losses; its first training had {steps} steps"


def _fault_of_parity(result: ParityResult) -> str:
    if result.agrees is False and not result.tier:
        return f"a parity result of {result.row} that does not agree and does not say in which tier"
    if result.agrees and result.tier:
        return f"a parity result of {result.row} that agrees, but not in the tier {result.tier}"
    if result.agrees and result.status != "ok":
        return f"a parity result of {result.row} that agrees, but is {result.status}"
    return ""


def _fault_of_inference(found: Inference) -> str:
    named = {"median": found.latency_median_s, "95 %": found.latency_p95_s, "99 %": found.latency_p99_s}
    quantiles = {name: latency_s for name, latency_s in named.items() if latency_s is not None}
    if not found.calls:
        some = quantiles or found.latency_s or found.batch_s
        return "a sample whose inference has times and no calls" if some else ""
    if list(quantiles.values()) != sorted(quantiles.values()):
        told = ", ".join(f"{name} {latency_s:g} s" for name, latency_s in quantiles.items())
        return f"a sample whose latencies do not rise: {told}"
    if found.latency_median_s is None or not found.rows or not found.latency_s:
        return "a sample whose inference has calls and no times"
    turns = {"latency_s": len(found.latency_s), "batch_s": len(found.batch_s)}
    if len(set(turns.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in turns.items())
        return f"a sample whose lists of inference differ in length: {told}"
    return ""


def fault_of_learned(found: Learned) -> str:
    """Return what is wrong with what a process says that it learned; empty if nothing is."""
    if len(set(map(len, found.outputs))) > 1:
        return "what was learned, but with more outputs for one row than for another"
    if any(len(counts) != len(found.confusion) for counts in found.confusion):
        return "what was learned, but with a confusion that is not square"
    return ""


def _fault_of_lesson(lesson: Lesson) -> str:
    shown = len(lesson.targets)
    of_rows = {"inputs": len(lesson.inputs), "images": len(lesson.images)}
    of_rows |= {f"the snapshot of step {each.step}": len(each.outputs) for each in lesson.snapshots}
    if wrong := [f"{name} {size}" for name, size in of_rows.items() if size not in (0, shown)]:
        return f"a lesson of {shown} rows whose lists have other lengths: {', '.join(wrong)}"
    if len(set(map(len, lesson.inputs))) > 1:
        return "a lesson with more features for one row than for another"
    steps = [each.step for each in lesson.snapshots]
    if steps != sorted(set(steps)):
        return "a lesson whose snapshots are not in the order of their steps"
    if len(lesson.losses) != len(lesson.allowed):
        return f"a lesson whose lists differ in length: losses {len(lesson.losses)}, allowed {len(lesson.allowed)}"
    return _fault_of_classes(lesson) or _fault_of_images(lesson)


def _fault_of_classes(lesson: Lesson) -> str:
    numbers = range(len(lesson.classes))
    if lesson.classes and any(target not in numbers for target in lesson.targets):
        return "a lesson with a row of no class"
    return ""


def _fault_of_images(lesson: Lesson) -> str:
    if not lesson.images:
        return ""
    if len(lesson.image_shape) != 2 or any(len(image) != math.prod(lesson.image_shape) for image in lesson.images):
        return "a lesson whose images have not the size that it names"
    return ""


def _fault_of_timing(timing: Timing) -> str:
    turns = timing.turns
    if not timing.passes_s or not (len(timing.passes_s) > 1 or (turns and any(turns.passes))):
        return "a sample whose times have no steady pass"
    if turns is None and not any(timing.steady_s):
        return "a sample whose steady passes took no time"
    if not timing.read_s or not timing.reread_s:
        return "a sample whose times have no readings of the parameters"
    return _fault_of_turns(turns) if turns else ""


def _fault_of_turns(turns: Turns) -> str:
    size, *sizes = map(len, _lists_of(turns))
    if not (size == sizes[0] == sizes[1] and {0, size}.issuperset(sizes)):
        told = zip(turns.__struct_fields__, (size, *sizes), strict=True)
        counts = [f"{name} {other}" for name, other in told if other or name in NEVER_LEFT_OUT]
        return f"a sample whose turns have lists that differ in length: {', '.join(counts)}"
    if bool(turns.reads) != bool(turns.read_s):
        return "a sample whose turns have only one of reads and read_s"
    if bool(turns.took_s) != bool(turns.asked_s):
        return "a sample whose turns have only one of took_s and asked_s"
    if 0.0 in turns.wall_s and any(
        passes and not wall_s for passes, wall_s in zip(turns.passes, turns.wall_s, strict=True)
    ):
        return "a sample with a turn whose passes took no time"
    return ""
