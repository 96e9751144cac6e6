"""The command line: one file for each group of commands; `app` combines them."""

from __future__ import annotations

from bench.cli.interrupts import INTERRUPTED, INTERRUPTS


def main() -> None:
    """Run the command line. From the first moment on, an interrupt ends it without a traceback."""
    INTERRUPTS.install()
    try:
        from bench.cli import app

        app.main()
    except KeyboardInterrupt:  # while it was being imported; later ones are handled by the commands
        INTERRUPTS.end(INTERRUPTED)
    finally:
        INTERRUPTS.ignore()
