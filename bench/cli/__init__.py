"""The command line: a file for each group of commands; `app` puts them together."""

from bench.cli.app import main

__all__ = ["main"]
