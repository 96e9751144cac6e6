"""Whether a machine is fit to measure on: each check on a good and on a bad machine, and what is read off one."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.machine.doctor import LEVELS, MachineFinding, findings, worst
from bench.machine.host import usable_cores
from bench.machine.probe import CPU, Probe, probe_machine
from bench.machine.variables import BINDING_VARIABLES, KERNEL_VARIABLES, THREAD_VARIABLES
from bench.records.schema import Calibration

GIB = 2**30


def calibration(typical_s: float = 0.001, slowest_s: float | None = None) -> Calibration:
    """Return twenty loops, of which four are the slowest."""
    return Calibration(loops_s=(typical_s,) * 16 + (slowest_s or typical_s,) * 4)


GOOD = Probe(
    machine_cores=4,
    usable_cores=(0, 1, 2, 3),
    quota_cores=math.inf,
    shared_cores=(),
    is_virtual=False,
    stolen_share=0.0,
    stolen_since_boot_share=0.0,
    governors=("performance",),
    turbo=False,
    throttles=0,
    load=0.2,
    others_cores={"sshd": 0.02},
    available_memory_bytes=8 * GIB,
    swap_used_bytes=0,
    variables={},
    timer_step_s=4e-8,
    timer_cost_s=5e-8,
    calibrations=(calibration(), calibration(0.00101)),
)


def found_by(name: str, **changes: Any) -> MachineFinding:
    """Return what a check finds on the good machine with something changed."""
    (finding,) = (finding for finding in findings(replace(GOOD, **changes)) if finding.name == name)
    return finding


# Checks


def test_a_good_machine_is_good_in_everything_and_needs_no_advice() -> None:
    assert [finding for finding in findings(GOOD) if finding.level != "good" or finding.advice] == []
    assert all(finding.found for finding in findings(GOOD))


def test_every_check_has_a_name_of_its_own() -> None:
    names = [finding.name for finding in findings(GOOD)]
    assert len(set(names)) == len(names)


PLANTED: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("cores", "warning", {"usable_cores": (0, 2, 3)}, "3 usable of 4: 0,2-3", "taskset"),
    ("CPU quota", "bad", {"quota_cores": 2.5}, "2.5 cores for 4", "--threads 2"),
    ("CPU quota", "bad", {"quota_cores": 0.5}, "0.5 cores for 4", "raise the CPU limit"),
    ("hyper-threads", "warning", {"shared_cores": ((0, 1), (2, 3))}, "0-1, 2-3", "taskset --cpu-list 0,2 bench"),
    ("hyper-threads", "warning", {"shared_cores": ((0, 2),)}, "0,2", "taskset --cpu-list 0-1,3 bench"),
    ("stolen time", "warning", {"stolen_share": 0.03}, "3.0 % just now", "another time"),
    ("stolen time", "bad", {"stolen_since_boot_share": 0.2}, "20.0 % since boot", "dedicated cores"),
    ("governor", "warning", {"governors": ("powersave",)}, "powersave", "--governor performance"),
    ("governor", "warning", {"governors": ("performance", "schedutil")}, "schedutil", "--governor performance"),
    ("turbo", "warning", {"turbo": True}, "on", "no_turbo"),
    ("throttling", "warning", {"throttles": 7}, "7 times", "--threads"),
    ("load", "warning", {"load": 1.5}, "1.50 processes on 4 cores", "wait a minute"),
    ("load", "bad", {"load": 9.0}, "9.00 processes", "stop other programs"),
    ("other processes", "warning", {"others_cores": {"java": 0.15}}, "0.15 cores busy: java 0.15", "stop them"),
    ("other processes", "bad", {"others_cores": {"java": 3.5, "sshd": 0.1}}, "3.60 cores", "java, sshd"),
    ("memory", "warning", {"available_memory_bytes": 3 * GIB}, "3.0 GiB", "close"),
    ("memory", "bad", {"available_memory_bytes": GIB}, "1.0 GiB", "close"),
    ("swap", "warning", {"swap_used_bytes": GIB}, "1.00 GiB in use", "swapoff"),
    *(
        ("forced kernels", "warning", {"variables": {name: "Haswell"}}, f"{name}=Haswell", f"unset {name} ")
        for name in KERNEL_VARIABLES
    ),
    *(
        ("thread binding", "warning", {"variables": {name: "close"}}, f"{name}=close", f"unset {name} ")
        for name in BINDING_VARIABLES
    ),
    ("other variables", "warning", {"variables": {"LD_PRELOAD": "a.so"}}, "LD_PRELOAD=a.so", "unset LD_PRELOAD "),
    ("timer", "warning", {"timer_cost_s": 2e-6}, "2000 ns", "tsc"),
    ("timer", "bad", {"timer_step_s": 1.6e-2}, "16000000 ns", "tsc"),
    ("timer", "bad", {"timer_step_s": None}, "does not advance", "another machine"),
    ("jitter", "warning", {"calibrations": (calibration(0.001, 0.0011), calibration())}, "10.0 %", "--threads"),
    ("jitter", "bad", {"calibrations": (calibration(), calibration(0.001, 0.002))}, "100.0 %", "noisy"),
    ("drift", "warning", {"calibrations": (calibration(), calibration(0.0011))}, "1.00 to 1.10 ms, 10.0 %", "noisy"),
    ("drift", "bad", {"calibrations": (calibration(0.0015), calibration())}, "50.0 %", "ratios within one run"),
]


@pytest.mark.parametrize(("name", "level", "changes", "found", "advice"), PLANTED)
def test_a_planted_fault_is_found_and_has_its_advice(
    name: str, level: str, changes: dict[str, Any], found: str, advice: str
) -> None:
    finding = found_by(name, **changes)
    assert finding.level == level
    assert found in finding.found
    assert advice in finding.advice


@pytest.mark.parametrize(("name", "level", "changes", "found", "advice"), PLANTED)
def test_a_planted_fault_is_found_by_no_other_check(
    name: str, level: str, changes: dict[str, Any], found: str, advice: str
) -> None:
    assert {finding.name for finding in findings(replace(GOOD, **changes)) if finding.level != "good"} == {name}


def test_a_virtual_machine_is_found_and_hides_which_cores_are_hyper_threads() -> None:
    machine = found_by("virtual machine", is_virtual=True)
    assert machine.level == "warning"
    assert "trust only ratios within one run" in machine.advice
    assert "more rounds" in machine.advice
    assert found_by("hyper-threads", is_virtual=True).level == "unknown"
    assert found_by("hyper-threads", is_virtual=True, shared_cores=((0, 1),)).level == "warning"


def test_every_check_that_can_fail_has_a_planted_fault() -> None:
    never_bad = {"thread variables"}
    planted = {name for name, *_ in PLANTED} | {"virtual machine"}
    assert planted | never_bad == {finding.name for finding in findings(GOOD)}


UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("cores", {"machine_cores": None}),
    ("CPU quota", {"quota_cores": None}),
    ("hyper-threads", {"shared_cores": None}),
    ("virtual machine", {"is_virtual": None}),
    ("stolen time", {"stolen_share": None, "stolen_since_boot_share": None}),
    ("governor", {"governors": ("unknown",)}),
    ("governor", {"governors": ("performance", "unknown")}),
    ("turbo", {"turbo": None}),
    ("throttling", {"throttles": None}),
    ("jitter", {"calibrations": ()}),
    ("drift", {"calibrations": (calibration(),)}),
]


@pytest.mark.parametrize(("name", "changes"), UNKNOWN)
def test_what_cannot_be_told_is_unknown_and_says_where_to_look(name: str, changes: dict[str, Any]) -> None:
    finding = found_by(name, **changes)
    assert finding.level == "unknown"
    assert finding.advice


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("CPU quota", {"quota_cores": 4.0}),
        ("stolen time", {"stolen_share": None, "stolen_since_boot_share": 0.01}),
        ("load", {"load": 3.0, "machine_cores": 64}),
        ("swap", {"swap_used_bytes": 2**20}),
        ("memory", {"available_memory_bytes": 4 * GIB}),
        ("jitter", {"calibrations": (calibration(0.001, 0.00104),)}),
    ],
)
def test_what_does_no_harm_is_good(name: str, changes: dict[str, Any]) -> None:
    assert found_by(name, **changes).level == "good"


@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_a_number_of_threads_that_the_user_set_is_told_and_no_fault(name: str) -> None:
    finding = found_by("thread variables", variables={name: "1"})
    assert finding == MachineFinding("thread variables", "good", f"{name}=1: workers use --threads instead")


# The worst


def test_unknown_is_worse_than_good_and_better_than_a_warning() -> None:
    assert LEVELS == ("good", "unknown", "warning", "bad")


@pytest.mark.parametrize("number", range(4))
def test_the_worst_level_is_that_of_the_worst_finding(number: int) -> None:
    found = [MachineFinding("a check", level, "something") for level in LEVELS[: number + 1]]
    assert worst(found) == worst(found[::-1]) == LEVELS[number]


def test_of_no_findings_the_worst_is_unknown() -> None:
    assert worst(()) == "unknown"


# Reading


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Probe]:
    """Examine a machine of two cores with these files."""

    def planted(files: dict[str, str]) -> Probe:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return probe_machine(calibrations=(), environment={}, root=tmp_path, window_s=0.0)

    monkeypatch.setattr("bench.machine.probe.usable_cores", lambda: (0, 1))
    return planted


Plant = Callable[[dict[str, str]], Probe]


def test_where_there_are_no_files_all_that_they_tell_is_unknown(plant: Plant) -> None:
    levels = {finding.name: finding.level for finding in findings(plant({}))}
    files = ("CPU quota", "hyper-threads", "virtual machine", "stolen time", "governor", "turbo", "throttling")
    assert {levels[name] for name in files} == {"unknown"}


def test_the_limits_of_a_container_are_read(plant: Plant) -> None:
    limits = {"cpu.max": "150000 100000\n", "memory.max": "3000000\n", "memory.current": "1000000\n"}
    probe = plant({f"sys/fs/cgroup/{name}": text for name, text in limits.items()})
    assert (probe.quota_cores, probe.available_memory_bytes) == (1.5, 2_000_000)


@pytest.mark.parametrize(
    ("siblings", "shared"),
    [
        (("0", "1"), ()),
        (("0-1", "0-1"), ((0, 1),)),
        (("0,1", "0,1"), ((0, 1),)),
        (("0,64", "1,65"), ()),  # the other halves are not usable
        (("0-1",), None),
    ],
)
def test_hyper_threads_are_those_of_the_usable_cores(
    plant: Plant, siblings: tuple[str, ...], shared: tuple[tuple[int, ...], ...] | None
) -> None:
    files = {f"{CPU}/cpu{core}/topology/thread_siblings_list": f"{text}\n" for core, text in enumerate(siblings)}
    assert plant(files).shared_cores == shared


@pytest.mark.parametrize(
    ("cpuinfo", "is_virtual"),
    [
        ("processor\t: 0\nflags\t\t: fpu vme hypervisor avx2\n", True),
        ("model name\t: hypervisor\nflags\t\t: fpu vme avx2\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", None),
    ],
)
def test_a_virtual_machine_is_known_by_the_flag_of_its_processor(
    plant: Plant, cpuinfo: str, is_virtual: bool | None
) -> None:
    assert plant({"proc/cpuinfo": cpuinfo}).is_virtual is is_virtual


@pytest.mark.parametrize(
    ("governors", "read"),
    [
        (("performance", "performance"), ("performance",)),
        (("powersave", "performance"), ("performance", "powersave")),
        (("performance",), ("performance", "unknown")),
    ],
)
def test_the_governors_are_those_of_all_usable_cores(
    plant: Plant, governors: tuple[str, ...], read: tuple[str, ...]
) -> None:
    files = {f"{CPU}/cpu{core}/cpufreq/scaling_governor": f"{name}\n" for core, name in enumerate(governors)}
    assert plant(files | {f"{CPU}/cpu2/cpufreq/scaling_governor": "schedutil"}).governors == read


@pytest.mark.parametrize(
    ("file", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", "0\n", True),
        ("intel_pstate/no_turbo", "1\n", False),
        ("cpufreq/boost", "1\n", True),
        ("cpufreq/boost", "0\n", False),
    ],
)
def test_turbo_is_read_in_either_place(plant: Plant, file: str, text: str, turbo: bool) -> None:
    assert plant({f"{CPU}/{file}": text}).turbo is turbo


def test_throttling_is_counted_on_the_usable_cores(plant: Plant) -> None:
    counts = {core: f"{CPU}/cpu{core}/thermal_throttle/core_throttle_count" for core in range(3)}
    assert plant({counts[0]: "2\n", counts[1]: "3\n", counts[2]: "100\n"}).throttles == 5


def test_stolen_time_is_a_share_of_what_passed_and_of_what_was_wanted(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pass_time(_: float) -> None:
        (tmp_path / "proc/stat").write_text("cpu  130 0 20 840 60 0 0 50 9 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")

    monkeypatch.setattr("bench.machine.probe.time.sleep", pass_time)
    facts = plant({"proc/stat": "cpu  100 0 20 800 60 0 0 20 9 0\n"})
    assert facts.stolen_share == pytest.approx(30 / 100)
    assert facts.stolen_since_boot_share == pytest.approx(50 / 200)


@pytest.mark.parametrize(
    ("clock", "step_s", "cost_s"),
    [
        (count(0.0, 0.5).__next__, 0.5, 0.5),
        ((number // 100 for number in count()).__next__, 1.0, 0.01),
        (lambda: 7.0, None, 0.0),
    ],
)
def test_the_timer_is_measured_by_reading_it(clock: Callable[[], float], step_s: float | None, cost_s: float) -> None:
    facts = probe_machine(calibrations=(), environment={}, window_s=0.0, clock=clock)
    assert facts.timer_step_s == step_s
    assert facts.timer_cost_s == pytest.approx(cost_s, rel=0.02)


def test_a_busy_process_is_seen_by_its_name_alone() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass  # secret"]) as process:
        try:
            name = psutil.Process(process.pid).name()
            busy = probe_machine(calibrations=(), environment={}, window_s=0.3).others_cores
        finally:
            process.kill()
    assert busy[name] > 0.1
    assert "secret" not in "".join(busy)


def test_the_real_machine_can_be_examined() -> None:
    environment = {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", "KMP_AFFINITY": "", "TOKEN": "secret"}
    facts = probe_machine(calibrations=(calibration(),), environment=environment)
    assert facts.usable_cores == usable_cores()
    assert facts.available_memory_bytes > 0
    assert facts.variables == {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}
    assert facts.calibrations == (calibration(),)
    assert len(findings(facts)) == len(findings(GOOD))
    assert worst(findings(facts)) in ("warning", "bad")  # for the forced kernel
