"""What a run says of where it ran."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench.machine import host as machine
from bench.machine.host import core_times, gpu_names, this_machine, usable_cores
from bench.machine.variables import (
    BINDING_VARIABLES,
    CACHE_VARIABLES,
    KERNEL_VARIABLES,
    THREAD_VARIABLES,
    settings_of_frameworks,
)
from bench.records.provenance import versions

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the time of each core")


def test_variables_that_set_frameworks_are_kept_and_no_others() -> None:
    ours = {"OMP_PROC_BIND": "close", "TF_ENABLE_ONEDNN_OPTS": "0", "XLA_FLAGS": "--x", "LD_PRELOAD": "x.so"}
    others = {"HOME": "/home/somebody", "TF_CLI_CONFIG_FILE": "/home/somebody/.terraformrc", "PATH": "/bin"}
    assert settings_of_frameworks({**others, **ours}) == ours


def test_all_that_doctor_warns_of_stands_in_the_header() -> None:
    warned_of = dict.fromkeys((*KERNEL_VARIABLES, *BINDING_VARIABLES, *THREAD_VARIABLES, *CACHE_VARIABLES), "x")
    assert settings_of_frameworks(warned_of) == dict(sorted(warned_of.items()))


def test_what_backends_of_other_packages_name_is_kept_too_but_no_secret() -> None:
    environment = {"TINY_DEBUG": "2", "TINY_API_KEY": "x", "MINE": "1", "MINE_TOO": "1", "TINY": "3"}
    assert settings_of_frameworks(environment, ["TINY_", "MINE"]) == {"MINE": "1", "TINY_DEBUG": "2"}


@pytest.mark.parametrize(
    "name", ["TORCH_HUB_TOKEN", "JAX_API_KEY", "CUDA_PASSWORD", "MKL_client_secret", "OMP_CREDENTIALS"]
)
def test_nothing_that_is_named_like_a_secret_gets_into_a_file(name: str) -> None:
    assert settings_of_frameworks({name: "hunter2"}) == {}


def test_what_cannot_be_found_out_is_unknown_and_never_empty() -> None:
    machine = this_machine()
    assert machine.cores == len(usable_cores()) >= 1
    assert machine.memory_bytes > 0
    assert machine.gpus == gpu_names()
    assert all((machine.system, machine.cpu, machine.governor))


def test_the_id_of_a_machine_is_the_same_each_time_and_tells_nothing_of_the_installation(tmp_path: Path) -> None:
    assert machine.machine_id(tmp_path) == ""
    (tmp_path / "etc").mkdir()
    found = []
    for text in ("3d1219c7c4c5404a\n", "3d1219c7c4c5404a", "4d1219c7c4c5404a"):
        (tmp_path / "etc" / "machine-id").write_text(text)
        found.append(machine.machine_id(tmp_path))
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 12
    assert found[0] not in "3d1219c7c4c5404a"


def test_instructions_and_library_of_matrix_products_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: {"flags": ["avx2", "aes", "avx512f", "avx"]})
    assert this_machine().instructions == ("avx", "avx2", "avx512f")
    pools = [
        {"user_api": "openmp", "internal_api": "libgomp", "version": None},
        {"user_api": "blas", "internal_api": "openblas", "version": "0.3.31", "architecture": "Zen"},
    ]
    loaded = [SimpleNamespace(info=lambda pool=pool: pool) for pool in pools]
    monkeypatch.setattr(machine, "libraries_with_pools", lambda: loaded)
    assert machine.blas() == "openblas 0.3.31 Zen"
    monkeypatch.setattr(machine, "libraries_with_pools", lambda: loaded[:1])
    assert machine.blas() == ""


def test_versions_are_those_of_what_is_installed() -> None:
    assert {"levelfield", "numpy"} <= set(versions())
    assert all(versions().values())


def a_core(**times_s: float) -> Any:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    return SimpleNamespace(**dict.fromkeys(names, 0.0) | times_s)


@linux_only
def test_a_core_is_busy_with_all_but_waiting_and_what_the_hypervisor_gives_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    core = a_core(**{name: 2.0**number for number, name in enumerate(names)})
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [core])
    times = core_times((0,))
    assert times is not None
    assert times.busy_s == core.user + core.nice + core.system + core.irq + core.softirq  # user holds guest already
    assert times.stolen_s == core.steal


@linux_only
@pytest.mark.parametrize(
    ("cores", "busy_s", "stolen_s"), [((0,), 1, 5), ((2,), 4, 0), ((0, 2), 5, 5), ((0, 1, 2), 7, 6)]
)
def test_the_times_are_those_of_the_granted_cores(
    cores: tuple[int, ...], busy_s: float, stolen_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = [a_core(user=1.0, steal=5.0), a_core(user=2.0, steal=1.0), a_core(user=4.0)]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: each)
    times = core_times(cores)
    assert times is not None
    assert (times.busy_s, times.stolen_s) == (busy_s, stolen_s)


def burn(seconds: float) -> list[str]:
    """Return a command that uses as much CPU time."""
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    return [sys.executable, "-c", code]


@linux_only
def test_a_child_that_has_ended_is_ours_and_no_other_process() -> None:
    before = core_times(usable_cores())
    subprocess.run(burn(0.25), check=True)
    after = core_times(usable_cores())
    assert before is not None
    assert after is not None
    assert after.own_s - before.own_s >= 0.25
    assert after.busy_s - before.busy_s >= 0.2  # counted in ticks of 10 ms


def test_where_the_system_does_not_tell_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert core_times(usable_cores()) is None


# GPUs


def with_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int = 0) -> None:
    """Put a program in the way that answers as nvidia-smi does."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{answer}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_the_free_memory_of_a_gpu_is_that_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, "79000 MiB\n12 MiB")
    assert machine.free_device_memory_bytes() == 79000 * 2**20


