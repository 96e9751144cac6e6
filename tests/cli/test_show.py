"""`bench show`, as its users see it."""

from __future__ import annotations

import pytest
from run_files import Bench


def test_show_prints_the_task_the_chosen_backends_and_their_modes(bench_here: Bench) -> None:
    result = bench_here("show", "mnist_mlp", "--backend", "torch", "--mode", "eager", "--mode", "compile-pass")
    assert not result.returncode, result.stderr
    assert [line for line in result.stdout.split("\n") if line.startswith("## ")] == [
        "## the task",
        "## torch eager",
        "## torch compile-pass",
    ]
    assert "layers of mnist_mlp: Dense(inputs=784, outputs=128, activation='relu'), Dense(" in result.stdout


def test_show_takes_settings_of_the_task(bench_here: Bench) -> None:
    result = bench_here("show", "mnist_mlp:optimizer=adam:model.activation=tanh", "--backend", "jax")
    assert "case Adam(" in result.stdout
    assert "jnp.tanh" in result.stdout
    assert "but with optimizer adam, model.activation tanh" in result.stdout


def test_show_names_what_cannot_train_the_task(bench_here: Bench) -> None:
    result = bench_here("show", "text_classifier", "--backend", "sklearn", "--backend", "jax")
    assert "sklearn cannot train text_classifier: it has no Adam" in result.stdout
    assert "## sklearn" not in result.stdout
    alone = bench_here("show", "text_classifier", "--backend", "sklearn")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "it has no Adam" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["mnist_mpl"], "unknown task 'mnist_mpl'; choose from "),
        (["mnist_mlp", "--backend", "pytorch"], "unknown backend 'pytorch'; choose from "),
        (["mnist_mlp", "--backend", "jax", "--mode", "eager"], "unknown mode 'eager'; choose from jit, scan"),
    ],
)
def test_show_refuses_what_is_not_there(bench_here: Bench, arguments: list[str], fault: str) -> None:
    result = bench_here("show", *arguments)
    assert result.returncode == 2
    assert fault in result.stderr
