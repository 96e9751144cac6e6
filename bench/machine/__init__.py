"""The machine: its hardware, how much of it processes use, and whether it is suitable for benchmarks."""
