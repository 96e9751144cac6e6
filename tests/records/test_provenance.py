"""In which facts two runs differ: each is told, and what differs in every run never is."""

from __future__ import annotations

from typing import Any

import pytest
from support import a_header, a_machine, a_row

from bench.records.provenance import Difference, differences
from bench.records.schema import Goal, Header

TASKS: dict[str, dict[str, Any]] = {
    "iris_mlp": {"epochs": 100, "model.hidden": (10, 10), "optimizer": "adam"},
    "linear_fit": {"epochs": 3},
}
USUAL: dict[str, Any] = {
    "machine": a_machine(),
    "versions": {"numpy": "2.4.6", "torch": "2.13.0"},
    "environment": {"OMP_PROC_BIND": "true"},
    "commit": "39df7841afe6",
    "tasks": TASKS,
}


def header(**changes: Any) -> Header:
    return a_header(a_row("iris_mlp"), **{**USUAL, **changes})


def with_setting(name: str, value: Any) -> dict[str, Any]:
    return {"tasks": {**TASKS, "iris_mlp": {**TASKS["iris_mlp"], name: value}}}


THEN = header()
FACTS: list[tuple[dict[str, Any], Difference, str]] = [
    (
        {"machine": a_machine(system="Darwin")},
        Difference("machine", "system", "Linux", "Darwin"),
        "system: Linux then, Darwin now",
    ),
    (
        {"machine": a_machine(cpu="another CPU")},
        Difference("machine", "processor", "a CPU", "another CPU"),
        "processor: a CPU then, another CPU now",
    ),
    ({"machine": a_machine(cores=64)}, Difference("machine", "cores", 2, 64), "cores: 2 then, 64 now"),
    (
        {"machine": a_machine(memory_bytes=16 * 2**30)},
        Difference("machine", "memory", "8 GiB", "16 GiB"),
        "memory: 8 GiB then, 16 GiB now",
    ),
    (
        {"machine": a_machine(governor="performance")},
        Difference("machine", "governor", "unknown", "performance"),
        "governor: unknown then, performance now",
    ),
    (
        {"machine": a_machine(gpus=("H100", "H200"))},
        Difference("machine", "GPUs", (), ("H100", "H200")),
        "GPUs: none then, H100, H200 now",
    ),
    (
        {"threads": 1},
        Difference("machine", "threads of a worker", 2, 1),
        "threads of a worker: 2 then, 1 now",
    ),
    (
        {"environment": {"OMP_PROC_BIND": "false"}},
        Difference("machine", "variable OMP_PROC_BIND", "true", "false"),
        "variable OMP_PROC_BIND: true then, false now",
    ),
    (
        {"environment": {}},
        Difference("machine", "variable OMP_PROC_BIND", "true", "not set"),
        "variable OMP_PROC_BIND: true then, not set now",
    ),
    (
        {"versions": {"numpy": "2.5.0", "torch": "2.13.0"}},
        Difference("versions", "numpy", "2.4.6", "2.5.0"),
        "numpy: 2.4.6 then, 2.5.0 now",
    ),
    (
        {"versions": {"numpy": "2.4.6"}},
        Difference("versions", "torch", "2.13.0", "not installed"),
        "torch: 2.13.0 then, not installed now",
    ),
    (
        {"versions": {**USUAL["versions"], "jax": "0.10"}},
        Difference("versions", "jax", "not installed", "0.10"),
        "jax: not installed then, 0.10 now",
    ),
    (
        with_setting("epochs", 50),
        Difference("settings", "iris_mlp epochs", 100, 50),
        "iris_mlp epochs: 100 then, 50 now",
    ),
    (
        with_setting("model.hidden", (10, 20)),
        Difference("settings", "iris_mlp model.hidden", (10, 10), (10, 20)),
        "iris_mlp model.hidden: 10, 10 then, 10, 20 now",
    ),
    (
        with_setting("optimizer.beta1", 0.9),
        Difference("settings", "iris_mlp optimizer.beta1", None, 0.9),
        "iris_mlp optimizer.beta1: none then, 0.9 now",
    ),
    (
        {"commit": "aaaaaaaaaaaa+"},
        Difference("code", "commit", "39df7841afe6", "aaaaaaaaaaaa+"),
        "commit: 39df7841afe6 then, aaaaaaaaaaaa+ now",
    ),
]


