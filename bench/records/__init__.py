"""Run files: the types of their lines, reading and writing them, and the provenance of a run."""
