"""What is known of each machine: processor, cores, memory, instructions, BLAS, versions. Pure.

A fact is a number, where doubling means something, or a text. What a machine has several of, because it changed from
run to run, is a text with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.records.machines import machine_key
from bench.records.provenance import system_without_build
from bench.records.schema import Header

Value = float | str
Facts = Mapping[str, Value]  # by the name of the fact

VERSION = "version of "  # before the name of a package, in the name of a fact
WITH, WITHOUT, UNKNOWN, NONE = "with", "without", "unknown", "none"


def facts_by_machine(headers: Iterable[Header]) -> dict[str, Facts]:
    """Return the facts of each machine, by its key; every machine has the same facts, some of them unknown."""
    headers = list(headers)
    instructions = sorted({each for header in headers for each in header.machine.instructions})
    variables = sorted({name for header in headers for name in header.environment})
    packages = list(dict.fromkeys(name for header in headers for name in header.versions))
    found: dict[str, list[Facts]] = {}
    for header in headers:
        found.setdefault(machine_key(header), []).append(
            {
                **_of_hardware(header),
                **{name: _has(header, name) for name in instructions},
                **{f"variable {name}": header.environment.get(name, "not set") for name in variables},
                **{f"{VERSION}{name}": header.versions.get(name, NONE) for name in packages},
            }
        )
    return {machine: _together(several) for machine, several in found.items()}


def _of_hardware(header: Header) -> dict[str, Value]:
    machine = header.machine
    system, _, python = system_without_build(header).partition(", Python ")
    quota = machine.quota_cores
    return {
        "processor": machine.cpu,
        "cores": float(max(1, machine.cores)),
        "CPU quota": NONE if quota is None else f"{quota:g} cores",
        "memory (GiB)": float(round(machine.memory_bytes / 2**30)) or 1.0,
        "BLAS of NumPy": machine.blas or UNKNOWN,
        "governor": machine.governor,
        "GPUs": ", ".join(machine.gpus) or NONE,
        "system": system,
        "Python": python or UNKNOWN,
    }


def _has(header: Header, instruction: str) -> str:
    """Return whether a processor has an instruction; a file of an earlier version names none at all."""
    known = header.machine.instructions
    return UNKNOWN if not known else WITH if instruction in known else WITHOUT


def _together(several: Iterable[Facts]) -> Facts:
    """Return the facts of a machine in several runs."""
    first, *others = several
    return {name: _joined([first[name], *(each[name] for each in others)]) for name in first}


def _joined(values: list[Value]) -> Value:
    once = list(dict.fromkeys(values))
    return once[0] if len(once) == 1 else " and ".join(map(in_words, once))


def in_words(value: Value) -> str:
    """Return a value for people."""
    return f"{value:g}" if isinstance(value, float) else value
