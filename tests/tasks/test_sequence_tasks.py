"""The task with attention, its family and its data; and tasks that name any stack of layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentences import Sentences, small_transformer
from support import no_files

from backends import numpy_backend, numpy_reference
from backends.contract import (
    Attention,
    Dense,
    Embedding,
    LayerNorm,
    MeanPool,
    Placement,
    Residual,
    every,
    flow_shapes,
    parameter_count,
    parts,
)
from bench.tasks import TASKS, Task
from bench.tasks.datasets.newsgroups import NewsgroupIds
from bench.tasks.definition import Stack
from bench.tasks.memory import needs
from bench.tasks.settings import BadSetting, override, settings
from bench.tasks.training import make_training, require_words

TEXT = TASKS["text_transformer"]
NORM = LayerNorm(width=64, epsilon=1e-5)


def test_the_task_is_one_pre_norm_block() -> None:
    assert TEXT.layers == (
        Embedding(words=8001, positions=128, width=64),
        Residual((NORM, Attention(width=64, heads=4))),
        Residual((NORM, Dense(64, 128, "gelu"), Dense(128, 64, "identity"))),
        NORM,
        MeanPool(),
        Dense(64, 3, "identity"),
    )
    assert parameter_count(TEXT.layers) == 8129 * 64 + 3 * 128 + 4 * 64 * 65 + 65 * 128 + 129 * 64 + 65 * 3


def test_the_settings_of_its_family() -> None:
    changes = {"model.width": "6", "model.heads": "3", "model.hidden": "5", "model.blocks": "2"}
    task = override(TEXT, {**changes, "data.positions": "9", "data.vocabulary": "20", "model.activation": "relu"})
    assert flow_shapes(task.layers, task.data.size.shape) == [(9,), *[(9, 6)] * 6, (6,), (3,)]
    assert task.layers[0] == Embedding(words=21, positions=9, width=6)
    found = [layer for layer in every(task.layers) if type(layer) is Attention]
    assert found == [Attention(width=6, heads=3)] * 2
    assert sum(layer.activation == "relu" for layer in every(task.layers)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.heads": "5"},
            r"fit its data: Attention\(width=64, heads=5\) has a width that is no multiple",
        ),
        ({"model.heads": "0"}, r"model.heads cannot be '0'; it takes a whole number of at least 1"),
        ({"model.blocks": "1001"}, r"model.blocks cannot be '1001'; .* of at most 1000"),
        ({"data.positions": "0"}, r"data.positions cannot be '0'"),
        ({"data.vocabulary": "none"}, r"data.vocabulary cannot be 'none'"),
        ({"model.stack": "1"}, r"text_transformer has no setting 'model.stack'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_when_they_are_read(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        override(TEXT, changes)


TRAIN = "header\nheader\nheader\nsci.space\tmoon orbit moon\nsci.med\tcell\nsci.space\tapple zebra orbit moon\n"
TEST = "header\nheader\nheader\nsci.med\tdoctor\nsci.space\tdoctor zebra moon\n"


def test_documents_are_the_ids_of_their_first_known_words_and_the_most_frequent_word_is_1(tmp_path: Path) -> None:
    (tmp_path / "train").write_text(TRAIN)
    (tmp_path / "test").write_text(TEST)
    files = {"20newsgroups-train.tab": tmp_path / "train", "20newsgroups-test.tab": tmp_path / "test"}
    data = NewsgroupIds(categories=("sci.space", "sci.med"), vocabulary=4, positions=3)
    loaded = data.load(np.random.default_rng(0), lambda _: files)
    # moon 3, orbit 2, and of those that occur once apple and cell; zebra and doctor are not known
    assert loaded.train.inputs.tolist() == [[1, 2, 1], [4, 0, 0], [3, 2, 1]]  # type: ignore[union-attr]
    assert loaded.train.targets.tolist() == [0, 1, 0]
    assert loaded.test.inputs.tolist() == [[1, 0, 0]]  # type: ignore[union-attr]
    assert loaded.test.targets.tolist() == [0]  # the document without a known word is left out
    assert loaded.ids == data.size.ids == 5


def test_ids_that_no_table_has_and_rows_without_a_word_are_refused() -> None:
    require_words(TEXT, np.array([[1, 0], [4, 4]]), 5)
    with pytest.raises(BadSetting, match="the data of text_transformer have the id 5; ids go from 0 to 4"):
        require_words(TEXT, np.array([[1, 5]]), 5)
    with pytest.raises(BadSetting, match="the id -1"):
        require_words(TEXT, np.array([[1, -1]]), 5)
    task = replace(small_transformer(), data=Sentences(shortest=0))
    with pytest.raises(BadSetting, match=r"row \d+ of the data of text_transformer has no word, only padding"):
        make_training(task, "float32", no_files)


def test_ids_stay_whole_numbers_in_both_precisions() -> None:
    for precision in ("float32", "float64"):
        training = make_training(small_transformer(), precision, no_files)
        assert training.problem.inputs.dtype == np.int32  # type: ignore[union-attr]
        assert training.initial[0]["words"].dtype == precision


def test_memory_is_that_of_the_scores_too() -> None:
    few, many = (needs(override(TEXT, {"data.positions": n}), "float32").batch for n in (64, 128))
    assert 2.5 < many / few < 4  # scores take four times as much, all else twice
    one, deep = (needs(override(TEXT, {"model.blocks": n, "batch_size": "all"}), "float32").batch for n in (1, 4))
    assert 3.5 < deep / one < 4


def stack_task(*layers: Any) -> Task:
    return replace(small_transformer(), model=Stack(layers))


def test_a_task_may_name_any_stack_of_layers() -> None:
    task = stack_task(
        Embedding(words=30, positions=10, width=6),
        Dense(6, 4, "tanh"),
        Residual((Dense(4, 9, "gelu"), Residual((LayerNorm(width=9, epsilon=0.1),)), Dense(9, 4, "identity"))),
        Attention(width=4, heads=1),
        MeanPool(),
        LayerNorm(width=4, epsilon=0.1),
        Dense(4, 3, "identity"),
    )
    assert "model.start" in settings(task)
    assert "model.stack" not in settings(task)
    training, found = make_training(task, "float64", no_files), []
    for backend in (numpy_backend, numpy_reference):
        trainer = backend.open_trainer(
            training.problem, Placement(mode="loop", device="cpu", precision="float64", threads=1)
        )
        trainer.reset(training.initial)
        losses = np.concatenate([trainer.train(order) for order in training.orders])
        found.append(
            (losses, *(part for named in trainer.params() for name, part in named.items() if name != "key_bias"))
        )
    for mine, right in zip(*found, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-8, atol=1e-12)
    assert len(list(parts(training.initial))) == len(found[0])  # the losses stand for the bias of the key


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Embedding(words=30, positions=9, width=6), MeanPool(), Dense(6, 3, "relu")), r"shape \[9\], and got \[10\]"),
        ((Embedding(words=29, positions=10, width=6), MeanPool(), Dense(6, 3, "relu")), r"with all 30 words"),
        ((Embedding(words=30, positions=10, width=6), MeanPool()), r"its outputs have the shape \[6\], and \[3\]"),
        ((Dense(10, 3, "identity"),), r"takes numbers, and got ids"),
    ],
)
def test_a_stack_that_does_not_fit_its_data_is_refused(layers: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        make_training(stack_task(*layers), "float32", no_files)
