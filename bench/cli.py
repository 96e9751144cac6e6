"""The command line: the only place with arguments, printing and exit codes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from bench import screen
from bench.datasets.files import Collection, DataMissing, allowed_kinds, data_folders, fetch
from bench.errors import UserError
from bench.kinds import Format
from bench.machine import gpu_names
from bench.plan import DEFAULT_WORKERS, BadChoice, Choice, choose_rows, require_name, schedule
from bench.progress import TerminalWatcher
from bench.records import FAILURES, Job, Record, Row, Verdict
from bench.runner import TIME_LIMIT_S, Setup, check_parity, make_setup, run_jobs
from bench.session import NotComparable, begin, default_path, go_on
from bench.store import Run, RunFile, read_run, read_runs
from bench.tasks import TASKS
from bench.tasks.overrides import BadSetting

GOOD, FAILED, WRONG_USE, PARITY_FAILED, NOT_COMPARABLE, INTERRUPTED = 0, 1, 2, 3, 5, 130

app = typer.Typer(
    help="The same task, defined once, trained by PyTorch, TensorFlow, JAX and NumPy: checked, then timed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Tasks = Annotated[list[str] | None, typer.Argument(metavar="[TASK ...]", help="Tasks; 'all' for every one.")]
Backends = Annotated[list[str] | None, typer.Option("--backend", help="Only this backend; may be repeated.")]
Modes = Annotated[list[str] | None, typer.Option("--mode", help="Only this mode; may be repeated.")]
Devices = Annotated[
    Literal["cpu", "gpu", "auto"], typer.Option("--device", help="auto: cpu, and gpu too where one is found.")
]
Precisions = Annotated[Literal["float32", "float64"], typer.Option("--precision", help="Of the timed runs.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Cores, and threads, of each worker.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="The same as --set epochs=N.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of data files; also the variable BENCH_DATA_DIR.")
]
TimeLimit = Annotated[float, typer.Option("--time-limit", min=1, help="Seconds after which a worker is killed.")]


def main() -> None:
    """Run the command line; turn what the user can cause into one line and an exit code."""
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)  # a closed terminal leaves no worker behind either
    try:
        app()
    except NotComparable as error:
        _fail(str(error), NOT_COMPARABLE)
    except UserError as error:
        _fail(str(error))


def _fail(message: str, code: int = WRONG_USE) -> NoReturn:
    Console(stderr=True).print(f"error: {message}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


@app.command("list")
def list_command() -> None:
    """Show tasks, backends with their modes, and devices: what is installed, and how to install what is missing."""
    screen.print_list(_console(), gpu_names())


@app.command()
def data(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME ...]", help="Collections of files.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Fetch data files, or find them, and verify them."""
    tasks = (task.data.collection for task in TASKS.values())
    known: dict[str, Collection] = {collection.name: collection for collection in tasks if collection}
    for name in names or ():
        require_name(name, known, "data")
    folders, kinds = data_folders(os.environ, data_dir), allowed_kinds(os.environ)
    missing = False
    for name in names or known:
        try:
            with TerminalWatcher(Console(stderr=True)) as watcher:
                paths = fetch(known[name], folders, kinds, watcher)
        except DataMissing as error:
            missing = True
            print(f"{name}: {error}", file=sys.stderr)
        else:
            for path in paths.values():
                print(f"{name}: {path} verified")
    raise typer.Exit(FAILED if missing else GOOD)


@app.command()
def run(
    context: typer.Context,
    tasks: Tasks = None,
    backend: Backends = None,
    mode: Modes = None,
    device: Devices = "auto",
    precision: Precisions = "float32",
    threads: Threads = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes a row, one a block.")] = DEFAULT_WORKERS,
    epochs: Epochs = None,
    quick: Annotated[bool, typer.Option("--quick", help="The same as --workers 1.")] = False,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path | None, typer.Option("--out", help="Run file to write; results/run-TIME.jsonl.")] = None,
    resume: Annotated[Path | None, typer.Option("--resume", help="Run file to go on with, as it was begun.")] = None,
) -> None:
    """Check and time tasks on every backend and mode, interleaved, and write a run file."""
    if resume is not None:
        _refuse_choices_beside_resume(context)
        earlier = read_run(resume)
        jobs, run_file = go_on(earlier, threads)
        setup = make_setup(earlier.header.threads, time_limit, data_dir)
        records = earlier.outcomes
    else:
        setup, records = make_setup(threads, time_limit, data_dir), ()
        changes = _changes(settings, epochs)
        rows = _rows(tasks, backend, mode, device, precision, changes)
        jobs = schedule(rows, workers=1 if quick else workers, threads=setup.threads, settings=changes)
        run_file = begin(out or default_path(), jobs, changes, shlex.join(["bench", *sys.argv[1:]]))
    code = _carry_out(jobs, setup, run_file, records)
    raise typer.Exit(code)


