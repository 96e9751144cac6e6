"""The job that collects what is needed to draw what the models of a task learn, with the reference."""

from __future__ import annotations

from msgspec.structs import replace

from bench.harness.job import find_data, placement_of, task_of
from bench.harness.protocol import JobRequest
from bench.harness.workbench import Workbench
from bench.lessons.result import snapshots
from bench.lessons.shown import lesson_of, shown_rows
from bench.records.schema import Lesson
from bench.tasks.training import make_training


class LessonRequest(JobRequest[Lesson], frozen=True, kw_only=True):
    """A request for the lesson of a task, whose losses are not in it; the row is one of the reference.

    Where points are shown, the reference is trained, and its outputs for them are kept as they change.
    """

    def answer(self, workbench: Workbench) -> Lesson:
        """Load the data, and train if points are shown."""
        task = task_of(self.job)
        training = make_training(task, self.job.row.precision, find_data())
        lesson, ids = lesson_of(task, training.test), shown_rows(task.data, training.test)
        if lesson.classes or not len(ids):
            return lesson
        trainer = self.backend.load().open_trainer(training.problem, placement_of(self.job))
        return replace(lesson, snapshots=snapshots(trainer, training, ids))
