"""What is kept of what a task's model learns, so that it can be drawn from a run file alone."""
