"""The options of the commands: name, type and help text of each one, defined once."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bench.cli.completion import completed
from bench.errors import BadChoice, quoted
from bench.harness.setup import TIME_LIMIT_S
from bench.runs.plan import EFFECT, MAX_MINUTES, TIME_S
from bench.tasks.settings import BadSetting

MOST = 2**63 - 1  # of a whole number in a run file


def refuse_nan(value: float) -> float:
    """Return the value of an option; `nan` is refused, which is neither below nor above the limits of an option."""
    if math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


Tasks = Annotated[list[str] | None, typer.Argument(metavar="TASK", help="Tasks by name, or 'all'.")]
Backends = Annotated[list[str] | None, typer.Option("--backend", help="Only this backend; repeatable.")]
Modes = Annotated[list[str] | None, typer.Option("--mode", help="Only this mode; repeatable.")]
Devices = Annotated[
    Literal["cpu", "gpu", "auto"],
    typer.Option("--device", help="Device to train on; auto: the CPU, and the GPU if there is one."),
]
Precisions = Annotated[
    Literal["float32", "float64"], typer.Option("--precision", help="Floating-point type of the timed runs.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="CPU cores and threads of each worker process; default: all cores, or the container's CPU quota.",
    ),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Short for --set epochs=N.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all tasks; repeatable.")
]
Baseline = Annotated[
    str,
    typer.Option(
        "--baseline", metavar="BACKEND[:MODE]", help="Also compare every row with this one, which must be chosen."
    ),
]
Ranks = Annotated[
    Literal["steady", "total"],
    typer.Option(
        "--rank", help="Sort by the time of a steady pass, or by the total time of one training with import and set-up."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder with data files of yours, which is only read; default: BENCH_DATA_DIR."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=MOST,
        help="Run so many rounds, each with a new process for every row, and stop no earlier.",
    ),
]
Detect = Annotated[
    str,
    typer.Option("--detect", metavar="PERCENT", help="Sample until a difference of this size is detectable."),
]
Minutes = Annotated[
    float,
    typer.Option(
        "--minutes",
        min=0,
        max=MAX_MINUTES,
        callback=refuse_nan,
        help="Time limit for sampling; after the first round of a task, none starts that would exceed it.",
    ),
]
ScheduleSeed = Annotated[
    int | None,
    typer.Option("--schedule-seed", min=0, max=MOST, help="Seed of the order of the rows; default: random."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 5 if the samples cannot decide whether a row is slower.")
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE",
        help="Also write JUnit XML: a row that is surely slower or wrong fails; one that stays undecided is skipped.",
    ),
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="One round unless --workers says more, fastest modes, few epochs, no float64 check before timing.",
    ),
]
NoInference = Annotated[
    bool,
    typer.Option("--no-inference", help="Leave out latency and throughput of the trained models."),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="Show only errors, one line for each task, and the name of the run file.")
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object instead of tables, at the end: run file, exit code, answers, rows."
    ),
]
WarmCache = Annotated[
    bool,
    typer.Option(
        "--warm-cache",
        help="Also measure the first call of a program that has run before: compilers keep their code between two "
        "processes.",
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", help="Continue the run in this run file; with --cluster, in this folder. --minutes counts from now."
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit",
        min=1,
        max=60 * MAX_MINUTES,
        callback=refuse_nan,
        help="Seconds that a worker process may take for one request, such as its first training, before it is killed.",
    ),
]


Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|local:N",
        help="Measure on the hosts of the Dask cluster at this address, or on N workers started here for trying.",
    ),
]
EveryHost = Annotated[
    bool, typer.Option("--every-host", help="With --cluster: measure all on every host, to compare machines.")
]


@dataclass(frozen=True, kw_only=True)
class WhatToRun:
    """What is measured and how: the options that `bench run`, `bench sweep` and `bench plan` share."""

    backend: Backends = None
    mode: Modes = None
    device: Devices = "auto"
    precision: Precisions = "float32"
    threads: Threads = None
    workers: Workers = None
    detect: Detect = f"{EFFECT:.0%}"
    minutes: Minutes = TIME_S / 60
    schedule_seed: ScheduleSeed = None
    epochs: Epochs = None
    quick: Quick = False
    no_inference: NoInference = False
    warm_cache: WarmCache = False
    settings: Settings = None
    data_dir: DataDir = None
    time_limit: TimeLimit = TIME_LIMIT_S


@dataclass(frozen=True, kw_only=True)
class RunOptions(WhatToRun):
    """The options that `bench run` and `bench sweep` share, with the user's values."""

    resume: Resume = None
    quiet: QuietOption = False
    json: JsonOption = False


ALLOWED_ON_A_CLUSTER = ("cluster", "baseline", "rank", "quiet", "json")
ALLOWED_BESIDE_RESUME = ("threads", "data_dir", "time_limit", "minutes", "baseline", "rank", "quiet", "json")


def expand_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose dataclass parameter is replaced by the fields of the dataclass.

    Typer reads options from a function's signature and does not support groups of options. The returned function has
    the expanded signature, whose parameters a shell completes where it can. It calls `command` with a dataclass made
    from the values.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in groups:
            parameters += inspect.signature(groups[name], eval_str=True).parameters.values()
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    expanded.__signature__ = signature.replace(parameters=[*map(completed, parameters)])  # type: ignore[attr-defined]
    return expanded


def changed_settings(settings: Iterable[str] | None, epochs: int | None) -> dict[str, Any]:
    """Return the settings that --set and --epochs change. Raises `BadSetting` for a setting without a value."""
    changes: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadSetting(f"--set wants KEY=VALUE, got {quoted(setting)}")
        changes[key.strip()] = value.strip()
    return changes if epochs is None else {**changes, "epochs": epochs}


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the user gave this parameter."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_choices_beside_resume(
    context: typer.Context, allowed_names: tuple[str, ...] = ALLOWED_BESIDE_RESUME
) -> None:
    """Raise `BadChoice` if the user gave options with --resume that would change the run."""
    parameters = {str(each.name): each for each in context.command.params if each.name in context.params}
    allowed = {name: parameters[name].opts[0] for name in allowed_names if name in parameters}
    refused = [
        parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.metavar)
        for name, parameter in parameters.items()
        if name != "resume" and name not in allowed and is_given(context, name)
    ]
    if refused:
        *others, last = allowed.values()
        raise BadChoice(
            f"--resume continues a run with its original options; got {', '.join(refused)} beside it. "
            f"Only {', '.join(others)} and {last} may be added"
        )
