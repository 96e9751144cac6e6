"""What a host says of itself, and why its times would not be comparable with those of the other hosts.

Nothing runs before each host has been asked: code, Python, versions and settings must be those of the client.
"""

from __future__ import annotations

import functools
import os
import platform
import secrets
import sys
from collections.abc import Mapping

from bench.errors import shown
from bench.machine.host import gpu_names, machine_id, usable_cores
from bench.records.provenance import as_text, commit, digest_of_sources, versions
from bench.records.schema import Count, Strict
from bench.runs.session import environment_of_workers

HOST = "BENCH_HOST"  # the name of this machine; for pods of Kubernetes, that of the node
SLURM_NODE = "SLURMD_NODENAME"
PACKAGES = ("bench", "backends")
PROCESS = secrets.token_hex(8)  # of the process that this module is in: one that is started again has another


class Facts(Strict, frozen=True, kw_only=True):
    """What a host says of itself."""

    host: str
    id: str  # of its machine; empty if unknown
    process: str
    code: str  # digest of the sources
    commit: str
    python: str
    versions: dict[str, str]
    environment: dict[str, str]
    gpus: tuple[str, ...]
    cores: Count
    running: tuple[str, ...] = ()  # keys of units that it has

    @property
    def machine(self) -> str:
        """What tells its machine from others: one unit at a time is measured there."""
        return machine_of(self.host, self.id)


def machine_of(host: str, id_: str) -> str:
    """Return what tells a machine from others in a cluster: its name, and its id if that is known."""
    return f"{host} {id_}".strip()


def facts_of_this_host(running: tuple[str, ...] = ()) -> Facts:
    """Return what this process says of its machine."""
    return Facts(
        host=host_name(os.environ),
        id=machine_id(),
        process=PROCESS,
        code=code_digest(),
        commit=commit(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=versions(),
        environment=environment_of_workers(without_engine(os.environ, of_engine())),
        gpus=gpu_names(),
        cores=len(usable_cores()),
        running=running,
    )


def host_name(environment: Mapping[str, str]) -> str:
    """Return the name of this machine in a cluster: what BENCH_HOST says, or Slurm, or the system."""
    named = (environment.get(HOST), environment.get(SLURM_NODE), platform.node(), "unknown")
    return as_text(next(filter(None, named)))


@functools.cache
def code_digest() -> str:
    """Return a digest of all sources of this suite, the same wherever they are installed: 12 hexadecimal digits."""
    return digest_of_sources(PACKAGES)[:12]


def unlike(one: Facts, other: Facts, words: tuple[str, str] = ("here", "there")) -> list[str]:
    """Return, for people, what differs so that times are not comparable; empty if nothing does.

    `words` say where, or when, each of the two is.
    """
    pairs = {"code": (_code(one), _code(other)), "Python": (one.python, other.python)}
    pairs |= _pairs("", one.versions, other.versions)
    pairs |= _pairs("variable ", one.environment, other.environment)
    found = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if one.code == other.code:
        found.pop("code", None)  # which an installed package has without its commit
    return [shown(f"{name}: {a} {words[0]}, {b} {words[1]}") for name, (a, b) in found.items()]


def _code(facts: Facts) -> str:
    return f"{facts.code} (commit {facts.commit})"


def _pairs(prefix: str, one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys((*one, *other))
    return {f"{prefix}{name}": (one.get(name, "none"), other.get(name, "none")) for name in names}


def without_engine(environment: Mapping[str, str], set_by_engine: Mapping[str, object]) -> dict[str, str]:
    """Return the environment without the variables that Dask has set to the values of its configuration.

    Its nanny sets numbers of threads and a limit of the allocator for every worker, which would change what is timed. A
    variable that the user has set keeps its value there, unless that is the same.
    """
    added = {name: str(value) for name, value in set_by_engine.items()}
    return {name: value for name, value in environment.items() if added.get(name) != value}


def of_engine() -> dict[str, object]:
    """Return the variables that Dask's nanny sets, by its configuration; none where this is no process of Dask."""
    if "distributed" not in sys.modules:
        return {}
    import dask

    return {"PYTHONHASHSEED": "6640", **dask.config.get("distributed.nanny.pre-spawn-environ", {})}
