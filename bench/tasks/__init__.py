"""The training tasks: each is defined once, with its data, settings, initial weights and batch order."""

from __future__ import annotations

from bench.tasks.catalog import HEADLINE, TASKS
from bench.tasks.definition import Task

__all__ = ["HEADLINE", "TASKS", "Task"]
