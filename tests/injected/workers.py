"""Faults of a worker: it dies, hangs, runs out of memory, leaves without a record, or leaves something running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from injected.outcome import OK, Fault, Outcome, around, content, doubled, missing, sentence
from injected.place import Place
from injected.plugin.injected_entries import SIGNALS, WHENS

OPTIONS = ("--quick", "--threads", "1", "--time-limit", "5", "--schedule-seed", "1", "--out", "results/run.jsonl")
BESIDE = "numpy loop"  # the right row in the same run, which must lose nothing


def timed_beside(place: Place, backend: str, modes: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Time modes of a faulty backend beside NumPy; return what was said of each mode, and what was lost."""
    place.run_file.unlink(missing_ok=True)
    chosen = [word for mode in ("loop", *modes) for word in ("--mode", mode)]
    command = place.run("run", "thermometer_raw", "--backend", "numpy", "--backend", backend, *chosen, *OPTIONS)
    run, told = content(place.run_file), " ".join(command.text.split())
    if run is None:
        return {}, (f"no run file: {told}",)
    records = {record.job.row.mode: record for record in run.last_records if record.job.row.backend == backend}
    said = {mode: sentence(f"{each.status}: {each.reason}") for mode, each in records.items() if mode in modes}
    untold = [f"not told: {each}" for each in said.values() if each[:60] not in f"{OK}: {sentence(told)}"]
    return said, (*missing(run, [BESIDE], 1), *doubled(run), *untold, *around(place, command))


def of_acts(act: str) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what lets a worker do something before, in and after its first training."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        said, lost = timed_beside(place, "injected", [f"{act}_{when}" for when in WHENS])
        believed = tuple(f"believed: {mode}" for mode, each in said.items() if each.startswith(OK))
        return [Outcome(each, (*lost, *believed)) for each in said.values()] or [Outcome("", lost)]

    return inject


def in_import(backend: str) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what times a backend that cannot be imported."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        said, lost = timed_beside(place, backend, ["loop"])
        return [Outcome(said.get("loop", ""), lost)]

    return inject


def harmless(mode: str, note: str) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what times a row that does something that should disturb nothing, its own times included."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        said, lost = timed_beside(place, "injected", [mode])
        wrong = () if said.get(mode, "").startswith(OK) else ("the row has no times",)
        return [Outcome(note, (*lost, *wrong))]

    return inject


TIMED = "nothing: the row has its times"
NAMES = {
    "hang": "worker hangs before, in and after its first training",
    "memory": "worker runs out of memory (a limit that it reaches)",
    "leaves": "worker exits with 0 and no record",
    "raises": "backend raises",
    "forged": "forged record on standard output and on the private pipe",
    "garbage": "random bytes on the private pipe",
}
FAULTS = (
    *(Fault(f"worker stopped or killed by {name}", 12, of_acts(name)) for name in SIGNALS),
    *(Fault(name, 12, of_acts(act)) for act, name in NAMES.items()),
    *(Fault(f"megabytes on standard output in {when}", 3, harmless(f"megabytes_{when}", TIMED)) for when in WHENS),
    Fault("worker hangs at its end", 2, harmless("never_exits", TIMED)),
    Fault("worker leaves a daemon in a session of its own", 3, harmless("daemon", "nothing: it ends with the worker")),
    Fault("import hangs", 3, in_import("injected-import")),
    Fault("import fails", 3, in_import("injected-missing")),
    Fault("import ends the process", 3, in_import("injected-death")),
)
