"""Pictures of a run, drawn by matplotlib from the run file alone. Each kind has a function that returns a figure."""
