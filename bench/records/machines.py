"""Which runs are of the same machine: only their times may be compared without saying so. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from bench.records.runfile import Run
from bench.records.schema import Header


def machine_key(header: Header) -> str:
    """Return 12 hexadecimal digits that are the same for runs on the same machine.

    They follow from the machine's id, its name in a cluster, and what a run can use of it: another number of usable
    cores or another limit of a container counts as another machine. An update of the system does not, and files of
    earlier versions, which have no id, are told apart by the rest alone.
    """
    machine = header.machine
    facts = (
        machine.id,
        header.host,
        machine.cpu,
        machine.cores,
        machine.quota_cores,
        round(machine.memory_bytes / 2**30),  # a virtual machine has some MB more or less after each boot
        tuple(machine.gpus),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def machine_names(headers: Iterable[Header]) -> dict[str, str]:
    """Return the name of each machine for people, by its key, in the order in which the machines come first.

    It is the name in the cluster or else processor and number of cores. Machines with the same name are told apart by
    their keys.
    """
    names = {machine_key(header): _name(header) for header in headers}
    counts = Counter(names.values())
    return {key: f"{name} ({key})" if counts[name] > 1 else name for key, name in names.items()}


def _name(header: Header) -> str:
    machine = header.machine
    cores = f"{machine.cores} core{'s' * (machine.cores != 1)}"
    return header.host or ", ".join((machine.cpu, cores, *machine.gpus))


def by_machine(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return runs with those of each machine together, in the order in which the machines come first."""
    together: dict[str, list[Run]] = {}
    for run in runs:
        together.setdefault(machine_key(run.header), []).append(run)
    return tuple(run for several in together.values() for run in several)


def names_of_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Return, by the path of each run, the name of its machine; empty texts if all runs are of one machine."""
    runs = tuple(runs)
    names = machine_names(run.header for run in runs)
    return {run.name: names[machine_key(run.header)] if len(names) > 1 else "" for run in runs}
