"""Alters what a process sees of its machine, as INJECTED_ALTER says. On PYTHONPATH, every Python imports it first."""

import os
import time

AFTER_S = 4.0  # of the whole run, so that the change comes while it is measuring
HOUR_S = 3600.0
LITTLE_BYTES = 2**27

altered = os.environ.get("INJECTED_ALTER", "")
begun_s = float(os.environ.get("INJECTED_BEGUN_S", "0"))


def is_altered() -> bool:
    return time.monotonic() - begun_s > AFTER_S


if altered == "clock":
    real_time, real_gmtime = time.time, time.gmtime

    def earlier() -> float:
        return real_time() - (HOUR_S if is_altered() else 0.0)

    time.time = earlier
    time.gmtime = lambda seconds=None: real_gmtime(earlier() if seconds is None else seconds)

if altered == "memory":
    import psutil

    real_memory = psutil.virtual_memory

    def less():
        found = real_memory()
        return found._replace(available=LITTLE_BYTES) if is_altered() else found

    psutil.virtual_memory = less
