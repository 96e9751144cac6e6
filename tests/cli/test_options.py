"""Options that commands share, and the check of several backends at once."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.app import app
from bench.cli.options import RunOptions, expand_options
from bench.conformance.examine import BackendFinding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from run_files import Bench


@dataclass(frozen=True, kw_only=True)
class Two:
    one: Annotated[int, typer.Option("--one")] = 1
    other: Annotated[str, typer.Option("--other")] = "x"


def test_a_dataclass_is_expanded_into_options_and_put_together_again() -> None:
    calls: list[tuple[str, Two, bool]] = []

    def command(name: str, *, options: Two, loud: bool = False) -> None:
        calls.append((name, options, loud))

    small = typer.Typer()
    small.command()(expand_options(command))
    assert CliRunner().invoke(small, ["me", "--other", "y", "--loud"]).exit_code == 0
    assert CliRunner().invoke(small, ["you"]).exit_code == 0
    assert CliRunner().invoke(small, ["you", "--options", "1"]).exit_code == 2
    assert calls == [("me", Two(one=1, other="y"), True), ("you", Two(), False)]


def test_run_and_sweep_have_all_shared_options_with_the_same_help() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    run, sweep = ({each.name: each for each in commands[name].params} for name in ("run", "sweep"))
    for name in RunOptions.__dataclass_fields__:
        assert (run[name].opts, run[name].help, run[name].default) == (
            sweep[name].opts, sweep[name].help, sweep[name].default
        )  # fmt: skip
    assert run.keys() - sweep.keys() == {"tasks", "baseline", "rank", "cluster", "every_host"}
    assert sweep.keys() - run.keys() == {"task", "vary"}


STATUSES = {"numpy": "holds", "torch": "fails", "jax": "holds"}


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Find what `STATUSES` say, without a worker; return the names of the backends that were examined."""
    names: list[str] = []

    @contextmanager
    def fake(backend: str, *_: Any) -> Iterator[Any]:
        names.append(backend)
        reason = "it is not so" if STATUSES[backend] == "fails" else ""
        finding = BackendFinding(check="trains", mode="a mode", status=STATUSES[backend], reason=reason)  # type: ignore[arg-type]
        yield SimpleNamespace(all=lambda: [finding], wrong=False)

    monkeypatch.setattr("bench.conformance.examine.examination", fake)
    return names


def test_several_backends_are_checked_in_one_command_each_under_its_name(
    bench_here: Bench, examined: list[str]
) -> None:
    result = bench_here("check-backend", "numpy", "torch", "jax", "numpy")
    assert examined == ["numpy", "torch", "jax"]
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if line in STATUSES] == examined
    assert "a mode: trains: NO: it is not so" in result.stdout
    assert bench_here("check-backend", "jax", "numpy").returncode == 0


def test_one_backend_needs_no_title(bench_here: Bench, examined: list[str]) -> None:
    result = bench_here("check-backend", "numpy")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0].split() == ["check", "a", "mode"]
    assert examined == ["numpy"]


def test_a_wrong_name_among_several_is_refused_before_the_first_is_checked(
    bench_here: Bench, examined: list[str]
) -> None:
    result = bench_here("check-backend", "numpy", "jx")
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown backend 'jx'; choose from ")
    assert examined == []
