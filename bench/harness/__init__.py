"""One process per sample: starting it, asking it to train, and timing it."""
