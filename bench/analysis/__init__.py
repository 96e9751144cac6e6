"""Is a difference real: statistics, comparisons, flags and tables of numbers."""
