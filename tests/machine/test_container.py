"""A container's limits: how many threads a run takes by default, and how much memory it believes to be free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.harness import setup
from bench.machine import host
from bench.machine.container import MemoryLimit, cpu_quota_cores, memory_limits
from bench.machine.host import free_memory_bytes, memory_bytes

MIB = 2**20
GROUPS = "4:memory:/docker/abc\n1:cpu,cpuacct:/docker\n0::/user.slice/job\n"
UNLIMITED = "9223372036854771712"


def plant(root: Path, files: Mapping[str, str], groups: str = GROUPS) -> Path:
    """Write the files of control groups below a folder that stands for /."""
    named = {f"sys/fs/cgroup/{name}": text for name, text in files.items()} | {"proc/self/cgroup": groups}
    for name, text in named.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, math.inf),
        ({"cgroup.controllers": "cpu memory"}, math.inf),
        ({"user.slice/job/cpu.max": "max 100000", "user.slice/cpu.max": "50000 100000"}, 0.5),
        ({"user.slice/job/cpu.max": "300000 100000", "other/cpu.max": "1000 100000"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ({"cpu/docker/cpu.cfs_quota_us": "25000", "cpu/docker/cpu.cfs_period_us": "50000"}, 0.5),
        ({"cpu/other/cpu.cfs_quota_us": "25000", "cpu/other/cpu.cfs_period_us": "50000"}, None),
        ({}, None),
    ],
)
def test_the_quota_is_the_lowest_of_all_groups_that_this_process_is_in(
    files: dict[str, str], cores: float | None, tmp_path: Path
) -> None:
    assert cpu_quota_cores(plant(tmp_path, files)) == cores


def test_a_quota_is_read_where_the_groups_of_this_process_are_not_told(tmp_path: Path) -> None:
    assert cpu_quota_cores(plant(tmp_path, {"cpu.max": "100000 100000"}, groups="")) == 1.0


@pytest.mark.parametrize(
    ("quota", "granted", "in_header"),
    [
        (None, (0, 2, 4, 6), None),
        (math.inf, (0, 2, 4, 6), None),
        (8.0, (0, 2, 4, 6), 8.0),
        (2.5, (0, 2), 2.5),
        (1.0, (0,), 1.0),
        (0.5, (0,), 0.5),
    ],
)
def test_the_quota_is_the_default_number_of_threads_and_stands_in_the_header(
    quota: float | None, granted: tuple[int, ...], in_header: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (host, setup):
        monkeypatch.setattr(module, "usable_cores", lambda: (0, 2, 4, 6))
    monkeypatch.setattr(host, "cpu_quota_cores", lambda _: quota)
    assert host.this_machine().quota_cores == in_header
    assert setup.make_setup(None, 60, None).cores == granted
    assert setup.make_setup(4, 60, None).cores == (0, 2, 4, 6)  # who asks for more than the quota gets it


STAT_V2 = f"anon 5\ninactive_file {100 * MIB}\nactive_file 7"
STAT_V1 = f"inactive_file 1\ntotal_inactive_file {50 * MIB}"
V1 = "memory/docker/abc"


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        ({"memory.max": "max", "memory.current": "5"}, ()),
        ({"memory.max": f"{1000 * MIB}"}, ()),  # nothing says how much of it is in use
        ({"memory.max": f"{1000 * MIB}", "memory.current": f"{400 * MIB}"}, ((1000, 600),)),
        (
            {"memory.max": f"{1000 * MIB}", "memory.current": f"{400 * MIB}", "memory.stat": STAT_V2},
            ((1000, 700),),  # the page cache goes first
        ),
        ({"memory.max": f"{10 * MIB}", "memory.current": f"{11 * MIB}"}, ((10, 0),)),
        (
            {
                "user.slice/memory.max": f"{800 * MIB}",
                "user.slice/memory.current": f"{700 * MIB}",
                "user.slice/job/memory.max": f"{300 * MIB}",
                "user.slice/job/memory.current": f"{100 * MIB}",
            },
            ((800, 100), (300, 200)),
        ),
        ({f"{V1}/memory.limit_in_bytes": UNLIMITED, f"{V1}/memory.usage_in_bytes": "5"}, ()),
        (
            {
                f"{V1}/memory.limit_in_bytes": f"{1500 * MIB}",
                f"{V1}/memory.usage_in_bytes": f"{600 * MIB}",
                f"{V1}/memory.stat": STAT_V1,
            },
            ((1500, 950),),
        ),
        ({"memory/other/memory.limit_in_bytes": "5", "memory/other/memory.usage_in_bytes": "1"}, ()),
    ],
)
def test_memory_is_limited_by_all_groups_that_this_process_is_in(
    files: dict[str, str], limits: tuple[tuple[int, int], ...], tmp_path: Path
) -> None:
    expected = [MemoryLimit(limit * MIB, free * MIB) for limit, free in limits]
    assert sorted(memory_limits(plant(tmp_path, files)), key=str) == sorted(expected, key=str)
    root = tmp_path
    assert memory_bytes(root) == min((memory_bytes(tmp_path / "nothing"), *(each.limit_bytes for each in expected)))
    if expected:
        assert free_memory_bytes(root) == min(each.free_bytes for each in expected)
