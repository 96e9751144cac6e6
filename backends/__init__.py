"""How each framework trains: one backend per framework, behind the interface in `backends.contract`."""
