"""The highest rate of floating-point operations that a processor can reach, from what the system says about it."""

from __future__ import annotations

from pathlib import Path

from backends.contract import Precision

CPUINFO = Path("/proc/cpuinfo")
HIGHEST_HZ = 6.5e9  # no processor that is sold is faster; systems often name a frequency that is exceeded for a while
# Bytes of a vector; a cycle has 2 of them, and a fused multiplication and addition is 2 operations. The widest first.
VECTOR_BYTES = {"avx512f": 64, "avx2": 32, "asimd": 32}  # asimd: four units of 16 bytes, as the widest cores have
UNKNOWN = ("sme", "amx_fp16", "sve")  # extensions whose rate is not known here
UNITS, OPERATIONS = 2, 2
BYTES: dict[Precision, int] = {"float32": 4, "float64": 8}


def peak_flops_per_s(cores: int, precision: Precision, cpuinfo: Path = CPUINFO) -> float | None:
    """Return cores x frequency x operations a cycle; None where the instruction set is not known."""
    try:
        flags = _flags(cpuinfo.read_text())
    except OSError:
        return None
    width = next((bytes_ for name, bytes_ in VECTOR_BYTES.items() if name in flags), None)
    if width is None or flags & set(UNKNOWN):
        return None
    return cores * HIGHEST_HZ * width / BYTES[precision] * UNITS * OPERATIONS


def _flags(cpuinfo: str) -> set[str]:
    """Return the names of the instruction sets, from the first processor that names any."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()
