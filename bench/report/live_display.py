"""What is redrawn in its place on a terminal."""

from __future__ import annotations

from typing import Any, Self

from rich.console import Console
from rich.live import Live


class LiveDisplay:
    """A display on a terminal; a context manager, so that it is always removed. Elsewhere nothing is drawn.

    `drawing` are the options of `rich.live.Live` that say what is drawn and how often.
    """

    def __init__(self, console: Console, **drawing: Any) -> None:
        self.console = console
        self.live = console.is_terminal and not console.is_dumb_terminal  # which cannot move its cursor
        self.screen = Live(console=console, transient=True, **drawing)

    def __enter__(self) -> Self:
        if self.live:
            self.screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.screen.stop()