@pytest.mark.parametrize(("answer", "code"), [("[N/A]", 0), ("", 0), ("79000 MiB", 9)])
def test_what_a_gpu_does_not_tell_of_its_memory_is_unknown(
    answer: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, answer, code)
    assert machine.free_device_memory_bytes() is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("grpc://user:hunter2@host:1234", "grpc://***@host:1234"),
        ("https://hunter2@host/a?b=1", "https://***@host/a?b=1"),
        ("/home/u/lib.so:https://u:hunter2@h/x.so", "/home/u/lib.so:https://***@h/x.so"),
        ("https://host/x.so?token=hunter2&b=1", "https://host/x.so?token=***&b=1"),
        ("--xla_dump=/tmp --upload_api_key=hunter2 --b=1", "--xla_dump=/tmp --upload_api_key=*** --b=1"),
        ("expandable_segments:True,password=hunter2", "expandable_segments:True,password=***"),
        ("--xla_flag=1 --tf_fusion=false", "--xla_flag=1 --tf_fusion=false"),
        ("granularity=fine,compact,1,0", "granularity=fine,compact,1,0"),
        ("/opt/lib/libjemalloc.so.2", "/opt/lib/libjemalloc.so.2"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_a_password_in_a_value_gets_into_no_file_and_nothing_else_is_changed(value: str, shown: str) -> None:
    assert settings_of_frameworks({"XLA_FLAGS": value, "LD_PRELOAD": value}) == {
        "LD_PRELOAD": shown,
        "XLA_FLAGS": shown,
    }


def test_of_an_environment_full_of_secrets_a_header_has_none() -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_SECRET": "hunter2",
        "HTTPS_PROXY": "http://user:hunter2@proxy:3128",
        "PIP_INDEX_URL": "https://user:hunter2@index/simple",
        "GITHUB_TOKEN": "hunter2",
        "HF_TOKEN": "hunter2",
        "TORCH_AUTH": "hunter2",
        "JAX_SESSION_COOKIE": "hunter2",
        "XLA_PRIVATE": "hunter2",
        "JAX_COORDINATOR_ADDRESS": "grpc://user:hunter2@host:1",
        "LD_PRELOAD": "/x.so?token=hunter2",
    }
    assert "hunter2" not in str(settings_of_frameworks(secrets))
