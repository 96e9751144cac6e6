"""Where it runs: the machine, what processes use of it, and whether it is fit to measure on."""
