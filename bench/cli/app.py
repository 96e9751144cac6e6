"""The command line: the only place with arguments, printing and exit codes."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from bench.analysis.baseline import require_baseline
from bench.errors import BadChoice, UserError, require_name
from bench.harness.executor import calibrate_machine
from bench.harness.setup import CHECK_LIMIT_S, TIME_LIMIT_S, WorkerSetup, make_setup
from bench.machine.host import free_memory_bytes, gpu_names, this_machine
from bench.parity.check import check_parity
from bench.records.provenance import commit, differences, utc_now, versions
from bench.records.runfile import Run, RunFile, read_run, read_runs
from bench.records.schema import FAILURES, Goal, ParityResult, Record, Row
from bench.report import terminal as screen
from bench.report.formats import Format
from bench.report.progress_bar import TerminalProgress
from bench.runs.plan import EFFECT, MAX_MINUTES, TIME_S, Plan, percent, random_seed
from bench.runs.runner import run_plan
from bench.runs.selection import Choice, choose_rows, choose_tasks, shortened
from bench.runs.session import NotComparable, begin, default_path, go_on
from bench.tasks import TASKS
from bench.tasks.datasets.fetch import Collection, DataMissing, allowed_kinds, data_folders, fetch
from bench.tasks.memory import require_memory
from bench.tasks.names import TaskRef, grid
from bench.tasks.settings import BadSetting

GOOD, FAILED, WRONG_USE, PARITY_FAILED, TOO_SLOW, NOT_COMPARABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
ALLOWABLE = ("machine", "versions", "settings")
DOCTOR_CALIBRATIONS, DOCTOR_PAUSE_S = 5, 1.0

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
Baseline = Annotated[
    str, typer.Option("--baseline", metavar="BACKEND[:MODE]", help="Compare with this row, beside the fastest.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of data files; also the variable BENCH_DATA_DIR.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="So many processes a row, whatever they can tell.")
]
Detect = Annotated[
    str, typer.Option("--detect", metavar="PERCENT", help="Go on until a difference of this size would be seen.")
]
Minutes = Annotated[
    float, typer.Option("--minutes", min=0, max=MAX_MINUTES, help="But begin no block that would end after that.")
]
ScheduleSeed = Annotated[
    int | None, typer.Option("--schedule-seed", min=0, help="Run in the order of the run that had this one.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="One worker a row, fastest modes, few epochs, checked by the timed run alone."),
]
Resume = Annotated[Path | None, typer.Option("--resume", help="Run file to go on with, as it was begun.")]
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
            with TerminalProgress(Console(stderr=True)) as listener:
                paths = fetch(known[name], folders, kinds, listener)
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
    workers: Workers = None,
    detect: Detect = f"{EFFECT:.0%}",
    minutes: Minutes = TIME_S / 60,
    schedule_seed: ScheduleSeed = None,
    baseline: Baseline = "",
    epochs: Epochs = None,
    quick: Quick = False,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path | None, typer.Option("--out", help="Run file to write; results/run-TIME.jsonl.")] = None,
    resume: Resume = None,
) -> None:
    """Check and time tasks on every backend and mode, interleaved, and write a run file."""
    if resume is not None:
        _refuse_choices_beside_resume(context)
        earlier = read_run(resume)
        require_baseline(baseline, earlier.header.rows)
        begun = _go_on(context, earlier, threads, minutes, time_limit, data_dir)
    else:
        changes = _changes(settings, epochs)
        rows = _rows(tasks, backend, mode, device, precision, changes, quick=quick)
        require_baseline(baseline, rows)
        goal = Goal(workers=1 if quick else workers, effect=percent(detect), time_s=minutes * 60)
        setup = make_setup(threads, time_limit, data_dir)
        begun = _begin(rows, changes, goal, schedule_seed, setup, out or default_path("run"), followed=not quick)
    done, interrupted = _carry_out(begun)
    unfair = _show((done,), baseline)
    raise typer.Exit(_ended(done, interrupted, unfair, "bench run"))


@app.command()
def sweep(
    context: typer.Context,
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Task to train at every point.")] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="KEY=V1,V2,...", help="A setting and its values; several make a grid."),
    ] = None,
    backend: Backends = None,
    mode: Modes = None,
    device: Devices = "auto",
    precision: Precisions = "float32",
    threads: Threads = None,
    workers: Workers = None,
    detect: Detect = f"{EFFECT:.0%}",
    minutes: Minutes = TIME_S / 60,
    schedule_seed: ScheduleSeed = None,
    epochs: Epochs = None,
    quick: Quick = False,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run file; table (.csv) and plot (.png) stand beside it. results/sweep-TIME.jsonl."),
    ] = None,
    resume: Resume = None,
) -> None:
    """Check and time a task at every point of a grid of settings: how cost grows, and where the winner changes."""
    if resume is not None:
        _refuse_choices_beside_resume(context)
        earlier = read_run(resume)
        if not all(TaskRef.parse(row.task).settings for row in earlier.header.rows):
            _fail(f"{resume} is not of a sweep; bench run --resume goes on with it")
        begun = _go_on(context, earlier, threads, minutes, time_limit, data_dir)
    elif task is None:
        raise BadChoice(f"which task? Choose from {', '.join(sorted(TASKS))}")
    else:
        changes = _changes(settings, epochs)
        rows = _rows(list(grid(task, vary or ())), backend, mode, device, precision, changes, quick=quick)
        goal = Goal(workers=1 if quick else workers, effect=percent(detect), time_s=minutes * 60)
        setup = make_setup(threads, time_limit, data_dir)
        begun = _begin(rows, changes, goal, schedule_seed, setup, out or default_path("sweep"), followed=not quick)
    done, interrupted = _carry_out(begun)
    unfair = _show_scaling(done)
    raise typer.Exit(_ended(done, interrupted, unfair, "bench sweep"))


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
    _require_memory(rows, changes, setup)
    with TerminalProgress(Console(stderr=True)) as listener:
        verdicts = list(check_parity(rows, setup, changes, listener))
    screen.print_parity(_console(), sorted(verdicts, key=lambda verdict: rows.index(verdict.row)))
    raise typer.Exit(_exit_code([verdict.status for verdict in verdicts], verdicts))


@app.command("check-backend")
def check_backend(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Backend, of this package or of another.")],
    mode: Modes = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Parity on this task, instead of all; may be repeated.")
    ] = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = CHECK_LIMIT_S,
) -> None:
    """Hold a backend against all that the contract asks of one, and say how to put right what fails."""
    from bench.conformance.examine import examination, worst

    setup = make_setup(None, time_limit, data_dir)
    with (
        TerminalProgress(Console(stderr=True)) as listener,
        examination(name, tuple(mode or ()), tuple(task or ("all",)), setup, listener) as examined,
    ):
        findings = list(examined.all())
    screen.print_conformance(_console(), findings)
    raise typer.Exit(PARITY_FAILED if examined.wrong else {"holds": GOOD}.get(worst(findings), FAILED))


@app.command()
def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN ...", help="Run files.")],
    style: Annotated[Format | None, typer.Option("--format", help="Told by the name of --out where not given.")] = None,
    baseline: Baseline = "",
    samples: Annotated[bool, typer.Option("--samples", help="Every sample instead of a line a row.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of printing.")] = None,
) -> None:
    """Print a tidy result table: in words and units for people, in numbers with units in their names for programs."""
    from bench.analysis.frame import process_frame, summary_frame
    from bench.analysis.summary import summarise
    from bench.report import export, formats, sentences, tables

    read = _read(runs)
    style = style or formats.default_format(out)
    rows = summarise(read, baseline)
    if samples:
        frame = process_frame(read)
    else:
        frame = summary_frame(rows) if style in ("csv", "json", "parquet") else tables.readable(rows)
    text = export.render(frame, style)
    if style == "markdown" and isinstance(text, str):
        notes = [] if samples else [*sentences.detectable_sentences(rows), *sentences.noise_sentences(read)]
        text = "\n\n".join([text, *notes, *(sentences.caption(run.header) for run in read)]) + "\n"
    if out is not None:
        try:
            out.write_bytes(text if isinstance(text, bytes) else text.encode())
        except OSError as error:
            _fail(f"cannot write {out}: {error.strerror}")
    elif isinstance(text, bytes):
        _fail(f"{style} is not text; name a file with --out")
    else:
        print(text.rstrip("\n"))


@app.command()
def compare(
    then: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run file.")],
    now: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run file to hold against it.")],
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="PERCENT", help="Exit 4 where a row got slower by more, 5 if it may have."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="machine|versions|settings", help="Compare though these differ; repeatable."),
    ] = None,
) -> None:
    """Show which rows got slower or faster from one run to another, are equivalent, cannot be told, missing or new."""
    from bench.analysis import changes

    for kind in allow or ():
        require_name(kind, ALLOWABLE, "kind of difference")
    a, b = _read((then, now))
    limit = None if fail_on is None else percent(fail_on)
    differing = differences(a.header, b.header)
    refused = [fact for fact in differing if fact.kind not in ("code", *(allow or ()))]
    if refused:
        kinds = " ".join(f"--allow {kind}" for kind in dict.fromkeys(fact.kind for fact in refused))
        told = "; ".join(map(str, refused))
        raise NotComparable(f"{now} cannot be compared with {then}. {told}. To compare all the same: {kinds}")
    effect = b.header.goal.effect if limit is None else limit
    found = changes.changes(a, b, effect)
    screen.print_changes(_console(), found, differing, changes.speed_change(a, b), effect)
    if any(change.kind == "wrong" for change in found):
        raise typer.Exit(PARITY_FAILED)
    if limit is not None and changes.too_slow(found, limit):
        raise typer.Exit(TOO_SLOW)
    open_rows = changes.undecided(found, limit) if limit is not None else []
    raise typer.Exit(NOT_COMPARABLE if open_rows or any(change.kind == "missing" for change in found) else GOOD)


@app.command()
def doctor(threads: Threads = None) -> None:
    """Tell whether this machine is fit to measure on, and what to do about it."""
    from bench.machine import doctor as doctors
    from bench.machine.probe import probe_machine

    setup = make_setup(threads, TIME_LIMIT_S, None)
    with Console(stderr=True).status("examining the machine"):
        calibrations = calibrate_machine(setup, DOCTOR_CALIBRATIONS, DOCTOR_PAUSE_S)
        findings = doctors.findings(probe_machine(calibrations=calibrations, environment=setup.environment))
    screen.print_findings(_console(), findings)
    raise typer.Exit(NOT_COMPARABLE if doctors.worst(findings) == "bad" else GOOD)


@app.command()
def selftest(
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, help="Runs of known truth.")] = 40,
    threads: Threads = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for selftest.md and selftest.csv.")] = Path("results"),
) -> None:
    """Hold the suite's own claims against samples of known truth, on this machine; takes some twenty minutes."""
    from bench.report import export, sentences
    from bench.selftest.run import selftest as hold

    setup, seed = make_setup(threads, TIME_LIMIT_S, None), random_seed()
    about = sentences.where(this_machine(), setup.threads, versions(), commit(), utc_now())
    with TerminalProgress(Console(stderr=True)) as listener:
        result = hold(setup, listener, repetitions, seed)
    lines = [
        {"claim": claim.name, "wanted": claim.wanted, "got": claim.got, "holds": "yes" if claim.holds else "NO"}
        for claim in result.claims
    ]
    screen.print_lines(_console(), lines)
    text = export.listed(lines, f"{about}; seed {seed}")
    _write(out / "selftest.md", text)
    _write(out / "selftest.csv", result.samples_csv)
    print(f"written: {out / 'selftest.md'}, {out / 'selftest.csv'}")
    raise typer.Exit(GOOD if all(claim.holds for claim in result.claims) else FAILED)


