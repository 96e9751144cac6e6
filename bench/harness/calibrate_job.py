"""The job of a worker process that tells how fast the machine is."""

from __future__ import annotations

import time

from bench.harness.protocol import CalibrationReply, Request
from bench.machine.calibration import calibrate


class CalibrateRequest(Request[CalibrationReply], frozen=True, kw_only=True):
    """Time a fixed piece of work, with the threads that the process was given."""

    def answer(self) -> CalibrationReply:
        """Time it."""
        return CalibrationReply(calibration=calibrate(time.perf_counter))
