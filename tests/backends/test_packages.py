"""Packages of other people, installed by pip: a right one is a backend like ours, and a broken one costs its own rows.

`packages/pocketgrad` is the example of CONTRIBUTING.md; each entry point of `packages/broken` is broken in its own way.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_files import Bench
from support import ROOT, run_bench

from backends.contract import Placement, Unsupported
from bench.conformance.cases import classification, images, sequences
from bench.conformance.interface import with_something_unknown
from bench.records.runfile import Run, read_run
from bench.records.schema import Record

PACKAGES = ROOT / "tests" / "packages"
ENTRIES = {  # that cannot be loaded, and what is said of them
    "entry_raises": "ModuleNotFoundError: No module named 'no_such_package'",
    "entry_exits": "SystemExit: this framework wants another processor",
    "entry_ends_the_process": "SystemExit: os._exit(0) would end the command",
    "entry_missing": "AttributeError: module 'broken_entries' has no attribute 'NOWHERE'",
    "entry_is_none": "TypeError: broken_entries:NO_ENTRY is not a backends.registry.Entry",
    "entry_other_name": "ValueError: the entry is named 'somebody_else', its entry point 'entry_other_name'",
    "entry_no_modes": "ValueError: modes must name at least one mode, got none",
    "entry_wrong_types": "TypeError: modes must be a tuple of strings, got 'eager'",
}
FAILING = {  # backend and mode of those that load, and what is said of them
    ("module_raises", "eager"): ("failed", "ModuleNotFoundError: No module named 'no_such_package'"),
    ("module_missing", "eager"): ("failed", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("module_exits", "eager"): ("crashed", "the worker ended with exit status 1 and no result"),
    ("wrong_signature", "eager"): ("failed", "TypeError: open_trainer() missing 1 required positional argument"),
    ("broken_training", "raises"): ("failed", "ValueError: this step cannot be taken"),
    ("broken_training", "one_loss"): ("failed", "ValueError: zero-dimensional arrays cannot be concatenated"),
    ("broken_training", "hangs"): ("timeout", "no result within 4 s; stopped"),
}
BROKEN = (*ENTRIES, *dict.fromkeys(backend for backend, _ in FAILING))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install both packages into a folder; return what PYTHONPATH has to be: this checkout and that folder."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    sources = [str(PACKAGES / name) for name in ("pocketgrad", "broken")]
    subprocess.run([*command, "--target", str(target), *sources], capture_output=True, text=True, check=True)
    return os.pathsep.join((str(ROOT), str(target)))


@pytest.fixture(scope="module")
def bench(path: str, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return the command line with both packages installed."""
    folder = tmp_path_factory.mktemp("work")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        result = run_bench(*arguments, cwd=folder, time_limit_s=120, PYTHONPATH=path)
        assert "Traceback" not in result.stdout + result.stderr
        return result

    return run


def options(name: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (f"--{name}", value)]


