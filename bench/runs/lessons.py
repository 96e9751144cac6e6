"""The lessons of a run: for each task, once, what is needed to draw what its models learn."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from backends.registry import REFERENCE
from bench.harness.lesson_job import LessonRequest
from bench.harness.process import Worker
from bench.harness.protocol import Failure
from bench.lessons.shown import rounded
from bench.parity.compute import reference_row
from bench.parity.references import NoReference, References
from bench.parity.tiers import allowed_losses
from bench.records.schema import Lesson, Row
from bench.runs.plan import Plan

LOSS_DIGITS = 9  # a loss in float32 has no more


def lessons(plan: Plan, references: References, told: Collection[str]) -> Iterator[Lesson]:
    """Yield the lesson of each task but those `told` before; the envelopes of the tasks have been computed."""
    if not plan.learned:
        return
    rows = {row.task: row for row in plan.rows if row.task not in told}
    computer = references.computer
    if rows:
        computer.listener.stage("lessons", len(rows))

    def work(row: Row, worker: Worker) -> Lesson:
        computer.listener.begins(row.task)
        job = computer.job(reference_row(row.task, "float64"))
        reply = worker.run(LessonRequest(job=job, backend=REFERENCE), computer.setup.time_limit_s)
        computer.listener.ended(row.task, reply.status if isinstance(reply, Failure) else "ok")
        lesson = Lesson(task=row.task, reason=reply.reason) if isinstance(reply, Failure) else reply
        return with_losses(lesson, row, references)

    yield from computer.share_out([[row] for row in rows.values()], work)


def with_losses(lesson: Lesson, row: Row, references: References) -> Lesson:
    """Return the lesson with the losses of the reference, and how far parity lets those of a row be from them."""
    try:
        envelope = references.timed_envelope(row)
    except NoReference as error:
        return replace(lesson, reason="; ".join(filter(None, (lesson.reason, str(error)))))
    allowed = allowed_losses(row.precision, envelope)
    return replace(
        lesson,
        losses=tuple(rounded(loss, LOSS_DIGITS) for loss in envelope.losses.tolist()),
        allowed=tuple(rounded(most, 3) for most in allowed.tolist()),
    )
