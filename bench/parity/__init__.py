"""Is it right: every backend against the reference, in four tiers."""
