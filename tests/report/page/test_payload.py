"""What the report page consists of, without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_machines import QUICK, WIDE, a_computer, a_run_on, lab
from made_up_pages import (
    CRASHED,
    HARM,
    PASS_S,
    UNCHECKED,
    UNSUPPORTED,
    WRONG,
    failing_run,
    good_run,
    harmful_run,
    learned_run,
    versions_run,
)
from made_up_sweeps import CROSS, a_sweep
from support import ROOT, a_header, a_row, write_run

from bench.analysis.pairs import pairs_of
from bench.analysis.summary import summarise
from bench.analysis.sweep import is_sweep
from bench.records.runfile import Run, read_run
from bench.report.page import first_screen
from bench.report.page.code import code_of
from bench.report.page.names import styles
from bench.report.page.payload import NothingToShow, content_of, harmless
from bench.report.page.render import SCRIPTS, embedded, libraries_of_page, page_of, policy
from bench.report.page.training import MOST_DISTANCES, MOST_POINTS, distance, in_parts


def data_of(run: Run) -> dict[str, Any]:
    return content_of([run]).data


# Rows and comparisons


def test_the_rows_are_those_of_the_result_table_in_its_order(tmp_path: Path) -> None:
    run = good_run(tmp_path / "a.jsonl")
    rows = data_of(run)["rows"]
    expected = summarise([run])
    assert [(row["task"], row["backend"]) for row in rows] == [(each.row.task, each.row.backend) for each in expected]
    assert [row["pass_s"] for row in rows] == pytest.approx([each.pass_s for each in expected], rel=1e-5)
    assert [row["verdict"] for row in rows] == [each.to_fastest.verdict for each in expected if each.to_fastest]


def test_a_row_that_does_not_count_has_no_number_that_could_count(tmp_path: Path) -> None:
    run = failing_run(tmp_path / "a.jsonl")
    rows = {(row["backend"], row["mode"]): row for row in data_of(run)["rows"]}
    for row in (WRONG, CRASHED, UNSUPPORTED, UNCHECKED):
        found = rows[row.backend, row.mode]
        assert found["cause"] in ("wrong", "failed", "unsupported", "not checked")
        numbers = {name for name, value in found.items() if isinstance(value, float)}
        assert numbers <= {"measured_s"}
    assert rows["torch", "compile"]["measured_s"] == pytest.approx(0.001, rel=0.1)


def test_each_baseline_has_the_comparisons_that_the_table_with_it_has(tmp_path: Path) -> None:
    run = good_run(tmp_path / "a.jsonl")
    data = data_of(run)
    for group in data["groups"]:
        for base, verdicts in zip(group["ranked"], group["pairs"], strict=True):
            row = data["rows"][base]
            expected = {
                (each.row.task, each.row.backend): each.to_baseline
                for each in summarise([run], baseline=f"{row['backend']}:{row['mode']}")
            }
            for place, (verdict, ratio, *between) in zip(group["ranked"], verdicts, strict=True):
                own = expected[group["task"], data["rows"][place]["backend"]]
                assert own is not None
                assert verdict == own.verdict
                assert ratio == pytest.approx(own.ratio, rel=1e-5)
                interval = own.comparison.interval if own.comparison else None
                assert between == pytest.approx([interval.low, interval.high] if interval else [], rel=1e-5)


def test_rows_that_are_not_ranked_are_in_no_comparison(tmp_path: Path) -> None:
    run = failing_run(tmp_path / "a.jsonl")
    (pairs,) = pairs_of(run)
    assert {row.backend for row in pairs.against} == {backend for backend, _ in PASS_S}
    (group,) = data_of(run)["groups"]
    assert len(group["rows"]) == 8
    assert len(group["ranked"]) == len(group["pairs"]) == 4
    assert data_of(run)["rows"][group["fastest"]]["backend"] == pairs.fastest.backend


def test_a_run_without_records_is_refused(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a.jsonl", a_header(a_row("linear_fit"))))
    with pytest.raises(NothingToShow, match=r"no row was run yet in .*a\.jsonl"):
        content_of([run])


# The first screen


def test_the_first_screen_says_who_is_fastest_by_how_much_and_how_surely(tmp_path: Path) -> None:
    words = content_of([good_run(tmp_path / "a.jsonl")]).words
    card = words["cards"][0]
    assert card.headline == "No clear winner among 2"
    assert "cannot tell jax scan and tensorflow xla apart" in card.detail
    assert [bar.best for bar in card.bars] == [True, False, False, False]
    assert [bar.sure for bar in card.bars] == [False, False, True, True]
    assert card.axis.one <= card.bars[1].at < card.bars[2].at < card.bars[3].at <= 100
    assert all(bar.low <= bar.at <= bar.high for bar in card.bars)
    assert words["title"] == "No clear winner in 2 tasks"
    assert "which row is the fastest is sure in none of them" in words["overview"]


def test_what_failed_stands_on_the_first_screen_first_and_wins_nothing(tmp_path: Path) -> None:
    words = content_of([failing_run(tmp_path / "a.jsonl")]).words
    assert [(each.name, each.cause) for each in words["not_ranked"]] == [
        ("torch compile", "failed parity"),
        ("jax jit", "failed"),
        ("tensorflow graph", "not checked"),
        ("sklearn partial_fit", "not supported"),
    ]
    assert words["alarms"] == 2
    assert words["unchecked"] == 1
    (card,) = words["cards"]
    assert {bar.name for bar in card.bars} == {f"{backend} {mode}" for backend, mode in PASS_S}
    assert card.left_out == ("torch compile (failed parity)", "jax jit (failed)")


def test_a_card_has_the_best_row_of_each_backend_on_each_device() -> None:
    measured, broken_off = content_of([read_run(ROOT / "results" / "gpu-layers.jsonl")]).words["cards"]
    on_gpu, on_cpu = ["jax scan on the gpu", "torch compile-pass on the gpu"], ["torch eager", "jax scan", "numpy loop"]
    assert [bar.name for bar in measured.bars] == [*on_gpu, *on_cpu]
    assert measured.others == 1
    assert (broken_off.bars, broken_off.detail) == ((), "no row was timed in this run")


@pytest.mark.parametrize(("least", "most"), [(1.0, 2.0), (0.8, 5.0), (1.0, 1000.0)])
def test_the_axis_of_bars_is_logarithmic_and_has_its_marks_inside(least: float, most: float) -> None:
    axis = first_screen.Axis(least, most)
    assert axis.place(most) == 100
    assert axis.place(least) == 0
    assert axis.place((least * most) ** 0.5) == pytest.approx(50, abs=0.01)
    assert [at for _, at in axis.ticks] == sorted(at for _, at in axis.ticks)
    assert len(axis.ticks) >= 2


@pytest.mark.parametrize(
    ("new_s", "title"),
    [
        (0.02, "torch@2.13 eager is as fast as torch@2.12 eager within 5 %"),
        (0.024, "torch@2.13 eager is slower than torch@2.12 eager"),
    ],
)
def test_two_versions_of_a_backend_are_named_by_their_versions(new_s: float, title: str, tmp_path: Path) -> None:
    content = content_of([versions_run(tmp_path / "ab.jsonl", new_s)])
    assert {row["label"] for row in content.data["rows"]} == {"torch@2.12 eager", "torch@2.13 eager"}
    assert content.words["title"] == title
    (sentence,) = content.words["versions"]
    assert sentence.startswith(f"linear_fit: {title}: it takes {new_s / 0.02:.2f} [")
    looks = {(row["colour"], row["marker"]) for row in content.data["rows"]}
    assert len(looks) == 2
    assert set(content.data["samples"][0]["row"]) == {0, 1}


def test_rows_of_different_backends_differ_in_colour_and_modes_in_marker_and_dash() -> None:
    backends = ("numpy", "torch", "tensorflow", "jax", "keras-jax", "sklearn")
    looks = styles([a_row("linear_fit", name, mode) for name in backends for mode in ("eager", "graph", "scan")])
    assert len({looks[name, "eager", "cpu"]["colour"] for name in backends}) == len(backends)
    of_one = [looks["tensorflow", mode, "cpu"] for mode in ("eager", "graph")]
    assert of_one[0]["colour"] == of_one[1]["colour"]
    assert of_one[0]["marker"] != of_one[1]["marker"]
    assert of_one[0]["dash"] != of_one[1]["dash"]


# Curves


def test_curves_are_short_and_a_single_step_that_is_off_is_seen(tmp_path: Path) -> None:
    data = data_of(good_run(tmp_path / "a.jsonl"))
    curves = data["curves"][0]
    assert all(len(losses) <= MOST_POINTS for losses in curves["losses"])
    assert all(found is None or len(found) <= MOST_DISTANCES for found in curves["distances"])
    assert curves["reference"] == "NumPy's row"  # as in run files of earlier versions
    backends = [data["rows"][place]["backend"] for place in curves["rows"]]
    assert [backend for backend, found in zip(backends, curves["distances"], strict=True) if not found] == ["numpy"]
    losses = np.ones(900)
    off = losses.copy()
    off[123] = 1.5
    assert np.nanmax(in_parts(distance(off, losses), 9, np.nanmax)) == 0.5


def test_a_distance_of_nothing_has_no_place_on_a_logarithmic_axis() -> None:
    found = distance(np.array([2.5, 1.0, np.nan, 3.0]), np.array([1.0, 1.0, 1.0]))
    np.testing.assert_array_equal(found, [1.5, np.nan, np.nan])


def test_losses_are_held_against_the_reference_and_what_parity_allows(tmp_path: Path) -> None:
    data = data_of(learned_run(tmp_path / "a.jsonl"))
    curves = data["curves"][0]
    assert curves["reference"] == "the reference in float64"
    assert curves["allowed"] == [1e-3, None, 1e-4, 1e-4]
    for place, found in zip(curves["rows"], curves["distances"], strict=True):
        expected = {"numpy": 1e-6, "jax": 2e-6}[data["rows"][place]["backend"]]
        assert found == pytest.approx([expected] * 4, rel=1e-2)


# What was learned, and the code


def test_what_was_learned_is_that_of_a_row_that_is_right(tmp_path: Path) -> None:
    for wrong in (False, True):
        data = data_of(learned_run(tmp_path / f"{wrong}.jsonl", wrong=wrong))
        regression, digits = data["learned"]
        assert regression["inputs"] == [0.0, 1.0, 0.5]
        assert regression["outputs"] == [[0.01], [0.95], [None]]
        assert [each["step"] for each in regression["snapshots"]] == [0, 3]
        assert regression["by_pass"] == []
        assert digits["confusion"] == ((9, 1), (2, 8))
        assert digits["images"] == (bytes(4), bytes([255] * 4))
        assert len(digits["by_pass"]) == 2
        assert regression["right"]
        assert data["rows"][regression["row"]]["backend"] == "numpy"


def test_what_a_training_takes_apart_from_its_passes_is_not_a_matter_of_their_number(tmp_path: Path) -> None:
    rows = data_of(learned_run(tmp_path / "a.jsonl"))["rows"]
    found = next(row for row in rows if row["task"] == "mnist_mlp" and row["backend"] == "numpy")
    # start 0.125, import 1, data 0.0625, set-up 0.5, evaluation 0.25, and a first pass that is 0.5 and not 0.03
    assert found["fixed_s"] == pytest.approx(0.125 + 1 + 0.0625 + 0.5 + 0.25 + 0.5 - 0.03, rel=1e-3)


def test_the_code_is_that_of_the_fastest_mode_of_each_framework_and_nothing_in_it_is_markup() -> None:
    rows = [a_row("mnist_mlp:epochs=2", *kind) for kind in (("jax", "scan"), ("jax", "jit"), ("torch", "eager"))]
    (found,) = code_of([*rows, a_row("gone"), a_row("mnist_mlp", "sklearn", "partial_fit")])
    assert found.task == "mnist_mlp"
    assert [side.name for side in found.sides] == ["torch eager", "jax scan"]
    text = "".join(piece.html for side in found.sides for piece in side.pieces)
    assert set(re.findall(r"</?(\w+)", text)) == {"span"}
    assert "-&gt;" in text
    assert any("MNIST_MLP" in piece.html for piece in found.definition)


# Sweeps


def test_a_sweep_has_its_points_its_fit_and_where_the_winner_changes(tmp_path: Path) -> None:
    (panel,) = data_of(a_sweep(tmp_path))["sweeps"]
    assert panel["ticks"] == [16, 64, 256, 1024]
    assert [len(curve["step_s"]) for curve in panel["curves"]] == [4, 4]
    assert all(curve["fit"]["misfit"] < 0.01 for curve in panel["curves"])
    (crossing,) = panel["crossings"]
    assert crossing["at"] == pytest.approx(CROSS, rel=0.2)
    assert crossing["sure"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("iris_mlp:batch_size=16", "iris_mlp:batch_size=32"), True),
        (("iris_mlp:batch_size=16",) * 2, False),
        (("iris_mlp", "iris_mlp:batch_size=32"), False),
        (("iris_mlp:batch_size=16", "mnist_mlp:batch_size=32"), False),
    ],
)
def test_a_sweep_is_one_task_with_the_same_settings_set(names: tuple[str, ...], expected: bool) -> None:
    assert is_sweep(names) is expected


# Samples, schedule, noise


def test_every_process_is_among_the_samples_with_its_turns(tmp_path: Path) -> None:
    run = good_run(tmp_path / "a.jsonl")
    data = data_of(run)
    (samples,) = data["samples"]
    assert {len(column) for column in samples.values()} == {len(run.records)}
    rows = [(data["rows"][place]["task"], data["rows"][place]["backend"]) for place in samples["row"]]
    assert rows == [(record.job.row.task, record.job.row.backend) for record in run.records]
    assert samples["pass_s"][0] == pytest.approx(run.records[0].timing.passes_s[1], rel=1e-5)  # type: ignore[union-attr]


def test_the_schedule_survives_a_day_that_is_none(tmp_path: Path) -> None:
    data = data_of(harmful_run(tmp_path / "a.jsonl"))
    (schedule,) = data["schedule"]
    assert schedule["begin_s"] == [None]
    assert json.loads(embedded(data))["schedule"] == data["schedule"]


# The file


def test_no_text_of_a_run_file_is_markup_in_the_page(tmp_path: Path) -> None:
    page = page_of([harmful_run(tmp_path / "a.jsonl")])
    ours = len(libraries_of_page()) + len(SCRIPTS) + 1
    assert page.count("<script") - sum(library.code.count("<script") for library in libraries_of_page()) == ours
    assert (
        "<img"
        not in page.replace("".join(library.code for library in libraries_of_page()), "")
        .split("<body>")[1]
        .split("<script>")[0]
    )
    assert HARM not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "onerror=&#34;window.harmed" in page  # it is shown, as text


def test_data_cannot_end_its_element() -> None:
    text = embedded({"a": "</script><!-- \u2028"})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script><!-- \u2028"}


def test_harmless_values_keep_what_they_say() -> None:
    assert harmless({"a\x1b": [1.23456789, float("nan"), float("inf"), 7, None, True, "b\u202ec"]}) == {
        "a\\x1b": [1.23457, None, None, 7, None, True, "b\\u202ec"]
    }


def test_the_policy_allows_the_scripts_of_the_page_and_no_address() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy(["let a", "let b"]).split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].count("'sha256-") == 2
    assert "unsafe" not in rules["script-src"]
    assert not any(word in rule for rule in rules.values() for word in ("http", "*", "self"))
    assert policy(["let a"]) != policy(["let b"])


def test_the_page_names_no_address_that_it_would_load(tmp_path: Path) -> None:
    page = page_of([good_run(tmp_path / "a.jsonl")])
    for library in libraries_of_page():
        page = page.replace(library.code, "")
    assert "src=" not in page
    assert "@import" not in page
    assert "url(" not in page


# Several machines


def test_machines_are_grouped_and_their_ratios_stand_apart(tmp_path: Path) -> None:
    runs = lab(tmp_path, 4)
    content = content_of([*runs[1:], runs[0]])
    machines = [each["machine"] for each in content.data["runs"]]
    assert len(set(machines)) == 4
    assert [row["run"] for row in content.data["rows"]] == sorted(row["run"] for row in content.data["rows"])
    (question,) = content.data["across"]
    jax, torch = question["rows"]
    assert [one["machine"] for one in jax["on"]] == machines
    assert jax["new"][0] < jax["between"][0] < jax["ratio"] < jax["between"][1] < jax["new"][1]
    assert (jax["label"], torch["label"]) == ("jax scan", "torch eager")
    assert content.words["across"][0]["table"]["columns"][-2:] == ["lowest", "highest"]


def test_no_headline_counts_up_who_is_fastest_on_several_machines(tmp_path: Path) -> None:
    words = content_of(lab(tmp_path, 3)).words
    assert words["title"] == "1 task on 3 machines"
    assert "in 3 tables, each of one machine" in words["overview"]
    assert "fastest in" not in words["title"]
    (tmp_path / "one").mkdir()
    assert content_of(lab(tmp_path / "one", 1)).words["title"] == "jax scan is fastest"


def test_what_is_not_ranked_for_the_same_reason_in_several_runs_is_told_once(tmp_path: Path) -> None:
    runs = [
        a_run_on(tmp_path / f"{place}.jsonl", a_computer(place), {QUICK: 0.5, WIDE: 2.0}, wrong=(WIDE,))
        for place in range(3)
    ]
    words = content_of(runs).words
    (told,) = words["not_ranked"]
    assert (told.name, told.runs) == ("torch eager", 3)
    assert words["alarms"] == 3
    assert "<small>in 3 runs</small>" in page_of(runs)
    assert "<small>in" not in page_of(runs[:1])


def test_a_card_names_the_run_only_where_its_machine_has_several(tmp_path: Path) -> None:
    runs = lab(tmp_path, 2)
    assert "host-1.jsonl" not in re.findall(r'<p class="task">(.*)</p>', page_of(runs))[1]
    again = a_run_on(tmp_path / "again.jsonl", runs[1].header.machine, {QUICK: 0.5})
    cards = re.findall(r'<p class="task">(.*?)</p>', page_of([*runs, again]))
    assert [card.rpartition(" · ")[2] for card in cards if "again" in card or "host-1" in card] == [
        "again.jsonl",
        "host-1.jsonl",
    ]
    assert all("host-0.jsonl" not in card for card in cards)


def test_one_machine_has_no_part_on_machines(tmp_path: Path) -> None:
    content = content_of([good_run(tmp_path / "a.jsonl")])
    assert content.data["across"] == []
    assert content.data["runs"][0]["machine"] == ""
    assert 'id="across"' not in page_of([good_run(tmp_path / "b.jsonl")])


def test_machines_that_share_no_question_are_said_to_tell_nothing(tmp_path: Path) -> None:
    runs = [
        a_run_on(tmp_path / f"{place}.jsonl", a_computer(place), {QUICK: 0.5}, threads=place + 1) for place in (0, 1)
    ]
    assert "same settings and number of threads" in page_of(runs)
