"""The tasks, each defined once; the four headline tasks are what `bench run` trains unless told otherwise."""

from __future__ import annotations

from bench.tasks.definition import Task
from bench.tasks.images import IMAGE_TASKS
from bench.tasks.iris import IRIS_TASKS
from bench.tasks.linear import LINEAR_TASKS
from bench.tasks.regression import REGRESSION_TASKS
from bench.tasks.text import TEXT_TASKS
from bench.tasks.thermometer import THERMOMETER_TASKS

__all__ = ["HEADLINE", "TASKS", "Task"]

TASKS: dict[str, Task] = {
    task.name: task
    for family in (LINEAR_TASKS, THERMOMETER_TASKS, REGRESSION_TASKS, IRIS_TASKS, IMAGE_TASKS, TEXT_TASKS)
    for task in family
}

HEADLINE = ("linear_fit", "mlp_regression", "mnist_mlp", "text_classifier")
