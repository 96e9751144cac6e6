"""Put run files into a store: what is refused, what is computed of a run, and how it is written."""
