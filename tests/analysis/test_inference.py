"""Inference by row: what is compared with what, which rows are not ranked, and what the tables say of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import a_header, a_parity_result, a_record, a_row, write_run
from typer.testing import CliRunner

from bench.analysis.frame import inference_frame, process_frame
from bench.analysis.inference import InferenceSummary, inference_of
from bench.analysis.tolerance import MULTIPLE
from bench.cli.app import app
from bench.records.runfile import Run, read_run
from bench.records.schema import Inference, Record, Row
from bench.report.choosing import Choice
from bench.report.document import Document
from bench.report.inference_table import inference_document, inference_section

FAST, SLOW, WRONG = a_row("iris_mlp"), a_row("iris_mlp", "keras-tensorflow", "fit"), a_row("iris_mlp", "torch", "eager")
LATENCY_S, BATCH_S = 50e-6, 256e-6
TURNS = 5


def an_inference(latency_s: float = LATENCY_S, batch_s: float = BATCH_S, **changes: Any) -> Inference:
    usual = {
        "open_s": 0.5,
        "calls": 400,
        "latency_median_s": latency_s,
        "latency_p95_s": 2 * latency_s,
        "latency_p99_s": 4 * latency_s,
        "latency_s": (latency_s,) * TURNS,
        "rows": 256,
        "batches": 100,
        "batch_s": (batch_s,) * TURNS,
        "predicted": 0.5,
    }
    return Inference(**{**usual, **changes})


def answering(row: Row, times: float = 1.0, rounds: int = 4, **changes: Any) -> list[Record]:
    """Return processes of a row whose answers take so many times as long as those of `FAST`, in rounds that differ."""
    slow = [1 + 0.01 * (block % 2) for block in range(rounds)]
    return [
        a_record(row, block, inference=an_inference(times * each * LATENCY_S, times * each * BATCH_S, **changes))
        for block, each in enumerate(slow)
    ]


def a_run(tmp_path: Path, records: Iterable[Record], **header: Any) -> Run:
    records = tuple(records)
    rows = dict.fromkeys(record.job.row for record in records)
    header = {"inference": True, **header}
    path = write_run(tmp_path / "run.jsonl", a_header(*rows, **header), [*records, *map(a_parity_result, rows)])
    return read_run(path)


def by_row(run: Run) -> dict[Row, InferenceSummary]:
    return {each.row: each for each in inference_of([run])}


def test_times_are_those_of_the_best_row_times_the_ratio_which_turns_side_by_side_give(tmp_path: Path) -> None:
    run = a_run(tmp_path, [*answering(FAST), *answering(SLOW, 3.0)])
    fast, slow = (by_row(run)[row] for row in (FAST, SLOW))
    for cost in (slow.latency, slow.in_batches):
        assert cost.to_best is not None
        assert cost.to_best.ratio == pytest.approx(3)
        assert cost.to_best.verdict == "slower"
        assert cost.to_best.comparison is not None
        assert cost.to_best.comparison.rounds == 4
    assert slow.latency.time_s == pytest.approx(3 * fast.latency.time_s)
    assert fast.latency.time_s == pytest.approx(LATENCY_S, rel=0.02)
    assert fast.throughput_rows_per_s == pytest.approx(256 / BATCH_S, rel=0.02)
    assert (fast.processes, fast.calls) == (4, 1600)
    assert fast.latency.to_best is not None
    assert fast.latency.to_best.verdict == "fastest"
    assert (fast.latency_p95_s, fast.latency_p99_s) == pytest.approx((2 * 1.005 * LATENCY_S, 4 * 1.005 * LATENCY_S))


def test_rounds_in_which_only_one_of_two_rows_answered_are_not_compared(tmp_path: Path) -> None:
    records = answering(SLOW, 3.0)
    lacking = [*records[:1], *(a_record(SLOW, block) for block in range(1, 4))]
    slow = by_row(a_run(tmp_path, [*answering(FAST), *lacking]))[SLOW]
    assert slow.processes == 1
    assert slow.latency.to_best is not None
    assert slow.latency.to_best.comparison is not None
    assert slow.latency.to_best.comparison.rounds == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (an_inference(predicted=1.01 * MULTIPLE), "its answers are not those of its parameters: off by 8.1 times what"),
        (Inference(reason="crashed: it died"), "did not answer: crashed: it died"),
        (Inference(), "did not answer: no request was timed"),
    ],
)
def test_one_process_that_answers_wrongly_or_not_takes_its_row_out_of_the_ranking(
    bad: Inference, reason: str, tmp_path: Path
) -> None:
    right = answering(WRONG, 0.5)
    other = a_record(WRONG, 4, inference=bad)
    run = a_run(tmp_path, [*answering(FAST), *answering(SLOW, 3.0), *right, other])
    found = by_row(run)
    assert found[WRONG].reason.startswith(reason)
    assert found[WRONG].latency.to_best is None
    assert found[FAST].latency.to_best is not None
    assert found[FAST].latency.to_best.verdict == "fastest"  # of those that are ranked
    assert any(each.startswith(f"iris_mlp: not ranked: torch eager: {reason}") for each in said(run))
    assert process_frame([run])["inference_reason"].str.startswith(reason).sum() == 1


def test_a_row_that_is_not_ranked_in_training_is_not_ranked_here(tmp_path: Path) -> None:
    path = write_run(
        tmp_path / "wrong.jsonl",
        a_header(FAST, SLOW),
        [
            *answering(FAST),
            *answering(SLOW, 3.0),
            a_parity_result(SLOW),
            a_parity_result(FAST, agrees=False, reason="it is wrong"),
        ],
    )
    found = by_row(read_run(path))
    assert found[FAST].reason == "parity: it is wrong"
    assert found[SLOW].latency.to_best is not None
    assert found[SLOW].latency.to_best.other == SLOW


def document_of(run: Run, choice: Choice = Choice()) -> Document:  # noqa: B008 - it is frozen
    return inference_document([run], inference_of([run]), choice)


def said(run: Run) -> list[str]:
    """Return all sentences below the tables."""
    return [sentence for section in document_of(run).sections for sentence in section.sentences]


def test_a_tail_that_one_process_lacks_is_not_that_of_the_row(tmp_path: Path) -> None:
    few = a_record(FAST, 4, inference=an_inference(latency_p95_s=None, latency_p99_s=None, calls=100))
    run = a_run(tmp_path, [*answering(FAST), few])
    assert math.isnan(by_row(run)[FAST].latency_p99_s)
    assert "no percentiles of numpy loop: there were fewer than 200 calls in the time that a row has" in said(run)


def test_rows_that_cannot_be_told_apart_are_named_in_one_sentence_with_what_it_rests_on(tmp_path: Path) -> None:
    run = a_run(tmp_path, [*answering(FAST), *answering(SLOW, 1.001), *answering(WRONG, 30.0, rounds=1)])
    assert list(map(str, document_of(run).summary)) == [
        "iris_mlp: for one row at a time numpy loop (50.2 µs; this run cannot tell keras-tensorflow fit from it), for "
        "batches of 256 numpy loop (995,037 rows/s; this run cannot tell keras-tensorflow fit from it)"
    ]
    assert said(run)[0] == (
        "iris_mlp: compared with the best: 1 row in 1 and 1 row in 4 rounds; the interval of one round assumes that "
        "processes of a row differ by 10 %"
    )
    (section,) = inference_section([run])
    assert section.sentences[0] == str(document_of(run).summary[0])


def test_the_row_that_others_are_compared_with_stands_first_although_a_tied_one_seems_faster(tmp_path: Path) -> None:
    run = a_run(tmp_path, [*answering(FAST), *answering(SLOW, 1.001)])
    found = by_row(run)
    seems_faster = replace(found[SLOW].latency, time_s=0.9 * found[FAST].latency.time_s)
    document = inference_document([run], [replace(found[SLOW], latency=seems_faster), found[FAST]], Choice())
    assert list(document.panels[0].table["row"]) == [FAST.name, SLOW.name]
    assert "one row at a time numpy loop (50.2 µs; this run cannot tell keras-tensorflow fit" in str(
        document.summary[0]
    )


def test_the_tables_fit_into_eighty_columns_and_are_sorted_each_by_its_own_times(tmp_path: Path) -> None:
    fast_in_batches = [
        a_record(SLOW, block, inference=an_inference(12.1 * LATENCY_S, BATCH_S / 2)) for block in range(4)
    ]
    run = a_run(tmp_path, [*answering(FAST), *fast_in_batches])
    found = {panel.title: panel.table for panel in document_of(run).panels}
    assert list(found) == ["iris_mlp: latency of one row", "iris_mlp: throughput in batches of 256"]
    one, many = found.values()
    assert list(one) == ["row", "time", "p95", "p99", "× best"]
    assert list(many) == ["row", "time", "rows/s", "× best"]
    assert list(one["row"]) == ["numpy loop", "keras-tensorflow fit"]
    assert list(many["row"]) == ["keras-tensorflow fit", "numpy loop"]
    printed = CliRunner().invoke(app, ["table", "--inference", str(run.path)]).output.splitlines()
    tables = [line for line in printed if line.startswith("|")]
    assert len(tables) == 8
    assert max(map(len, tables)) <= 80


def test_files_for_programs_have_numbers_with_units(tmp_path: Path) -> None:
    run = a_run(tmp_path, [*answering(FAST), *answering(SLOW, 3.0), a_record(WRONG)])
    processes = process_frame([run])
    assert processes["latency_median_s"].notna().sum() == 8
    assert processes["throughput_rows_per_s"].max() == pytest.approx(256 / BATCH_S)
    rows = inference_frame(inference_of([run])).set_index("backend")
    assert list(rows.index) == ["numpy", "keras-tensorflow"]  # the third was not asked
    assert rows["latency_ratio"].tolist() == pytest.approx([1, 3])
    assert rows["batch_shared_rounds"]["keras-tensorflow"] == 4
    shown = CliRunner().invoke(app, ["table", "--inference", "--format", "csv", str(run.path)]).output
    assert shown.splitlines()[0].split(",") == list(inference_frame(inference_of([run])))


def test_a_run_without_inference_is_refused_with_a_sentence(tmp_path: Path) -> None:
    run = a_run(tmp_path, [a_record(FAST)], inference=False)
    result = CliRunner().invoke(app, ["table", "--inference", str(run.path)])
    assert result.exit_code != 0
    assert "no inference was measured" in str(result.exception)
