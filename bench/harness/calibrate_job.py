"""The calibration job of a worker process: it measures how fast the machine is."""

from __future__ import annotations

import time

from bench.harness.protocol import CalibrationReply, Request
from bench.harness.workbench import Workbench
from bench.machine.calibration import calibrate


class CalibrateRequest(Request[CalibrationReply], frozen=True, kw_only=True):
    """A request to time a fixed amount of work with the threads of the process."""

    def answer(self, workbench: Workbench) -> CalibrationReply:
        """Time the calibration loop."""
        return CalibrationReply(calibration=calibrate(time.perf_counter))
