"""`python -m bench`, the same as `bench`."""

from bench.cli.app import main

main()
