"""A store: the runs of many machines and people in one folder, as Parquet files. Its format, and reading it."""
