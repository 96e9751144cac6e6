"""From the options of a command to the rows and the plan of a run."""

from __future__ import annotations

from collections.abc import Iterable

from bench.cli.options import WhatToRun, changed_settings
from bench.records.schema import Goal, Row
from bench.runs.plan import Plan, percent, random_seed
from bench.runs.selection import Choice, choose_rows


def chosen_rows(options: WhatToRun, tasks: Iterable[str], *, has_gpu: bool) -> tuple[Row, ...]:
    """Return the rows of these tasks that the user has chosen. Raises `BadChoice` or `BadSetting`."""
    choice = Choice(
        tasks=tuple(tasks),
        backends=tuple(options.backend or ()),
        modes=tuple(options.mode or ()),
        device=options.device,
        precision=options.precision,
        settings=changed_settings(options.settings, options.epochs),
        quick=options.quick,
    )
    return choose_rows(choice, has_gpu=has_gpu)


def plan_for(options: WhatToRun, rows: tuple[Row, ...], threads: int) -> Plan:
    """Return the plan of a run of these rows. Raises `BadChoice` for what is no percentage."""
    goal = Goal(
        workers=options.workers or (1 if options.quick else None),
        effect=percent(options.detect, "--detect"),
        time_s=options.minutes * 60,
    )
    return Plan(
        rows=rows,
        threads=threads,
        settings=changed_settings(options.settings, options.epochs),
        goal=goal,
        seed=random_seed() if options.schedule_seed is None else options.schedule_seed,
        inference=not options.no_inference,
        learned=True,
        warm_cache=options.warm_cache,
        followed=not options.quick,
    )
