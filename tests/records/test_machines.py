from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support import a_header, a_row

from bench.records.machines import machine_key, machine_names
from bench.records.schema import Header

HEADER = a_header(a_row("linear_fit"))


def on(host: str = "", **facts: Any) -> Header:
    return replace(HEADER, host=host, machine=replace(HEADER.machine, **facts))


@pytest.mark.parametrize(
    "facts", [{"load": 3.0}, {"system": "Linux 9.9, Python 3.12"}, {"governor": "performance"}, {"blas": "mkl"}]
)
def test_what_an_update_changes_leaves_the_machine_the_same(facts: dict[str, Any]) -> None:
    assert machine_key(on(**facts)) == machine_key(HEADER)


@pytest.mark.parametrize(
    "facts",
    [
        {"id": "0123456789ab"},
        {"host": "node-7"},
        {"cpu": "another"},
        {"cores": HEADER.machine.cores + 1},
        {"quota_cores": 0.5},
        {"memory_bytes": HEADER.machine.memory_bytes + 2**31},
        {"gpus": ("H100",)},
    ],
)
def test_another_machine_has_another_key(facts: dict[str, Any]) -> None:
    assert machine_key(on(**facts)) != machine_key(HEADER)


def test_some_megabytes_more_or_less_are_the_same_machine() -> None:
    size = 8 * 2**30
    assert machine_key(on(memory_bytes=size + 2**20)) == machine_key(on(memory_bytes=size - 2**20))


def test_machines_are_named_for_people_and_twins_are_told_apart() -> None:
    twins = [on(cpu="Ryzen 7", cores=1, id=name) for name in ("aa", "bb")]
    names = machine_names([on("node-7"), *twins, on("node-7"), on(cpu="M4", cores=8, gpus=("H100",))])
    keys = list(map(machine_key, twins))
    assert list(names.values()) == [
        "node-7",
        f"Ryzen 7, 1 core ({keys[0]})",
        f"Ryzen 7, 1 core ({keys[1]})",
        "M4, 8 cores, H100",
    ]
