"""The parity check: compares float64 traces of every row, and then its timed runs, with the reference, tier by tier.

The whole check is `results_before_timing`, then `judge_timed` on each timed run; `check_parity` does both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as replace_field
from typing import Any

from msgspec.structs import replace

from backends.contract import Device, Params
from bench.events import Listener
from bench.harness.availability import fetch_data, unavailable
from bench.harness.live import sample_alone
from bench.harness.output import place_in
from bench.harness.process import Worker
from bench.harness.repetition import Repetition
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.parity.arrays import load_params, load_trace
from bench.parity.compute import Computer, NotComputed, reference_row
from bench.parity.jobs import FollowRequest, TraceRequest
from bench.parity.references import NoReference, References, Timed
from bench.parity.tiers import (
    Departure,
    compare_predicted,
    compare_repeated,
    compare_repetition,
    compare_timed_losses,
    compare_timed_metric,
    compare_traces,
    largest_part,
    timed_losses,
)
from bench.records.schema import Job, ParityResult, Record, Row, Tier
from bench.tasks.names import threads_of


@contextmanager
def open_references(setup: WorkerSetup, settings: Mapping[str, Any], listener: Listener) -> Iterator[References]:
    """Yield an empty `References` for tasks with these settings."""
    with setup.scratch() as scratch:
        yield References(Computer(setup, scratch, dict(settings), listener))


def results_before_timing(
    rows: Sequence[Row], references: References, *, followed: bool = True, timed: bool = True
) -> Iterator[ParityResult]:
    """Yield the parity result of each row before its timed run; compute the references that both of them need.

    If the rows are `followed` in float64, that is the result of the float64 check. Otherwise each row counts as right
    until its timed run shows a fault.
    """
    if followed:
        references.add_traces(dict.fromkeys(row.task for row in rows))
        yield from float64_check(rows, references, timed=timed)
        return
    references.add_envelopes(references.missing(rows))
    for row in rows:
        yield ParityResult(row=row, settings=dict(references.computer.settings), status="ok", agrees=True)


def float64_check(rows: Sequence[Row], references: References, *, timed: bool) -> Iterator[ParityResult]:
    """Yield the result of each row in the tiers gradient and trajectory. The reference's traces have been computed.

    One worker does all tasks of a backend, mode and device. If rows will also be `timed`, the envelopes of the timed
    runs are computed in parallel; they start first, because one envelope takes as long as many rows.
    """
    missing = references.missing(rows) if timed else []
    references.computer.listener.stage("parity", len(missing) + len(rows))
    kinds: dict[tuple[str, str, Device], list[Row | Timed]] = {}
    for row in rows:
        kinds.setdefault((row.backend, row.mode, row.device), []).append(row)

    def work(item: Row | Timed, worker: Worker) -> ParityResult | None:
        if isinstance(item, Row):
            return _shown_check(item, references, worker)
        references.add_envelope(item, worker)
        return None

    alone: list[list[Row | Timed]] = [[kind] for kind in missing]
    for result in references.computer.share_out([*alone, *kinds.values()], work):
        if result is not None:
            yield result


def judge_timed(result: ParityResult, record: Record, references: References) -> ParityResult:
    """Return the result with the tiers envelope and metric added, which compare the row's timed run.

    If the timed run failed and the row was not followed in float64, it is not known whether the row is right.
    """
    quality, row = record.quality, result.row
    if quality is None:
        if result.agrees and result.losses is None:
            return replace(result, status=record.status, agrees=None, reason=record.reason)
        return result
    try:
        envelope = references.timed_envelope(row)
    except NoReference as error:
        reason = result.reason or str(error)
        return replace(result, agrees=False if result.agrees is False else None, reason=reason)
    losses = compare_timed_losses(timed_losses(quality), row.precision, envelope)
    repeated = compare_repeated(quality, row.precision, envelope)
    predicted = compare_predicted(quality)
    metric = compare_timed_metric(quality.metric, quality.value, row.precision, envelope)
    found: list[tuple[Tier, Departure]] = [
        ("envelope", losses),
        ("envelope", repeated),
        ("prediction", predicted),
        ("metric", metric),
    ]
    result = with_tiers(result, found, f"the timed run in {row.precision}")
    return replace(result, envelope=max(losses.size, repeated.size), metric=metric.size)


def judge_repetition(result: ParityResult, repetition: Repetition | None, references: References) -> ParityResult:
    """Return the result with the tier repetition added: a later training of the row, from another start, if any.

    The reference is trained from the same start when a row of the task first needs it. The repetition of a row that is
    wrong, or could not be judged, is not compared: its reference would take long and change nothing.
    """
    row = result.row
    if repetition is None or not result.agrees:
        return result
    try:
        envelope = references.repetition_envelope(row, repetition.number)
    except NoReference as error:
        return replace(result, agrees=None, reason=result.reason or str(error))
    found = repetition.losses, repetition.params, repetition.outputs
    departure = compare_repetition(*found, row.precision, envelope)
    where = f"repetition {repetition.number} in {row.precision}, from another start"
    result = with_tiers(result, [("repetition", departure)], where)
    return replace(result, repetition=max(departure.size, result.repetition or 0.0))


def still_wrong(result: ParityResult, earlier: ParityResult | None) -> ParityResult:
    """Return the result of a resumed run: a row that a repetition showed to be wrong `earlier` stays wrong.

    Everything else is judged again from the records that the file has; it does not have the repetitions.
    """
    if earlier is None or earlier.repetition is None:
        return result
    result = replace(result, repetition=max(earlier.repetition, result.repetition or 0.0))
    if earlier.tier != "repetition" or result.tier:
        return result
    return replace(result, agrees=False, tier=earlier.tier, reason=earlier.reason)


def with_tiers(result: ParityResult, departures: Iterable[tuple[Tier, Departure]], where: str) -> ParityResult:
    """Return the result with the first fault of these tiers, unless an earlier tier found one."""
    for tier, departure in departures:
        if departure.fault and not result.tier:
            result = replace(result, agrees=False, tier=tier, reason=f"{tier} ({where}): {departure.fault}")
    return result


def check_parity(
    rows: Sequence[Row],
    setup: WorkerSetup,
    settings: Mapping[str, Any],
    listener: Listener,
    *,
    timed: bool = False,
    followed: bool = True,
) -> Iterator[ParityResult]:
    """Yield the parity result of every row; those that cannot run come first.

    If `timed`, each row without a fault is then trained once by a timed run, which is checked too. For `followed` see
    `results_before_timing`.
    """
    lost = fetch_data(dict.fromkeys(row.task for row in rows), setup, listener)
    skipped = unavailable(rows, lost, setup.backends)
    for row, (status, reason) in skipped.items():
        yield ParityResult(row=row, settings=dict(settings), status=status, reason=reason)
    possible = [row for row in rows if row not in skipped]
    with open_references(setup, settings, listener) as references:
        results = results_before_timing(possible, references, followed=followed, timed=timed)
        yield from _time_once(results, references) if timed else results


def _time_once(results: Iterable[ParityResult], references: References) -> Iterator[ParityResult]:
    """Yield the results; run each row that has no fault once as a timed run, and add its tiers."""
    results = list(results)
    computer = references.computer
    computer.listener.stage("timed runs", sum(result.agrees is True for result in results))
    for result in results:
        if not result.agrees:
            yield result
            continue
        row, threads = result.row, threads_of(result.row.task, computer.setup.threads)
        job = Job(row=row, threads=threads, block=0, settings=dict(computer.settings))
        computer.listener.begins(str(row))
        with computer.setup.scratch() as scratch, computer.setup.worker(scratch, threads) as worker:
            request = TimeRequest(job=job, backend=computer.backend(row))
            record = sample_alone(request, worker, scratch, computer.setup.time_limit_s).record
        computer.listener.ended(str(row), record.status)
        if record.status == "ok":
            yield judge_timed(result, record, references)
        else:
            place = place_in(record.output, request.backend.module)
            yield replace(result, status=record.status, agrees=None, reason=f"{record.reason}{place}")


def _shown_check(row: Row, references: References, worker: Worker) -> ParityResult:
    exact = replace(row, precision="float64")
    references.computer.listener.begins(str(exact))
    result = _check(row, exact, references, worker)
    references.computer.listener.ended(str(exact), result.status)
    return result


def _check(row: Row, exact: Row, references: References, worker: Worker) -> ParityResult:
    """Return the result of a row from the trace of `exact`, the same row in float64."""
    computer = references.computer
    result = ParityResult(row=row, settings=dict(computer.settings), status="ok", agrees=True)
    try:
        right = references.trace(row.task)
        request = TraceRequest(job=computer.job(exact), backend=computer.backend(row))
        candidate = computer.array(request, worker, load_trace)
        found = compare_traces(candidate, right, lambda: references.trace_envelope(row.task, worker))
    except NotComputed as error:
        return replace(result, status=error.status, agrees=None, reason=str(error))
    except NoReference as error:
        return replace(result, status="failed", agrees=None, reason=str(error))
    gradient, losses, params, evaluation = found
    if losses.fault and losses.step and not gradient.fault:
        where = _most_off(exact, losses.step, computer, worker)
        losses = replace_field(losses, fault=f"{losses.fault}{where}")
    tiers: list[tuple[Tier, Departure]] = [
        ("gradient", gradient),
        ("trajectory", losses),
        ("trajectory", params),
        ("prediction", evaluation),
    ]
    result = with_tiers(result, tiers, "float64")
    return replace(result, gradient=gradient.size, losses=losses.size, parameters=params.size)


def _most_off(row: Row, step: int, computer: Computer, worker: Worker) -> str:
    """Return which layer differs most at the first wrong loss, as the end of a sentence; empty if that fails."""

    def follow(row: Row) -> Params:
        request = FollowRequest(job=computer.job(row), backend=computer.backend(row), steps=step)
        return computer.array(request, worker, load_params)

    try:
        candidate, right = follow(row), follow(reference_row(row.task, "float64"))
    except NotComputed:
        return ""
    return f"; {largest_part(candidate, right)}"
