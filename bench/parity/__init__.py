"""Parity: does every backend compute the same as the reference? Checked in four tiers."""
