"""How each framework trains: one file a framework behind the interface in `backends.contract`."""
