"""A run on the hosts of a cluster: whole rounds travel, as text, and run files come back."""