def test_equal_headers_do_not_differ() -> None:
    assert differences(THEN, header()) == ()


@pytest.mark.parametrize(("changes", "difference", "sentence"), FACTS, ids=[fact[2] for fact in FACTS])
def test_a_fact_that_differs_is_told_with_both_values(
    changes: dict[str, Any], difference: Difference, sentence: str
) -> None:
    assert differences(THEN, header(**changes)) == (difference,)
    assert str(difference) == sentence


@pytest.mark.parametrize(("changes", "difference", "sentence"), FACTS, ids=[fact[2] for fact in FACTS])
def test_the_other_way_round_the_values_change_places(
    changes: dict[str, Any], difference: Difference, sentence: str
) -> None:
    turned = Difference(difference.kind, difference.name, difference.now, difference.then)
    assert differences(header(**changes), THEN) == (turned,)


def test_several_facts_are_all_told() -> None:
    now = header(commit="other", threads=1, versions={"numpy": "1", "torch": "2.13.0"}, **with_setting("epochs", 1))
    assert [fact.kind for fact in differences(THEN, now)] == ["machine", "versions", "settings", "code"]


@pytest.mark.parametrize(
    "changes",
    [
        {"created": "2027-01-01T00:00:00Z"},
        {"command": "bench run --workers 3"},
        {"machine": a_machine(load=7.5)},
        {"schedule_seed": 99},
        {"goal": Goal(workers=3, effect=0.01, time_s=1.0)},
        {"rows": (a_row("linear_fit"),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_differs_in_every_run_is_no_difference(changes: dict[str, Any]) -> None:
    assert differences(THEN, header(**changes)) == ()


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ("Linux 6.18.44-fc-v595, Python 3.11.7", "Linux 6.18.44-fc-v596, Python 3.11.7", False),
        ("Linux 6.8.0-1015-aws, Python 3.11.7", "Linux 6.8.0-1016-aws, Python 3.11.7", False),
        ("Linux 6.18.44-fc-v595, Python 3.11.7", "Linux 6.19.1-fc-v595, Python 3.11.7", True),
        ("Linux 6.18.44-fc-v595, Python 3.11.7", "Linux 6.18.44-fc-v595, Python 3.11.8", True),
        ("Darwin 24.1.0, Python 3.11.7", "Linux 24.1.0, Python 3.11.7", True),
    ],
)
def test_the_build_of_a_kernel_is_no_other_machine(then: str, now: str, differs: bool) -> None:
    headers = [header(machine=a_machine(system=system)) for system in (then, now)]
    assert [fact.name for fact in differences(headers[0], headers[1])] == (["system"] if differs else [])


def test_memory_counts_by_the_gibibyte() -> None:
    assert differences(THEN, header(machine=a_machine(memory_bytes=8 * 2**30 - 60 * 2**20))) == ()


def test_lists_and_tuples_are_alike() -> None:
    assert differences(THEN, header(**with_setting("model.hidden", [10, 10]))) == ()
    (found,) = differences(THEN, header(**with_setting("model.hidden", [10])))
    assert str(found) == "iris_mlp model.hidden: 10, 10 then, 10 now"


def test_an_empty_list_is_called_none() -> None:
    (found,) = differences(THEN, header(**with_setting("model.hidden", [])))
    assert str(found) == "iris_mlp model.hidden: 10, 10 then, none now"


def test_tasks_of_one_run_alone_are_no_difference() -> None:
    assert differences(THEN, header(tasks={"iris_mlp": TASKS["iris_mlp"], "thermometer": {"epochs": 1}})) == ()
    assert differences(header(tasks={}), THEN) == ()


def test_a_setting_is_told_of_every_task_that_both_runs_have() -> None:
    now = header(tasks={name: {**each, "epochs": 7} for name, each in TASKS.items()})
    assert {fact.name for fact in differences(THEN, now)} == {"iris_mlp epochs", "linear_fit epochs"}
