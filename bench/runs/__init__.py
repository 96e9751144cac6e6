"""From a choice of tasks and backends to a run file."""
