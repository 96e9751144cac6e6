"""What a right row may be off by, for all checks of what was timed."""

MULTIPLE = 8.0  # of what rounding explains; correct backends reach 1 or 2