@pytest.fixture(scope="module")
def run_all(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Run both packages beside NumPy, what returns NaN left out; return the exit code and the run file."""
    path = tmp_path_factory.mktemp("run") / "run.jsonl"
    modes = ("loop", "eager", "unknown", "raises", "one_loss", "hangs")
    backends = ("numpy", "pocketgrad", *BROKEN)
    arguments = (*options("backend", backends), *options("mode", modes), "--workers", "1", "--time-limit", "4")
    result = bench("run", "linear_fit", *arguments, "--out", str(path))
    return result.returncode, path


def outcomes(run: Run) -> dict[tuple[str, str], Record]:
    return {(record.job.row.backend, record.job.row.mode): record for record in run.last_records}


def test_the_example_is_short_and_its_entry_loads_nothing() -> None:
    folder = PACKAGES / "pocketgrad"
    lines = [line for path in folder.iterdir() if path.is_file() for line in path.read_text().splitlines()]
    assert 50 < len(lines) < 160
    entry = (folder / "pocketgrad_entry.py").read_text()
    assert [line for line in entry.splitlines() if "import" in line] == ["from backends.registry import Entry"]


def test_both_are_listed_with_what_is_wrong(bench: Bench) -> None:
    result = bench("list")
    assert result.returncode == 0
    lines = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines() if line.strip()}
    assert lines["pocketgrad"] == "pocketgrad eager pocketgrad 0.1.0"
    for name, fault in ENTRIES.items():
        assert lines[name].endswith(fault)


@pytest.mark.slow
def test_every_row_of_the_run_has_its_outcome(run_all: tuple[int, Path]) -> None:
    code, path = run_all
    run = read_run(path)
    found = outcomes(run)
    assert code == 1
    assert not run.remarks
    assert set(found) == {(row.backend, row.mode) for row in run.header.rows}
    assert len(found) == 2 + len(ENTRIES) + len(FAILING)
    assert {"pocketgrad", "levelfield-broken"} <= set(run.header.versions)  # the packages that the entries are from
    for name, fault in ENTRIES.items():
        record = found[name, "unknown"]
        assert (record.status, record.reason.endswith(fault)) == ("failed", True), record.reason
    for row, (status, reason) in FAILING.items():
        assert found[row].status == status
        assert found[row].reason.startswith(reason)


@pytest.mark.slow
def test_the_rows_of_others_are_right_beside_them(run_all: tuple[int, Path]) -> None:
    run = read_run(run_all[1])
    values = {}
    for row in (("numpy", "loop"), ("pocketgrad", "eager")):
        record = outcomes(run)[row]
        assert record.status == "ok"
        assert record.quality is not None
        assert run.parity[record.job.row].agrees
        values[row] = record.quality.value
    assert values["pocketgrad", "eager"] == pytest.approx(values["numpy", "loop"], rel=1e-5)


@pytest.mark.slow
def test_the_table_shows_every_row_with_its_reason(run_all: tuple[int, Path], bench: Bench) -> None:
    result = bench("table", str(run_all[1]))
    assert result.returncode == 0
    lines = {tuple(cell.strip() for cell in line.split("|")[1:3]): line for line in result.stdout.splitlines()}
    assert "yes" in lines["pocketgrad", "eager"]
    assert {("module_exits", "eager"), ("broken_training", "hangs")} <= lines.keys()
    assert "- module_exits eager: crashed: the worker ended" in result.stdout
    assert "- broken_training hangs: timeout: no result within 4 s" in result.stdout


def test_parity_tells_the_right_from_the_broken(bench: Bench) -> None:
    backends = options("backend", ("numpy", "pocketgrad", *BROKEN))
    result = bench("parity", "linear_fit", *backends, *options("mode", ("loop", "eager", "unknown", "raises")))
    assert result.returncode == 1  # something failed, and nothing is known to be wrong
    assert result.stdout.count(" yes ") == 2
    result = bench("parity", "linear_fit", "--backend", "broken_training", "--mode", "nan")
    assert result.returncode == 3
    assert "gradient (float64): weights of layer 1: not finite where the reference is finite" in result.stdout


def test_what_the_example_cannot_do_is_a_reason_and_no_failure(bench: Bench) -> None:
    arguments = options("set", ("model.hidden=5", "model.activation=tanh"))
    result = bench("parity", "linear_fit", "--backend", "pocketgrad", "--backend", "numpy", *arguments)
    assert result.returncode == 0
    assert "unsupported: the backend of pocketgrad has no tanh" in result.stdout


def test_the_example_conforms(bench: Bench) -> None:
    tasks = ("linear_fit", "iris_mlp", "mlp_regression:epochs=200")
    result = bench("check-backend", "pocketgrad", *options("task", tasks))
    assert result.returncode == 0, result.stdout
    assert result.stdout.count(" yes ") == 19
    assert "not run on word counts, Adam: the backend of pocketgrad has no EmbeddingSum" in result.stdout


EXAMINE = """
import sys
from bench.cli.app import exit_code
for backend in sys.argv[1:]:
    sys.argv = ["bench", "check-backend", backend, "--task", "linear_fit", "--time-limit", "3"]
    print(f"examined {backend}: {exit_code()}", flush=True)
"""


@pytest.fixture(scope="module")
def examined(path: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Examine every backend that is broken, all by one process; return the exit codes and what was told."""
    result = subprocess.run(
        [sys.executable, "-c", EXAMINE, *BROKEN],
        cwd=tmp_path_factory.mktemp("examined"),
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "Traceback" not in result.stdout + result.stderr
    told = re.findall(r"(.*?)^examined (\w+): (\d)$", result.stdout, re.MULTILINE | re.DOTALL)
    return {backend: (int(code), text) for text, backend, code in told}


@pytest.mark.parametrize("backend", BROKEN)
def test_the_kit_says_what_is_wrong_with_each_that_is_broken(
    backend: str, examined: dict[str, tuple[int, str]]
) -> None:
    code, told = examined[backend]
    assert code == 1
    assert "NO" in told
    for reason in [fault for name, fault in ENTRIES.items() if name == backend]:
        assert reason in told


def test_the_example_refuses_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PACKAGES / "pocketgrad")
    example = importlib.import_module("pocketgrad_backend")
    right = classification("float32").problem
    placement = Placement(mode="eager", device="cpu", precision="float32", threads=1)
    example.open_trainer(right, placement)
    for problem in [*with_something_unknown(right).values(), sequences("float32").problem, images("float32").problem]:
        with pytest.raises(Unsupported, match=r"^the backend of pocketgrad has no "):
            example.open_trainer(problem, placement)