@app.command()
def parity(
    tasks: Tasks = None,
    backend: Backends = None,
    mode: Modes = None,
    device: Devices = "auto",
    epochs: Epochs = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
) -> None:
    """Check in float64 that every backend and mode computes what each task defines. No task named means all."""
    changes = _changes(settings, epochs)
    rows = _rows(tasks or ["all"], backend, mode, device, "float64", changes)
    setup = make_setup(None, time_limit, data_dir)
    with TerminalWatcher(Console(stderr=True)) as watcher:
        verdicts = list(check_parity(rows, setup, changes, watcher))
    screen.print_verdicts(_console(), sorted(verdicts, key=lambda verdict: rows.index(verdict.row)))
    raise typer.Exit(_exit_code([verdict.status for verdict in verdicts], verdicts))


@app.command()
def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...", help="Run files.")],
    style: Annotated[Format | None, typer.Option("--format", help="Told by the name of --out where not given.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Every sample instead of a line a row.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of printing.")] = None,
) -> None:
    """Print a tidy result table: in words and units for people, in numbers with units in their names for programs."""
    from bench import frames, tables

    read = _read(runs)
    style = style or tables.default_format(out)
    frame = frames.samples(read)
    if not samples:
        frame = frames.summary(frame)
        frame = frame if style in ("csv", "json", "parquet") else tables.readable(frame)
    text = tables.render(frame, style)
    if style == "markdown" and isinstance(text, str):
        text = "\n\n".join([text, *(tables.caption(run.header) for run in read)]) + "\n"
    if out is not None:
        try:
            out.write_bytes(text if isinstance(text, bytes) else text.encode())
        except OSError as error:
            _fail(f"cannot write {out}: {error.strerror}")
    elif isinstance(text, bytes):
        _fail(f"{style} is not text; name a file with --out")
    else:
        print(text.rstrip("\n"))


def _console() -> Console:
    """Return a console that never cuts a table off where there is no terminal to fit it to."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _rows(
    tasks: Tasks, backends: Backends, modes: Modes, device: Devices, precision: Precisions, changes: dict[str, Any]
) -> tuple[Row, ...]:
    choice = Choice(
        tasks=tuple(tasks or ()),
        backends=tuple(backends or ()),
        modes=tuple(modes or ()),
        device=device,
        precision=precision,
        settings=changes,
    )
    return choose_rows(choice, has_gpu=bool(gpu_names()))


def _changes(settings: Iterable[str] | None, epochs: int | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadSetting(f"--set wants KEY=VALUE, got {setting!r}")
        changes[key.strip()] = value.strip()
    return changes if epochs is None else {**changes, "epochs": epochs}


def _refuse_choices_beside_resume(context: typer.Context) -> None:
    free = ("resume", "threads", "data_dir", "time_limit")
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in free and source is not None and source.name == "COMMANDLINE":
            raise BadChoice("--resume goes on with a run as it was begun; give no tasks or choices beside it")


def _carry_out(jobs: tuple[Job, ...], setup: Setup, run_file: RunFile, earlier: tuple[Record, ...]) -> int:
    """Run the jobs into the file; print what came of them; return the exit code."""
    interrupted = False
    with run_file, TerminalWatcher(Console(stderr=True)) as watcher:
        try:
            run_jobs(jobs, setup, watcher, run_file.append, earlier)
        except KeyboardInterrupt:
            interrupted = True
    done = read_run(run_file.path)
    _show((done,))
    if interrupted:
        print(f"interrupted; what was finished is kept. Go on with: bench run --resume {run_file.path}")
        return INTERRUPTED
    print(f"run file: {run_file.path}")
    return _exit_code([record.status for record in done.outcomes], done.rulings.values())


def _show(runs: tuple[Run, ...]) -> None:
    from bench import frames, tables

    console = _console()
    summary = frames.summary(frames.samples(runs))
    if summary.empty:
        return
    screen.print_summary(console, tables.readable(summary))
    captions = (tables.caption(run.header) for run in runs)
    for sentence in (*tables.learned(summary), *tables.long_reasons(summary), *captions):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _read(paths: Iterable[Path]) -> tuple[Run, ...]:
    runs = read_runs(paths)
    for run in runs:
        if run.torn:
            print(f"warning: {run.torn}", file=sys.stderr)
    return runs


def _exit_code(statuses: Iterable[str], verdicts: Iterable[Verdict]) -> int:
    """Return the code that says the worst: a wrong number, then a failure, then that nothing at all could run."""
    statuses, verdicts = list(statuses), list(verdicts)
    if any(verdict.agrees is False for verdict in verdicts):
        return PARITY_FAILED
    failed = any(status in FAILURES for status in (*statuses, *(verdict.status for verdict in verdicts)))
    return FAILED if failed or "ok" not in statuses else GOOD
