"""Is a difference real? Statistics, comparisons, flags and tables of numbers."""
