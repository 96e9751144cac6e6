"""The checks as a pytest class to inherit: one test for each check and mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import pytest
from rich.console import Console

from backends.registry import BACKENDS
from bench.conformance.examine import PARITY, Examination, check_names, examination
from bench.errors import UserError, require_name
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.report.progress_bar import TerminalProgress
from bench.runs.selection import choose_tasks

ARGUMENTS = ("check", "mode")
EXAMINED = pytest.StashKey[Examination]()


class BackendConformance:
    """Inherit from it in a class named Test..., and set `backend`; the other attributes narrow what is tested."""

    backend: ClassVar[str]
    modes: ClassVar[tuple[str, ...]] = ()  # empty: all modes of its entry
    tasks: ClassVar[tuple[str, ...]] = ("all",)  # tasks whose parity is tested; some need data files
    time_limit_s: ClassVar[float] = TIME_LIMIT_S  # of one check

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test for each check and mode."""
        if not set(ARGUMENTS) <= set(metafunc.fixturenames):
            return
        try:
            require_name(self.backend, BACKENDS, "backend")
            names = check_names([task.name for task in choose_tasks(self.tasks)])
        except UserError as error:
            pytest.fail(str(error), pytrace=False)
        modes = self.modes or BACKENDS[self.backend].modes
        # All checks of a mode run one after the other in one worker process.
        cases = [pytest.param(name, mode, id=f"{name}-{mode}") for mode in modes for name in names]
        metafunc.parametrize(ARGUMENTS, cases)

    @pytest.fixture
    def examined(self, request: pytest.FixtureRequest) -> Examination:
        """Return the examination that all tests of this class share."""
        node = request.node.getparent(pytest.Class)
        if EXAMINED not in node.stash:
            stack = ExitStack()
            node.addfinalizer(stack.close)
            node.stash[EXAMINED] = stack.enter_context(self._examination(request))
        examined: Examination = node.stash[EXAMINED]
        return examined

    @contextmanager
    def _examination(self, request: pytest.FixtureRequest) -> Iterator[Examination]:
        """Examine the backend in the modes, and on the tasks, of the tests that were selected."""
        chosen = [
            (str(item.callspec.params["check"]), str(item.callspec.params["mode"]))
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.cls is request.cls and "examined" in item.fixturenames
        ]
        modes = tuple(dict.fromkeys(mode for _, mode in chosen))
        checks = dict.fromkeys(check for check, _ in chosen)
        tasks = [check.removeprefix(PARITY) for check in checks if check.startswith(PARITY)]
        setup = make_setup(None, self.time_limit_s, None)
        with (
            TerminalProgress(Console(stderr=True)) as listener,
            examination(self.backend, modes, tasks, setup, listener) as examined,
        ):
            yield examined

    def test_the_backend_conforms(self, check: str, mode: str, examined: Examination) -> None:
        """A check holds in a mode."""
        finding = examined.find(check, mode)
        if finding.status in ("unsupported", "not run"):
            pytest.skip(finding.reason)
        if finding.status == "fails":
            pytest.fail(finding.reason, pytrace=False)
