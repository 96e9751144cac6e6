"""All faults, in the order of the table."""

from __future__ import annotations

from injected import caches, files, machine, numbers, parent, workers

FAULTS = (*workers.FAULTS, *numbers.FAULTS, *parent.FAULTS, *files.FAULTS, *caches.FAULTS, *machine.FAULTS)
