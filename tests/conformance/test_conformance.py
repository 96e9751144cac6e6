"""The conformance kit: a right backend passes every check, and each check finds the breach that it is for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_files import Bench
from support import KINDS, ROOT, a_row, entries_in, require, run_bench

from backends.contract import Placement
from backends.registry import BUILT_IN
from bench.conformance.behaviour import PASSES_AFTER, REPETITIONS, compiles_once
from bench.conformance.cases import classification
from bench.conformance.checks import CHECKS
from bench.conformance.examine import WAITS, BackendFinding, examination
from bench.conformance.job import CheckRequest
from bench.conformance.subject import Subject, Violation
from bench.events import SilentListener
from bench.harness.process import Worker, worker_environment
from bench.harness.protocol import Done, Failure
from bench.harness.setup import make_setup
from bench.machine.host import gpu_names, usable_cores
from bench.parity.references import NoReference
from bench.records.schema import ParityResult

ENTRIES = entries_in(ROOT / "tests" / "nonconforming")
NONCONFORMING = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "nonconforming")))
Hold = Callable[..., Done | Failure]

BREACHES = [
    ("contract", "no_argument", r"predict\(\) -> .* cannot be called as predict\(inputs\): too many"),
    ("trains", "not_finite", r"losses \[nan .* wanted finite numbers"),
    ("shapes", "one_loss", r"train\(order of 5 steps\): shape \(1,\), wanted \(5,\)"),
    ("shapes", "list_of_losses", r"train\(order of 5 steps\): a list of 5; wanted a NumPy array"),
    ("shapes", "transposed", r"layer 1, weights: shape \(7, 5\), wanted \(5, 7\)"),
    ("shapes", "fixed_rows", r"predict\(inputs of 48 rows\): shape \(16, 3\), wanted \(48, 3\)"),
    ("shapes", "host_memory", r"peak_device_memory_bytes\(\) is 1 on the CPU; wanted None"),
    ("follows", "replays", r"losses from other weights: .* at step 1 where it should be .*losses kept from an earlier"),
    ("follows", "ignores_order", r"losses by another order: .* at step 1"),
    ("follows", "late_loss", r"losses from the first weights: .* at step 1 where .*loss taken after the update"),
    ("follows", "stale_prediction", r"predict\(\) after training from other weights"),
    ("answers", "old_answers", r"predictor\(1\), after training 2: .* an answer of another request"),
    ("answers", "one_answer", r"predictor\(1\), after training 1: .* written to one array"),
    ("answers", "one_row", r"predictor\(5\), after training 1: shape \(1, 3\), wanted \(5, 3\)"),
    ("continues", "forgets", r"losses of call 2 of train, of 2 steps: .* at step 2"),
    ("resets", "keeps_state", r"losses after a training of 5 steps and reset: .* at step 2 .*zero momentum's v"),
    ("resets", "keeps_half", r"losses after a training of [125] steps and reset"),
    ("compiles once", "recompiles", r"first pass after reset took 0\.02\d* s .* in all of \d+ repetitions"),
    ("leaves inputs", "sorts_order", r"order, passed in by the caller and then changed"),
    ("leaves inputs", "normalises", r"inputs of predict, passed in by the caller and then changed"),
    ("leaves inputs", "keeps_arrays", r"after the caller wrote NaN .*nan at step 1 .*copy the arrays in reset"),
    ("gives copies", "gives_views", r"params\(\), weights of layer 1, returned and then changed"),
    ("gives copies", "reuses_losses", r"losses of train, returned and then changed by more training"),
    ("precision", "single", r"loss of the first step in float64: .* wanted NumPy's to 1e-12 relative"),
    ("precision", "double", r"weights of layer 1: type float64, wanted float32"),
    ("follows", "single_powers", r"numbers by all rows, Adam: .* Adam's 1 - beta\^t computed in float32"),
    ("starts cold", "keeps_a_cache", r"elsewhere0/compiled.bin was opened for writing; wanted only what ends with the"),
    ("refuses", "any_layer", r"opened with a layer that is not in the contract; wanted Unsupported"),
    (
        "refuses",
        "looks_up_loss",
        r"with a loss that is not in the contract raised KeyError: 'unknown_name'; wanted",
    ),
    ("refuses", "any_device", r"opened for a GPU on a machine without an NVIDIA GPU"),
    ("refuses", "wrong_error", r"raised RuntimeError: no such device; wanted Unsupported"),
    ("refuses", "no_reason", r"Unsupported was raised with no reason"),
    ("product", "no_product", r"open_product\(1024\) took .* wanted at least"),
    ("shapes", "raises", r"raised ZeroDivisionError: nobody divides by zero at nonconforming.py:\d+ in predict: raise"),
    ("follows", "one_buffer", r"all 5: got \[(\S+) \1 \1 \1 \1\], wanted \[.*a buffer that is used again"),
]


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hold]:
    """Hold a check against a backend; all in one worker process, but for those that end it."""
    folder, temporary, elsewhere = (tmp_path_factory.mktemp(name) for name in ("compiled", "temporary", "elsewhere"))
    environment = {**worker_environment(os.environ, 1, folder), "PYTHONPATH": NONCONFORMING, "TMPDIR": str(temporary)}
    environment["ELSEWHERE"] = str(elsewhere)
    with Worker(cores=usable_cores()[:1], environment=environment) as worker:

        def ask(check: str, mode: str, backend: str = "nonconforming") -> Done | Failure:
            placement = Placement(mode=mode, device="cpu", precision="float32", threads=1)
            return worker.run(CheckRequest(check=check, backend=ENTRIES[backend], placement=placement), 60)

        yield ask


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_backend_holds(check: str, hold: Hold) -> None:
    assert hold(check, "right") == Done()


@pytest.mark.parametrize(("check", "mode", "message"), BREACHES)
def test_a_breach_is_found_and_explained(check: str, mode: str, message: str, hold: Hold) -> None:
    if mode == "any_device" and gpu_names():
        pytest.skip("a GPU may be opened where there is one")
    reply = hold(check, mode)
    assert isinstance(reply, Failure)
    assert reply.status == "failed"
    assert re.search(message, reply.reason), reply.reason
    for part in (f"Why it matters: {CHECKS[check].why}", f"See {CHECKS[check].where}"):
        assert part in reply.reason
    assert ("Usual cause: " in reply.reason) == (mode != "raises")  # an exception says where, which is no guess


def test_a_cache_whose_variable_the_entry_names_is_empty_in_every_worker(tmp_path: Path) -> None:
    (cold := tmp_path / "cold").mkdir()
    (warm := tmp_path / "warm").mkdir()
    environment = {**worker_environment(os.environ, 1, cold), "PYTHONPATH": NONCONFORMING, "ELSEWHERE": str(warm)}
    placement = Placement(mode="keeps_a_cache", device="cpu", precision="float32", threads=1)
    named = replace(ENTRIES["nonconforming"], caches=("ELSEWHERE",))
    with Worker(cores=usable_cores()[:1], environment=environment) as worker:
        request = CheckRequest(check="starts cold", backend=named, placement=placement)
        assert worker.run(request, 60) == Done()
    assert [path.name for path in cold.rglob("*.bin")] == ["compiled.bin"]
    assert list(warm.iterdir()) == []


def test_every_check_has_a_breach_that_it_finds() -> None:
    assert {check for check, _, _ in BREACHES} | {"entry"} == set(CHECKS)  # those of entries are below


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("careless", "importing careless also imports colorsys; wanted no framework"),
        ("nameless", "install is empty; wanted what a user has to type"),
        ("modeless", "modes ('right', 'right') name one twice"),
        ("nowhere", "there is no module 'no_such_module' to import"),
        ("unlisted", "none of the distributions ('no-such-distribution',) is installed"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(backend: str, message: str, hold: Hold) -> None:
    reply = hold("entry", "right", backend)
    assert isinstance(reply, Failure)
    assert reply.status == "failed"
    assert message in reply.reason


@pytest.mark.parametrize(
    ("first_s", "slow_repetitions", "accused"),
    [
        (0.5, 0, False),
        (0.5, REPETITIONS - 1, False),
        (0.5, REPETITIONS, True),
        (0.05, REPETITIONS, False),  # less than a second in all: it may be the machine
        (0.05, 12, True),
    ],
)
def test_first_passes_that_are_slow_accuse_only_in_every_repetition_and_for_a_second(
    first_s: float, slow_repetitions: int, accused: bool
) -> None:
    passes_s = [1.0]
    for number in range(slow_repetitions + 1):
        passes_s += [first_s if number < slow_repetitions else 0.01, *[0.01] * PASSES_AFTER]
    ends_s = np.cumsum(passes_s)
    readings = iter(np.stack([ends_s - passes_s, ends_s], axis=1).ravel())
    placement = Placement(mode="loop", device="cpu", precision="float32", threads=1)
    subject = Subject(entry=BUILT_IN["numpy"], placement=placement, case=classification("float32"))
    with pytest.raises(Violation) if accused else nullcontext():
        compiles_once(subject, lambda: float(next(readings)))


def test_what_a_backend_cannot_do_is_no_failure(hold: Hold) -> None:
    assert hold("follows", "no_words") == Done(note="not run on word counts, Adam: no embeddings here")
    reply = hold("follows", "unsupported")
    assert isinstance(reply, Failure)
    assert reply.status == "unsupported"
    assert "this one never works" in reply.reason


def test_a_check_that_kills_its_process_costs_only_itself(hold: Hold) -> None:
    assert hold("shapes", "exits").status == "crashed"
    assert hold("continues", "exits") == Done()


def check_backend(tmp_path: Path, *arguments: str, time_limit_s: float = 60) -> subprocess.CompletedProcess[str]:
    return run_bench("check-backend", *arguments, cwd=tmp_path, time_limit_s=time_limit_s, PYTHONPATH=NONCONFORMING)


def test_the_command_shows_a_mark_for_each_check_and_mode_and_explains_what_fails(tmp_path: Path) -> None:
    modes = ("too_fast", "unfinished", "unsupported")  # the next test has the right one
    options = [word for mode in modes for word in ("--mode", mode)]
    result = check_backend(tmp_path, "nonconforming", *options, "--task", "linear_fit")
    assert result.returncode == 3, result.stderr  # a wrong number is worse than a failure
    assert "Traceback" not in result.stderr + result.stdout
    lines = {line[:18].strip(): line[18:].split() for line in result.stdout.splitlines()[1 : 3 + len(CHECKS)]}
    assert lines["follows"] == ["NO", "yes", "unsupported"]
    assert lines["continues"] == ["NO", "yes", "unsupported"]
    assert lines["resets"] == ["yes", "yes", "unsupported"]
    assert lines[WAITS] == ["yes", "NO", "unsupported"]
    assert lines["parity linear_fit"] == ["NO", "yes", "unsupported"]
    assert re.search(r"unfinished: waits: NO: does not wait: \d+% of a pass was left .*Why it matters", result.stdout)
    assert re.search(r"too_fast: parity linear_fit: NO: .*Why it matters", result.stdout)
    assert "[checks 1/48] entry, too_fast: ok" in result.stderr


def test_a_backend_that_raises_is_told_where_and_nothing_is_guessed(tmp_path: Path) -> None:
    checks = ("--check", WAITS, "--check", "parity linear_fit", "--task", "linear_fit")
    result = check_backend(tmp_path, "nonconforming", "--mode", "raises_late", *checks)
    assert result.returncode == 1
    told = r"failed: RuntimeError: this buffer is in use at nonconforming.py:\d+ in train: raise RuntimeError\(.*\)$"
    assert re.search(f"^raises_late: {WAITS}, parity linear_fit: NO: {told}", result.stdout, re.MULTILINE), (
        result.stdout
    )
    assert "Usual cause" not in result.stdout


def test_what_holds_is_0_and_a_mode_that_can_train_nothing_is_1(tmp_path: Path) -> None:
    assert check_backend(tmp_path, "nonconforming", "--mode", "right", "--check", "entry").returncode == 0
    checks = ("--check", "entry", "--check", "refuses", "--check", "shapes")
    result = check_backend(tmp_path, "nonconforming", "--mode", "unsupported", *checks)
    assert result.returncode == 1
    marks = dict(line.split() for line in result.stdout.splitlines()[1:4])
    assert marks == {"entry": "yes", "refuses": "yes", "shapes": "unsupported"}  # the first two need no training


def test_a_hang_costs_its_time_limit_once(tmp_path: Path) -> None:
    arguments = ("nonconforming", "--mode", "hangs", "--task", "linear_fit", "--time-limit", "5")
    result = check_backend(tmp_path, *arguments)
    assert result.returncode == 1
    too_late = "timeout: no result within 5 s; stopped; raise --time-limit if it is only slow"
    assert f"hangs: trains: NO: {too_late}\n" in result.stdout  # and no guess at a cause
    assert "resets, compiles once" in result.stdout
    assert "not run: correct 'trains' first" in result.stdout


def test_checks_are_run_alone_and_those_that_they_need_are_not_shown(tmp_path: Path) -> None:
    modes = ("--mode", "late_loss", "--mode", "no_argument")
    result = check_backend(tmp_path, "nonconforming", *modes, "--check", "follows", "--check", "resets")
    assert result.returncode == 1
    lines = [line.split() for line in result.stdout.splitlines()[:3]]
    assert [line[:2] for line in lines] == [["check", "late_loss"], ["follows", "NO"], ["resets", "yes"]]
    assert "late_loss: follows: NO: " in result.stdout
    told = r"no_argument: follows.*: not run: correct 'contract' first: predict\(\) -> .* cannot be called"
    assert re.search(told, result.stdout), result.stdout


def test_a_reference_that_fails_is_not_blamed_on_the_backend() -> None:
    setup = make_setup(1, 60, None)
    with examination("numpy", (), ("linear_fit",), setup, SilentListener(), ("parity",)) as examined:
        assert examined.checks == ("parity linear_fit",)
        for gate in ("contract", "trains"):
            examined.findings[gate, "loop"] = BackendFinding(check=gate, mode="loop", status="holds")
        reason = str(NoReference("no envelope: no result within 60 s"))
        row = a_row("linear_fit")
        examined.results[row] = ParityResult(row=row, status="failed", agrees=None, reason=reason)
        (finding,) = examined.all()
    assert (finding.status, finding.reason) == ("not run", reason)
    assert reason == "not judged: the reference could not be computed: no envelope: no result within 60 s"


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (("numpy", "--check", "folows"), "unknown check 'folows'; choose from answers, compiles once, cont"),
        (("numpy", "--mode", "no_such"), "unknown mode 'no_such'; choose from loop"),
        (("numpy", "--task", "no_such"), "unknown task 'no_such'; choose from iris_mlp"),
    ],
)
def test_an_unknown_name_is_wrong_use(arguments: tuple[str, ...], choices: str, bench_here: Bench) -> None:
    result = bench_here("check-backend", *arguments)
    assert result.returncode == 2
    assert choices in result.stderr


def test_an_unknown_backend_is_wrong_use_and_those_of_others_are_among_the_choices(tmp_path: Path) -> None:
    result = check_backend(tmp_path, "no_such")
    assert result.returncode == 2
    assert "unknown backend 'no_such'; choose from careless, jax" in result.stderr
    assert "Traceback" not in result.stderr


SUITE = """
from bench.conformance import BackendConformance

