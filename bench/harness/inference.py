"""What the turns of a service come to: the inference of one process. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

import numpy as np

from bench.harness.protocol import ServingReply
from bench.harness.serving import BATCH_ROWS
from bench.records.schema import Inference

TAIL_CALLS = 200  # of fewer calls, the 99th percentile would be one of the two slowest: there is none


def inference_of(replies: Sequence[ServingReply], reason: str) -> Inference:
    """Return the inference of a process; `reason` says why it ended early, and is empty if it did not."""
    if not replies or reason:
        return Inference(reason=reason or "it had no turn")
    calls_s = list(itertools.chain.from_iterable(reply.calls_s for reply in replies))
    enough = len(calls_s) >= TAIL_CALLS
    p95_s, p99_s = (float(np.quantile(calls_s, share)) if enough else None for share in (0.95, 0.99))
    return Inference(
        open_s=replies[-1].open_s,
        calls=len(calls_s),
        latency_median_s=median(calls_s),
        latency_p95_s=p95_s,
        latency_p99_s=p99_s,
        latency_s=tuple(median(reply.calls_s) for reply in replies),
        rows=BATCH_ROWS,
        batches=sum(reply.batches for reply in replies),
        batch_s=tuple(reply.batches_s / reply.batches for reply in replies),
        predicted=max(reply.predicted for reply in replies),
    )