@app.command()
def faults(
    tasks: Tasks = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check as quick runs do: shorter, timed alone.")] = False,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table, .md and .csv.")] = Path("results"),
) -> None:
    """Plant every known fault in a right backend and show which tier of parity catches it.

    No task named means all; with --quick, the four headline tasks.
    """
    from bench.report import export, sentences
    from bench.selftest.planted import by_fault, catches, counts

    chosen = choose_tasks(tasks or ([] if quick else ["all"]))
    names = [task.name for task in (map(shortened, chosen) if quick else chosen)]
    setup = make_setup(None, time_limit, data_dir)
    about = sentences.where(this_machine(), setup.threads, versions(), commit(), utc_now())
    stem = "faults-quick" if quick else "faults"
    found = []
    with TerminalProgress(Console(stderr=True)) as listener:
        for catch in catches(names, setup, listener, followed=not quick):
            found.append(catch)
            _write(out / f"{stem}.md", export.listed(by_fault(found), about))
            _write(out / f"{stem}.csv", export.tidy([asdict(catch) for catch in found]))
    screen.print_lines(_console(), counts(found))
    print(f"written: {out / stem}.md, {out / stem}.csv")
    raise typer.Exit(GOOD if all(catch.settled for catch in found) else PARITY_FAILED)


@app.command()
def alarms(
    tasks: Tasks = None,
    backend: Backends = None,
    mode: Modes = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Starts and orders to train from.")] = 10,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path, typer.Option("--out", help="Folder for alarms.md and alarms.csv.")] = Path("results"),
) -> None:
    """Train every backend from many starts and count how often parity calls a right one wrong. No task means all."""
    from bench.report import export, sentences
    from bench.selftest.alarms import by_row, tidy, trials

    rows = _rows(tasks or ["all"], backend, mode, "cpu", "float32", {})
    setup = make_setup(None, time_limit, data_dir)
    about = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    found = []
    with TerminalProgress(Console(stderr=True)) as listener:
        for of_task in trials(rows, seeds, setup, listener):  # written as they come: a whole run may take hours
            found += of_task
            _write(out / "alarms.md", export.listed(by_row(found), about))
            _write(out / "alarms.csv", export.tidy(tidy(found)))
    if not found:
        _fail("no row can be trained: bench list says what is missing", FAILED)
    screen.print_lines(_console(), by_row(found))
    print(f"written: {out / 'alarms.md'}, {out / 'alarms.csv'}")
    raise typer.Exit(PARITY_FAILED if any(trial.reason for trial in found) else GOOD)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}")


