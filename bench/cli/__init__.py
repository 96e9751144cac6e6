"""The command line: one file for each group of commands; `app` combines them."""

from bench.cli.app import main

__all__ = ["main"]
