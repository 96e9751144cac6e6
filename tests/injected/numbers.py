"""Numbers that are none: a backend whose losses are, and a task that diverges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from injected.outcome import Fault, Outcome, around, content, failed, missing, sentence
from injected.place import Place
from injected.workers import BESIDE, OPTIONS

PARITY_FAILED = 3


def of_losses(mode: str) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what times a backend whose losses are no numbers, beside NumPy."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        place.run_file.unlink(missing_ok=True)
        rows = ("--backend", "numpy", "--backend", "injected", "--mode", "loop", "--mode", mode)
        command = place.run("run", "thermometer_raw", *rows, *OPTIONS)
        run = content(place.run_file)
        assert run is not None
        judged = {f"{row.backend} {row.mode}": result for row, result in run.parity.items()}
        bad = judged[f"injected {mode}"]
        wrong = [] if bad.agrees is False and command.process.returncode == PARITY_FAILED else ["believed"]
        wrong += [] if judged[BESIDE].agrees else ["the right row is called wrong"]
        return [Outcome(sentence(bad.reason), (*wrong, *missing(run, [BESIDE], 1), *around(place, command)))]

    return inject


def diverging(place: Place, rng: Random) -> Sequence[Outcome]:
    """Train with a learning rate at which the task diverges, in every backend alike."""
    place.run_file.unlink(missing_ok=True)
    rate = f"optimizer.learning_rate={rng.uniform(0.01, 0.1):.3f}"
    changes = ("--set", rate, "--epochs", "200", "--workers", "1", "--threads", "1", "--out", "results/run.jsonl")
    command = place.run("run", "thermometer_raw", "--backend", "numpy", *changes)
    run = content(place.run_file)
    assert run is not None
    wrong = (*failed(command), *(() if all(each.agrees for each in run.parity.values()) else ("refused",)))
    return [Outcome("diverged" if "diverged" in command.text else "", (*wrong, *missing(run, [BESIDE], 1)))]


FAULTS = (
    Fault("losses are NaN", 3, of_losses("nan")),
    Fault("losses are infinite", 3, of_losses("infinity")),
    Fault("the task diverges", 3, diverging),
)
