"""Pictures of a run: what each kind shows, how a row that does not count is shown, and that texts are harmless."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support import a_header, a_parity_result, a_quality, a_record, a_row, write_run
from test_inference import an_inference

from bench.errors import UserError
from bench.records.runfile import Run, read_run
from bench.records.schema import Learned, Lesson, Line, Snapshot
from bench.report.pictures.kinds import KINDS
from bench.report.pictures.style import CannotPlot, drawing, plain, save, styles
from bench.tasks.names import TaskRef

POINTS, CLASSES, DIGITS = "mlp_regression", "iris_mlp", "mnist_mlp"
LESSONS = {
    POINTS: Lesson(
        task=POINTS,
        inputs=((0.0,), (0.5,), (1.0,)),
        targets=(0.0, 0.25, 1.0),
        snapshots=(Snapshot(step=0, outputs=(5.0, 5.0, None)), Snapshot(step=3, outputs=(0.0, 0.2, 0.9))),
        losses=(1.0, 0.5, 0.25),
        allowed=(1e-3, None, 1e-3),
    ),
    CLASSES: Lesson(task=CLASSES, classes=("setosa", "versicolor", "virginica")),
    DIGITS: Lesson(
        task=DIGITS, images=(bytes(4), bytes([255] * 4)), image_shape=(2, 2), targets=(0.0, 1.0), classes=("0", "1")
    ),
}
LEARNED = {
    POINTS: Learned(outputs=((0.0,), (None,), (0.95,))),
    CLASSES: Learned(
        confusion=((50, 0, 0), (0, 48, 2), (0, 1, 49)),
        metric_by_pass=(0.5, 0.9, 0.98),
        cut="stopped after 3 of 9 passes: they took 60 s",
    ),
    DIGITS: Learned(outputs=((0.9, 0.1), (0.75, 0.25)), confusion=((9, 1), (2, 8)), cut="not trained again, no time"),
}


def a_run(folder: Path, *, wrong: str = "", learned: bool = True, tasks: tuple[str, ...] = tuple(LESSONS)) -> Run:
    """Return a run of NumPy and JAX, whose losses differ a little; the rows of one backend may be wrong."""
    lines: list[Line] = [LESSONS[task] for task in tasks if learned]
    rows = [a_row(task, backend, mode) for task in tasks for backend, mode in (("numpy", "loop"), ("jax", "scan"))]
    for number, row in enumerate(rows):
        factor = 1 + 1e-6 * number
        quality = a_quality(losses=tuple(factor * loss for loss in (1.0, 0.5, 0.25)), metric="accuracy")
        told: dict[str, Any] = {"learned": LEARNED[row.task]} if learned else {}
        lines.append(a_parity_result(row, agrees=row.backend != wrong, reason="loss 2 at step 7"))
        lines += [
            a_record(row, block, 1.0, 0.1 * (1 + number), 0.1, quality=quality, inference=an_inference(), **told)
            for block in range(2)
        ]
    settings = {task: {"batch_size": "all", "loss": "mse"} for task in tasks}
    return read_run(
        write_run(folder / f"{len(list(folder.iterdir()))}.jsonl", a_header(tasks=settings, rows=tuple(rows)), lines)
    )


def drawn(run: Run, kind: str, folder: Path, backend: str = "") -> list[str]:
    """Return the texts of a picture."""
    rows = tuple(row for row in run.header.rows if not backend or row.backend == backend)
    path = folder / f"{kind}.svg"
    with drawing():
        save(KINDS[kind].draw(run, rows), run, path)
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


SHOWN = {
    "losses": {"mlp_regression: 2 rows that lie over each other", "numpy loop", "jax scan", "loss: mean squared error"},
    "distance": {POINTS, "allowed by parity", "numpy loop", "jax scan", "step, logarithmic"},
    "metric": {"stopped after 3 of 9 passes: they took 60 s", CLASSES, "numpy loop", "jax scan", "accuracy", "epoch"},
    "learned": {
        *("mlp_regression by numpy loop", "after 3 steps", "this row, at the end", "what is left"),
        *("iris_mlp by numpy loop", "versicolor", "48", "by epoch"),
        *("mnist_mlp by numpy loop", "0: 90 %", "0: 75 %, is 1"),
    },
    "passes": {POINTS, "numpy loop", "jax scan", "100 ms"},
    "inference": {f"{POINTS}: one row", f"{POINTS}: a row of a batch"},
    "phases": {POINTS, "import", "other passes", "numpy loop"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_shows_what_it_is_for_and_is_the_same_each_time(kind: str, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    texts = drawn(run, kind, tmp_path)
    assert set(texts) >= SHOWN[kind]
    assert any(run.path.name in text for text in texts)
    first = (tmp_path / f"{kind}.svg").read_bytes()
    drawn(run, kind, tmp_path)
    assert (tmp_path / f"{kind}.svg").read_bytes() == first


def test_every_kind_can_be_chosen_on_the_command_line() -> None:
    from typing import get_args

    from bench.cli.plot import Of

    assert get_args(Of) == tuple(KINDS)
    assert SHOWN.keys() == KINDS.keys()


def test_a_row_that_is_wrong_has_no_time_and_the_reason_in_its_place(tmp_path: Path) -> None:
    run = a_run(tmp_path, wrong="jax", tasks=(POINTS,))
    for kind in ("passes", "inference"):
        texts = drawn(run, kind, tmp_path)
        assert any("not ranked: parity: loss 2 at step 7" in text for text in texts)
    assert "200 ms" not in drawn(run, "passes", tmp_path)
    assert "jax scan" not in drawn(run, "phases", tmp_path)
    assert {"jax scan (wrong)", "numpy loop"} <= set(drawn(run, "losses", tmp_path))


def test_what_was_learned_is_drawn_of_a_row_that_is_right_and_otherwise_it_says_that_it_is_not(tmp_path: Path) -> None:
    run = a_run(tmp_path, wrong="numpy", tasks=(CLASSES,))
    assert "iris_mlp by jax scan" in drawn(run, "learned", tmp_path)
    (title,) = [text for text in drawn(run, "learned", tmp_path, "numpy") if text.startswith("iris_mlp by numpy")]
    assert title == "iris_mlp by numpy loop: does not count, parity: loss 2 at step 7"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("distance", "no losses of the reference"),
        ("metric", "what was learned was not kept"),
        ("learned", "what was learned was not kept"),
    ],
)
def test_a_run_of_an_earlier_version_is_told_apart(kind: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        drawn(a_run(tmp_path, learned=False), kind, tmp_path)


def test_it_says_why_there_is_no_metric_after_each_pass(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mnist_mlp numpy loop cpu float32: not trained again, no time"):
        drawn(a_run(tmp_path, tasks=(DIGITS,)), "metric", tmp_path)
    with pytest.raises(UserError, match="a single pass is the whole training"):
        drawn(a_run(tmp_path, tasks=(POINTS,)), "metric", tmp_path)


def test_no_time_counts_where_no_row_is_ranked_and_without_inference_there_is_none(tmp_path: Path) -> None:
    run = a_run(tmp_path, wrong="jax", tasks=(POINTS,))
    for kind in ("passes", "phases"):
        with pytest.raises(UserError, match="none of these rows is ranked, so no time counts"):
            drawn(run, kind, tmp_path, "jax")
    with pytest.raises(UserError, match="no time counts; none of them has run"):
        drawn(read_run(write_run(tmp_path / "none.jsonl", a_header(a_row(POINTS)))), "passes", tmp_path)
    lines = [a_parity_result(a_row(POINTS)), a_record(a_row(POINTS))]
    plain_run = read_run(write_run(tmp_path / "plain.jsonl", a_header(), lines))
    with pytest.raises(UserError, match="no inference of these rows was measured"):
        drawn(plain_run, "inference", tmp_path)


def test_a_training_that_diverged_is_said_in_the_place_of_an_empty_picture(tmp_path: Path) -> None:
    lines = [LESSONS[POINTS], a_record(a_row(POINTS), learned=Learned(outputs=((None,),) * 3))]
    run = read_run(write_run(tmp_path / "diverged.jsonl", a_header(), lines))
    assert "no output was finite: the training diverged" in drawn(run, "learned", tmp_path)


def test_outputs_that_are_not_those_of_the_rows_that_are_shown_are_refused(tmp_path: Path) -> None:
    lines = [LESSONS[POINTS], a_record(a_row(POINTS), learned=Learned(outputs=((0.5,),)))]
    run = read_run(write_run(tmp_path / "cut.jsonl", a_header(), lines))
    with pytest.raises(UserError, match="1 outputs for the 3 rows that are shown"):
        drawn(run, "learned", tmp_path)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(CannotPlot, match=r"pip install 'levelfield\[report\]'"), drawing():
        raise AssertionError


def test_a_picture_that_nobody_could_look_at_is_refused(tmp_path: Path) -> None:
    rows = [a_row(f"iris_mlp:epochs={count}") for count in range(1, 40)]
    lines: list[Line] = [Lesson(task=row.task, losses=(1.0, 0.5), allowed=(0.1, 0.1)) for row in rows]
    lines += [a_record(row) for row in rows]
    run = read_run(write_run(tmp_path / "long.jsonl", a_header(), lines))
    with pytest.raises(UserError, match="20 times as high as it is wide; choose some with --task and --backend"):
        drawn(run, "distance", tmp_path)
    assert not (tmp_path / "distance.svg").exists()


# Texts from run files


@pytest.mark.parametrize(
    ("text", "shown"),
    [("$x^2$", r"\$x^2\$"), ("_hidden", " _hidden"), ("a\x1b[2J\nb", "a\\x1b[2J\\nb"), ("x" * 500, "x" * 160 + "…")],
)
def test_a_text_of_a_run_file_is_neither_a_formula_nor_a_control_sequence(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_markup_in_a_name_stays_text_in_a_picture(tmp_path: Path) -> None:
    evil = "</text><script>alert(1)</script> $\\frac{a"
    rows = [a_row("iris_mlp", evil), a_row("iris_mlp", "_other")]
    lines = [a_record(row, quality=a_quality(losses=(1.0, 0.5))) for row in rows]
    run = read_run(write_run(tmp_path / "evil.jsonl", a_header(), lines))
    drawn(run, "losses", tmp_path)
    content = (tmp_path / "losses.svg").read_text()
    assert "<script>" not in content
    assert "&lt;script&gt;" in content
    assert "_other loop" in content


@pytest.mark.parametrize("kind", ["losses", "passes", "phases"])
def test_a_long_name_is_cut_and_leaves_room_for_what_is_drawn(kind: str, tmp_path: Path) -> None:
    rows = [a_row("iris_mlp", "b" * 300, "m" * 300), a_row("iris_mlp", "\x1b" * 150, "loop")]
    lines = [a_record(row, quality=a_quality(losses=(1.0, 0.5))) for row in rows]
    run = read_run(write_run(tmp_path / "long.jsonl", a_header(), [*lines, *map(a_parity_result, rows)]))
    texts = drawn(run, kind, tmp_path)  # matplotlib warns where there is no room, and a warning is an error
    assert any(text.startswith("bbb") and text.endswith("…") for text in texts)


def test_colours_tell_settings_apart_or_else_backends() -> None:
    same = [
        a_row("iris_mlp", backend, mode) for backend, mode in (("torch", "eager"), ("torch", "compile"), ("jax", "jit"))
    ]
    looks = styles(same)
    assert len({(look.color, look.dashes) for look in looks.values()}) == 3
    assert looks[same[0]].color == looks[same[1]].color != looks[same[2]].color
    varied = [a_row(TaskRef("iris_mlp", {"epochs": str(count)}).name) for count in range(1, 15)]
    assert len({(look.color, look.dashes) for look in styles(varied).values()}) == 14
