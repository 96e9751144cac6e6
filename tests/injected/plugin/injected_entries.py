"""The backends of this package: right but for one fault, which the mode or the name of the backend tells."""

from __future__ import annotations

from functools import partial

from backends.registry import Entry

WHENS = ("reset", "train", "turn")  # when a fault happens: before, in, and after the first training
SIGNALS = ("SIGKILL", "SIGSEGV", "SIGABRT", "SIGSTOP", "SIGRTMIN")
ACTS = (*SIGNALS, "hang", "memory", "megabytes", "forged", "garbage", "leaves", "raises")
NUMBERS = ("nan", "infinity")
MODES = ("right", *(f"{act}_{when}" for act in ACTS for when in WHENS), *NUMBERS, "never_exits", "daemon")

_entry = partial(Entry, framework="numpy", distributions=("numpy",), install="")
TRAINING = _entry(name="injected", module="injected_training", modes=MODES)
HANGS_IN_IMPORT = _entry(name="injected-import", module="injected_import_hangs", modes=("loop",))
FAILS_IN_IMPORT = _entry(name="injected-missing", module="injected_import_fails", modes=("loop",))
DIES_IN_IMPORT = _entry(name="injected-death", module="injected_import_dies", modes=("loop",))