def _console() -> Console:
    """Return a console that never cuts a table off where there is no terminal to fit it to."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _rows(
    tasks: Tasks,
    backends: Backends,
    modes: Modes,
    device: Devices,
    precision: Precisions,
    changes: dict[str, Any],
    *,
    quick: bool = False,
) -> tuple[Row, ...]:
    choice = Choice(
        tasks=tuple(tasks or ()),
        backends=tuple(backends or ()),
        modes=tuple(modes or ()),
        device=device,
        precision=precision,
        settings=changes,
        quick=quick,
    )
    return choose_rows(choice, has_gpu=bool(gpu_names()))


def _require_memory(rows: Iterable[Row], changes: dict[str, Any], setup: WorkerSetup) -> None:
    """Refuse rows that cannot fit into memory before any of them is begun."""
    for precision, some in itertools.groupby(rows, key=lambda row: row.precision):
        names = dict.fromkeys(row.task for row in some)
        require_memory(names, changes, precision, len(setup.cores), free_memory_bytes())


def _changes(settings: Iterable[str] | None, epochs: int | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadSetting(f"--set wants KEY=VALUE, got {setting!r}")
        changes[key.strip()] = value.strip()
    return changes if epochs is None else {**changes, "epochs": epochs}


def _refuse_choices_beside_resume(context: typer.Context) -> None:
    free = ("resume", "threads", "data_dir", "time_limit", "minutes", "baseline")
    for name in context.params:
        if name not in free and _given(context, name):
            raise BadChoice("--resume goes on with a run as it was begun; give no tasks or choices beside it")


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@dataclass(frozen=True)
class Begun:
    """A run that can be carried out."""

    plan: Plan
    setup: WorkerSetup
    run_file: RunFile
    earlier: tuple[Record, ...]


def _begin(
    rows: tuple[Row, ...],
    changes: dict[str, Any],
    goal: Goal,
    schedule_seed: int | None,
    setup: WorkerSetup,
    path: Path,
    *,
    followed: bool,
) -> Begun:
    _require_memory(rows, changes, setup)
    seed = random_seed() if schedule_seed is None else schedule_seed
    plan = Plan(rows=rows, threads=setup.threads, settings=changes, goal=goal, seed=seed, followed=followed)
    return Begun(plan, setup, begin(path, plan, shlex.join(["bench", *sys.argv[1:]])), ())


def _go_on(
    context: typer.Context, earlier: Run, threads: int | None, minutes: float, time_limit: float, data_dir: Path | None
) -> Begun:
    plan, run_file = go_on(earlier, threads, minutes * 60 if _given(context, "minutes") else None)
    return Begun(plan, make_setup(plan.threads, time_limit, data_dir), run_file, earlier.last_records)


def _carry_out(begun: Begun) -> tuple[Run, bool]:
    """Time the plan into the file; return what the file holds then, and whether the user interrupted."""
    interrupted = False
    good = [record for record in begun.earlier if record.status == "ok"]
    with begun.run_file, TerminalProgress(Console(stderr=True)) as listener:
        try:
            run_plan(begun.plan, begun.setup, listener, begun.run_file.append, good)
        except KeyboardInterrupt:
            interrupted = True
    return read_run(begun.run_file.path), interrupted


def _ended(done: Run, interrupted: bool, unfair: bool, command: str) -> int:
    """Say where the run is, and return the exit code."""
    if interrupted:
        print(f"interrupted; what was finished is kept. Go on with: {command} --resume {done.path}")
        return INTERRUPTED
    print(f"run file: {done.path}")
    code = _exit_code([record.status for record in done.last_records], done.parity.values())
    return NOT_COMPARABLE if code == GOOD and unfair else code


def _show_scaling(done: Run) -> bool:
    """Print how cost grows, write table and plot beside the run file; return whether a row's times are not fair."""
    from bench.analysis.frame import scaling_frame
    from bench.analysis.scaling import costs
    from bench.analysis.sweep import sweep_of
    from bench.report import plots, scaling_table, sentences

    if not done.records:
        return False
    console, sweep = _console(), sweep_of(done)
    fitted = costs(done, sweep.points)
    for panel in sweep.panels:
        if panel.title:
            console.print(panel.title, style="bold", markup=False, highlight=False)
        screen.print_lines(console, [dict(line) for _, line in scaling_table.readable(panel, fitted).iterrows()])
        console.print()
    about = sentences.caption(done.header)
    told = (
        scaling_table.winner_sentences(sweep),
        scaling_table.unranked_sentences(sweep),
        sentences.noise_sentences((done,)),
    )
    for sentence in (*itertools.chain(*told), about):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    tidy, plot = (done.path.with_suffix(ending) for ending in (".csv", ".png"))
    _write(tidy, scaling_frame(sweep).to_csv(index=False))
    print(f"table: {tidy}")
    try:
        plots.draw_scaling(sweep, fitted, about, plot)
        print(f"plot: {plot}")
    except plots.CannotPlot as error:
        print(f"no plot: {error}, then bench sweep --resume {done.path}")
    except OSError as error:
        _fail(f"cannot write {plot}: {error.strerror}")
    return not all(point.summary.fair for point in sweep.points)


