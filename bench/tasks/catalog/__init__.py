"""All tasks, one file per family. `bench run` without task names trains the four headline tasks."""

from __future__ import annotations

from bench.tasks.catalog.images import IMAGE_TASKS
from bench.tasks.catalog.iris import IRIS_TASKS
from bench.tasks.catalog.linear import LINEAR_TASKS
from bench.tasks.catalog.regression import REGRESSION_TASKS
from bench.tasks.catalog.text import TEXT_TASKS
from bench.tasks.catalog.thermometer import THERMOMETER_TASKS
from bench.tasks.definition import Task

__all__ = ["HEADLINE", "TASKS"]

TASKS: dict[str, Task] = {
    task.name: task
    for family in (LINEAR_TASKS, THERMOMETER_TASKS, REGRESSION_TASKS, IRIS_TASKS, IMAGE_TASKS, TEXT_TASKS)
    for task in family
}

HEADLINE = ("linear_fit", "mlp_regression", "mnist_mlp", "text_classifier")