class TestMine(BackendConformance):
    backend = "nonconforming"
    modes = ("keeps_state", "unsupported", "too_fast")
    tasks = ("linear_fit",)
"""


def test_another_packages_tests_inherit_the_checks(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "no:cacheprovider", "test_mine.py"]
    result = subprocess.run(
        [*command, "-k", "follows or resets or parity or trains"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": NONCONFORMING},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 failed, 4 passed, 4 skipped" in result.stdout, result.stdout
    for failed in ("resets-keeps_state", "follows-too_fast", "parity linear_fit-too_fast"):
        assert f"test_the_backend_conforms[{failed}]" in result.stdout
    assert "zero momentum's v" in result.stdout
    assert "warning" not in result.stdout
    assert "this one never works" in result.stdout
    assert "Traceback" not in result.stdout


# The others compile some fifty small programs, or start slowly, for a minute and more.
MARKS = {("numpy", "loop"): [], ("torch", "eager"): [pytest.mark.slow]}
WITHOUT_PARITY = [word for check in (*CHECKS, WAITS) for word in ("--check", check)]


@pytest.mark.parametrize(
    ("backend", "mode"),
    [pytest.param(*kind, marks=MARKS.get(kind, [pytest.mark.slow, pytest.mark.exhaustive])) for kind in KINDS],
)
def test_every_backend_of_ours_conforms(backend: str, mode: str, tmp_path: Path) -> None:
    """NumPy by all that there is, the others without parity, which `test_a_row_follows_the_reference` has of every row.

    It would start each framework twice more.
    """
    require(a_row("linear_fit", backend, mode))
    chosen = [] if backend == "numpy" else WITHOUT_PARITY
    arguments = (backend, "--mode", mode, "--task", "linear_fit", *chosen)
    result = check_backend(tmp_path, *arguments, time_limit_s=600)
    assert result.returncode == 0, result.stdout