def _show(runs: tuple[Run, ...], baseline: str = "") -> bool:
    """Print tables and sentences; return whether a row's times are not fair."""
    from bench.analysis.summary import summarise
    from bench.report import sentences, tables

    console, rows = _console(), summarise(runs, baseline)
    if not rows:
        return False
    screen.print_summary(console, tables.readable(rows))
    captions = (sentences.caption(run.header) for run in runs)
    told = (
        sentences.detectable_sentences(rows),
        sentences.noise_sentences(runs),
        sentences.parameter_sentences(rows),
        sentences.long_reasons(rows),
    )
    for sentence in itertools.chain(*told, captions):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return not all(each.fair for each in rows)


def _read(paths: Iterable[Path]) -> tuple[Run, ...]:
    runs = read_runs(paths)
    for run in runs:
        if run.torn:
            print(f"warning: {run.torn}", file=sys.stderr)
    return runs


def _exit_code(statuses: Iterable[str], verdicts: Iterable[ParityResult]) -> int:
    """Return the code that says the worst: a wrong number, then a failure, then that nothing at all could run."""
    statuses, verdicts = list(statuses), list(verdicts)
    if any(verdict.agrees is False for verdict in verdicts):
        return PARITY_FAILED
    failed = any(status in FAILURES for status in (*statuses, *(verdict.status for verdict in verdicts)))
    return FAILED if failed or "ok" not in statuses else GOOD
