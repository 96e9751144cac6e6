"""How the process of a command ends: by which signals, and what it leaves alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from bench.cli.app import end_on_signals


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put the handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_was_ignored_stays_ignored_as_nohup_wants_it(ignored: signal.Signals) -> None:
    (other,) = {signal.SIGHUP, signal.SIGTERM} - {ignored}
    signal.signal(ignored, signal.SIG_IGN)
    signal.signal(other, signal.SIG_DFL)
    end_on_signals()
    assert signal.getsignal(ignored) == signal.SIG_IGN
    assert signal.getsignal(other) == signal.default_int_handler
