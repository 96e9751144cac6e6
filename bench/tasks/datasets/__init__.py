"""The data of the tasks: where each comes from, how its files are verified, and how it becomes rows."""
