"""What a processor can reach, by what the system says about it; where that is not known, nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.contract import Precision
from bench.machine.peak import CPUINFO, HIGHEST_HZ, peak_flops_per_s


@pytest.mark.parametrize(
    ("line", "a_cycle"),
    [
        ("flags\t\t: fpu sse avx fma avx2 avx512f", 64),
        ("flags\t\t: fpu sse avx fma avx2", 32),
        ("Features\t: fp asimd", 32),
        ("flags\t\t: fpu sse avx", None),
        ("Features\t: fp asimd sve", None),
        ("Features\t: fp asimd sme", None),
        ("model name\t: avx2", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_peak_is_cores_times_frequency_times_operations_a_cycle(
    line: str, a_cycle: int | None, precision: Precision, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{line}\nprocessor\t: 1\n{line}\n")
    found = peak_flops_per_s(3, precision, cpuinfo)
    halved = 1 if precision == "float32" else 2
    assert found == (None if a_cycle is None else 3 * HIGHEST_HZ * a_cycle / halved)


def test_a_system_that_says_nothing_has_no_peak(tmp_path: Path) -> None:
    assert peak_flops_per_s(2, "float32", tmp_path / "none") is None


@pytest.mark.skipif(not CPUINFO.exists(), reason="this system does not describe its processor")
def test_more_cores_reach_more_on_this_machine() -> None:
    one, two = peak_flops_per_s(1, "float32"), peak_flops_per_s(2, "float32")
    assert (one is None and two is None) or (one is not None and two == 2 * one)
