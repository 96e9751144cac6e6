"""The datasets of the tasks: sources, verification of data files, and loading."""
