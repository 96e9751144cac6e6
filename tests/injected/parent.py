"""The command itself is killed or interrupted, at random moments in every phase; then it is continued."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from injected.outcome import ENDED, Fault, NotHere, Outcome, around, content, doubled, failed, kept, missing, sentence
from injected.place import Command, Place

ROWS = ("--backend", "numpy", "--backend", "injected", "--mode", "loop", "--mode", "right")
OUT = ("--threads", "1", "--out", "results/run.jsonl")
RUN = ("run", "thermometer_raw", *ROWS, "--workers", "2", *OUT)
INTERRUPTED = 130
A_RUN_S = 9.0  # what a run of two rounds takes, so that moments are in all of its phases


def killed(place: Place, rng: Random) -> Sequence[Outcome]:
    """Kill a run at a random moment; each time the run of the time before is continued."""
    before = content(place.run_file)
    begin = ("run", "thermometer_raw", *ROWS, "--workers", "1000", *OUT)
    command = place.start(*(("run", "--resume", "results/run.jsonl") if before else begin))
    time.sleep(rng.uniform(0.1, A_RUN_S))
    command.process.kill()
    code = command.wait()
    after = content(place.run_file)
    lost = kept(before, after) if before and after else ()
    ended = () if code == -signal.SIGKILL else (f"ended by itself with {code}: {command.text}",)
    if after is None:  # not even a header was written: there is nothing to continue
        place.run_file.unlink(missing_ok=True)
    return [Outcome("nothing; --resume goes on" if before else "nothing", (*lost, *ended, *place.left_running()))]


def killed_and_ended(place: Place, rng: Random) -> Sequence[Outcome]:
    """Kill a run of two rounds at a random moment, and continue it to its end."""
    place.run_file.unlink(missing_ok=True)
    command = place.start(*RUN)
    time.sleep(rng.uniform(0.1, A_RUN_S))
    command.process.kill()
    command.wait()
    left = place.left_running()
    before = content(place.run_file)
    if before is None:
        place.run_file.unlink(missing_ok=True)
    again = place.run(*(("run", "--resume", "results/run.jsonl") if before else RUN))
    after = content(place.run_file)
    assert after is not None
    lost = kept(before, after) if before else doubled(after)
    short = missing(after, ["numpy loop", "injected right"], 2)
    return [Outcome("nothing; --resume ends it", (*left, *lost, *short, *failed(again), *around(place, again)))]


@dataclass(frozen=True)
class Moment:
    """When a command is interrupted: some time after a word was printed or written."""

    name: str
    word: str = ""
    in_file: bool = False
    until_s: float = 1.0


MOMENTS = (
    Moment("start", until_s=1.5),
    Moment("checks", word='"header"', in_file=True, until_s=1.5),
    Moment("rounds", word="[round", until_s=4.0),
    Moment("final table", word='"block":1,"wall_s"', in_file=True, until_s=0.8),
)
OTHERS = {
    "sweep": ("sweep", "thermometer_raw", "--vary", "epochs=50,100", *ROWS[:2], "--workers", "2", *OUT),
    "ab": ("ab", "thermometer_raw", "--backend", "numpy", "--old", "old", "--new", "new", "--workers", "3", *OUT),
    "selftest": ("selftest", "thermometer_raw", "--repetitions", "3", "--minutes", "0", "--threads", "1"),
    "parity": ("parity", "thermometer_raw", "linear_fit", *ROWS),
}


def lasting(name: str) -> Moment:
    """Return a moment while a command of `OTHERS` works: parity of two tasks takes a second or two."""
    return replace(MOMENTS[0], until_s=1.5 if name == "parity" else A_RUN_S)


def interrupt(command: Command, moment: Moment, times: int, rng: Random) -> None:
    """Interrupt a command as a terminal does, once or twice, unless it has ended before."""
    path = command.place.run_file if moment.in_file else None
    if moment.word and not command.wait_for(moment.word, path=path):
        return
    time.sleep(rng.uniform(0.0, moment.until_s))
    for _ in range(times):
        if command.process.poll() is not None:
            return
        os.kill(command.process.pid, signal.SIGINT)
        time.sleep(rng.uniform(0.0, 0.2))


def of_interrupts(
    arguments: Sequence[str], moment: Moment, times: int, **environment: str
) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what interrupts a command at a moment, and goes on as it says."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
        for name in ("old", "new"):
            (place.folder / name).mkdir(exist_ok=True)
        # A sweep would refuse to write over the table and the picture of the one before.
        shutil.rmtree(place.run_file.parent, ignore_errors=True)
        command = place.start(*arguments, **environment)
        interrupt(command, moment, times, rng)
        code = command.wait()
        if code == -signal.SIGINT and not command.text:
            return [Outcome("nothing: Python itself was still starting", place.left_running())]
        if code != INTERRUPTED:  # it had ended before
            return [] if code in ENDED else [Outcome(command.text, (f"ended with {code}",))]
        told = command.said("interrupted")
        wrong = [] if told or arguments[0] == "parity" or not place.run_file.exists() else ["told nothing"]
        before = content(place.run_file)
        if before is not None and "results/run.jsonl" not in told:
            wrong.append(f"told no file: {told}")
        lost = gone_on(place, told) if "--resume" in told and moment.name in ("rounds", "final table") else ()
        if "results/selftest.csv" in told and not (place.folder / "results/selftest.csv").exists():
            wrong.append("the samples are not there")
        left = place.left_running()
        if times > 1:  # what it had no time to remove, the next command does
            place.run("parity", "thermometer_raw", *ROWS[:2])
        seen = sentence(told) or "nothing: there was nothing yet to keep"
        return [Outcome(seen, (*wrong, *lost, *left, *around(place, command)))]

    return inject


def gone_on(place: Place, told: str) -> tuple[str, ...]:
    """Go on with the command that was told; return what is lost then."""
    before = content(place.run_file)
    assert before is not None
    again = place.run(*shlex.split(told.partition("bench ")[2]))
    after = content(place.run_file)
    assert after is not None
    return (*kept(before, after), *failed(again))


def half_round(place: Place, rng: Random) -> Sequence[Outcome]:
    """End a run in the middle of writing a round, and continue it: the round must be run anew, not joined."""
    place.run_file.unlink(missing_ok=True)
    if place.run(*RUN).process.returncode not in ENDED:
        raise NotHere("the run without a fault failed")
    lines = place.run_file.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"type":"block"' in line)
    others = [line for line in lines[: last - 1] if b'"agrees"' not in line or rng.random() < 0.5]
    place.run_file.write_bytes(b"".join(others))  # one sample of the last round, and no line of the round itself
    before = content(place.run_file)
    assert before is not None
    half = {str(record.job.row) for record in before.records if record.job.block == 1}
    again = place.run("run", "--resume", "results/run.jsonl")
    after = content(place.run_file)
    assert after is not None
    new = [record for record in after.records if record not in before.records]
    joined = tuple(f"joined: {record.job}" for record in new if record.job.block <= 1)
    short = () if half and {record.job.block for record in new} == {2} else ("no round was run anew",)
    return [Outcome("nothing; the round is run anew", (*kept(before, after), *joined, *short, *around(place, again)))]


def replace_workers(arguments: Sequence[str], count: int) -> list[str]:
    """Return the arguments with another number of workers."""
    changed = list(arguments)
    changed[changed.index("--workers") + 1] = str(count)
    return changed


FAULTS = (
    Fault("bench killed with -9 at a random moment, then continued, again and again", 50, killed, cheap=True),
    Fault("bench killed with -9 at a random moment, then continued to its end", 5, killed_and_ended),
    *(
        Fault(f"Ctrl-C {word} in bench run: {moment.name}", 4, of_interrupts(RUN, moment, times))
        for moment in MOMENTS
        for times, word in ((1, "once"), (2, "twice"))
    ),
    *(
        Fault(f"Ctrl-C {word} in bench {name}", 4, of_interrupts(arguments, lasting(name), times))
        for name, arguments in OTHERS.items()
        for times, word in ((1, "once"), (2, "twice"))
    ),
    Fault("a round is written by half, then continued", 3, half_round),
)
