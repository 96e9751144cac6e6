"""Faults of the run file and its folder while a run writes them, and runs that get in each other's way."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from injected.outcome import ENDED, Fault, NotHere, Outcome, around, content, failed, kept, missing, sentence
from injected.parent import RUN, replace_workers
from injected.place import Command, Place

from bench.records.runfile import Run

LONG = (*RUN, "--schedule-seed", "1")
ROWS = ("numpy loop", "injected right")
A_ROUND = '"type":"block"'
USAGE_ERROR = 2
BLOCK_BYTES = 4096


def started(place: Place) -> tuple[Command, Run]:
    """Start a run of two rounds; return it with what its file has when its first round is written."""
    shutil.rmtree(place.run_file.parent, ignore_errors=True)
    command = place.start(*LONG)
    if not command.wait_for(A_ROUND, path=place.run_file):
        raise NotHere(f"the run ended before its first round: {command.text}")
    written = content(place.run_file)
    assert written is not None
    return command, written


def ended(place: Place, command: Command, before: Run) -> Outcome:
    """Let a run end that must notice a fault; go on with the file that it names, and return what came of it.

    `before` is what the run file had when the fault was injected.
    """
    code = command.wait()
    told = " ".join(command.text.split("error: ")[-1].split())
    left = around(place, command)
    path = place.folder / told.rpartition("--resume ")[2].strip(" .")
    if code != USAGE_ERROR or not path.is_file():
        return Outcome(sentence(told), (f"ended with {code}", *left))
    found = content(path)
    again = place.run("run", "--resume", str(path))
    after = content(path)
    assert after is not None
    lost = (*kept(before, after), *(kept(found, after) if found else ("nothing was saved",)))
    return Outcome(sentence(told), (*lost, *failed(again), *missing(after, ROWS, 2), *left, *around(place, again)))


def limited(place: Place, rng: Random) -> Sequence[Outcome]:
    """Let no file of the run become larger than it is, and a few bytes: the next line is cut off in its middle."""
    command, before = started(place)
    limit = place.run_file.stat().st_size + rng.randrange(2000)
    resource.prlimit(command.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    return [ended(place, command, before)]


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """Put a small file system into a folder. Raises `NotHere` where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHere("only root may mount a small file system") from error
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def full(place: Place, rng: Random) -> Sequence[Outcome]:
    """Let a run write to a disk with room for its header and some lines; give it more room, and go on."""
    with small_disk(place.run_file.parent, BLOCK_BYTES * rng.randint(2, 5)):
        command = place.start(*LONG)
        code = command.wait()
        told = " ".join(command.text.split("error: ")[-1].split())
        subprocess.run(["mount", "-o", "remount,size=1m", str(place.run_file.parent)], check=True)
        before = content(place.run_file)
        if before is None:
            return [Outcome(sentence(told), (f"ended with {code}", *around(place, command)))]
        again = place.run("run", "--resume", str(place.run_file))
        after = content(place.run_file)
        assert after is not None
        wrong = (*failed(again), *(() if code == USAGE_ERROR else (f"ended with {code}",)))
        return [
            Outcome(sentence(told), (*wrong, *kept(before, after), *missing(after, ROWS, 2), *around(place, again)))
        ]


def full_output(place: Place, rng: Random) -> Sequence[Outcome]:
    """Let the table be printed to a full device: the samples are in the run file all the same."""
    shutil.rmtree(place.run_file.parent, ignore_errors=True)
    with Path("/dev/full").open("w") as device:
        ran = subprocess.run(
            [sys.executable, "-m", "bench", *replace_workers(RUN, 1)], cwd=place.folder, env=place.environment(),
            stdout=device, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    run = content(place.run_file)
    assert run is not None
    trace = ("traceback",) if "Traceback" in ran.stderr else ()
    silent = () if ran.returncode else ("ended with 0",)
    told = ran.stderr.strip().splitlines()[-1]
    return [Outcome(sentence(told), (*trace, *silent, *missing(run, ROWS, 1), *place.left_running()))]


def removed(place: Place, rng: Random) -> None:
    """Remove the run file."""
    place.run_file.unlink()


def removed_folder(place: Place, rng: Random) -> None:
    """Remove the folder of the run file."""
    shutil.rmtree(place.run_file.parent)


def cut(place: Place, rng: Random) -> None:
    """Cut the run file anywhere."""
    os.truncate(place.run_file, rng.randrange(place.run_file.stat().st_size))


def replaced(place: Place, rng: Random) -> None:
    """Write the run file as editors do: a new file in its place, here with the first lines only."""
    other = place.run_file.with_suffix(".new")
    other.write_bytes(b"".join(place.run_file.read_bytes().splitlines(keepends=True)[:3]))
    other.replace(place.run_file)


def appended(place: Place, rng: Random) -> None:
    """Append a line of somebody else."""
    with place.run_file.open("a") as file:
        file.write('{"type":"note"}\n')


def of_damage(damage: Callable[[Place, Random], None]) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what damages a run file after its first round."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        command, before = started(place)
        damage(place, rng)
        return [ended(place, command, before)]

    return inject


def read_only(place: Place, rng: Random) -> Sequence[Outcome]:
    """Take the right to write from the results folder while the run writes there."""
    (folder := place.folder / "read-only").mkdir(mode=0o555, exist_ok=True)
    if os.access(folder, os.W_OK):  # root may, unless it has given up that capability
        raise NotHere("root may write everywhere")
    command, _ = started(place)
    place.run_file.parent.chmod(0o555)
    code = command.wait()
    place.run_file.parent.chmod(0o755)
    run = content(place.run_file)
    assert run is not None
    wrong = () if code in ENDED else (f"ended with {code}: {command.text}",)
    return [Outcome("nothing: the file is open already", (*wrong, *missing(run, ROWS, 2), *around(place, command)))]


def two_at_once(place: Place, rng: Random) -> Sequence[Outcome]:
    """Start a second run while the first is measuring."""
    command, _ = started(place)
    second = place.run("run", "thermometer_raw", "--backend", "numpy", "--quick", "--out", "results/second.jsonl")
    return [refused(place, command, second)]


def two_on_one_file(place: Place, rng: Random) -> Sequence[Outcome]:
    """Continue a run that is still writing its file, as another user could, whose lock is another one."""
    command, _ = started(place)
    second = place.run("run", "--resume", "results/run.jsonl", BENCH_LOCK=f"{place.folder} of another user")
    return [refused(place, command, second)]


def refused(place: Place, first: Command, second: Command) -> Outcome:
    """Let the first run end, beside which the second must have been refused."""
    code = first.wait()
    run = content(place.run_file)
    assert run is not None
    wrong = () if second.process.returncode == USAGE_ERROR and code in ENDED else (f"ended with {code}: {second.text}",)
    told = sentence(second.text.split("error: ")[-1])
    return Outcome(told, (*wrong, *missing(run, ROWS, 2), *around(place, first, second)))


FAULTS = (
    Fault("no file may grow beyond a limit (RLIMIT_FSIZE)", 3, limited),
    Fault("disk full", 3, full),
    Fault("the table goes to a full device", 3, full_output),
    Fault("run file removed while running", 3, of_damage(removed)),
    Fault("results folder removed while running", 3, of_damage(removed_folder)),
    Fault("run file cut while running", 3, of_damage(cut)),
    Fault("run file replaced while running", 3, of_damage(replaced)),
    Fault("something appended to the run file while running", 3, of_damage(appended)),
    Fault("results folder made read-only while running", 3, read_only),
    Fault("two runs at once", 3, two_at_once),
    Fault("two runs on one run file", 3, two_on_one_file),
)
