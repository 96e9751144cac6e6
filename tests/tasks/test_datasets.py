"""Data of the tasks: the formulas they are drawn from, their published values, and how their files become rows."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.contract import WordCounts
from bench.errors import UserError
from bench.tasks.datasets import mnist, newsgroups
from bench.tasks.datasets.base import BadData, Dataset
from bench.tasks.datasets.fetch import Collection
from bench.tasks.datasets.iris import Iris
from bench.tasks.datasets.mnist import Mnist, MnistThreeSeven, read_idx
from bench.tasks.datasets.newsgroups import Newsgroups, count_words, read_documents
from bench.tasks.datasets.synthetic import Curve, Plane
from bench.tasks.datasets.thermometer import CELSIUS, READING, Thermometer


def no_files(collection: Collection) -> dict[str, Path]:
    raise AssertionError(f"asked for the files of {collection.name}")


def load(data: Any, seed: int = 0) -> Dataset:
    dataset = data.load(np.random.default_rng(seed), no_files)
    assert isinstance(dataset, Dataset)
    return dataset


# Planes and curves


def test_a_plane_has_the_rows_and_features_it_is_given() -> None:
    dataset = load(Plane(weights=(1.0, 2.0, 3.0), bias=0.0, rows=7))
    assert dataset.train.inputs.shape == (7, 3)
    assert dataset.train.targets.shape == (7, 1)
    assert dataset.outputs == 1


def test_a_plane_without_noise_is_its_formula() -> None:
    dataset = load(Plane(weights=(3.0, -4.0), bias=5.0, noise=0.0, rows=50))
    x1, x2 = dataset.train.inputs.T
    np.testing.assert_allclose(dataset.train.targets[:, 0], 3 * x1 - 4 * x2 + 5, rtol=1e-12, atol=1e-12)


def test_the_noise_of_a_plane_is_uniform_on_both_sides() -> None:
    dataset = load(Plane(weights=(3.0, -4.0), bias=5.0, noise=0.5, rows=5000))
    noise = dataset.train.targets[:, 0] - dataset.train.inputs @ [3.0, -4.0] - 5.0
    assert noise.min() == pytest.approx(-0.5, abs=0.01)
    assert noise.max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(noise).max() <= 0.5 + 1e-9
    assert noise.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.03)


def test_the_inputs_of_a_plane_fill_its_spread() -> None:
    x = load(Plane(weights=(1.0, 1.0), bias=0.0, spread=2.0, rows=5000)).train.inputs
    assert np.abs(x).max() <= 2.0
    assert x.min() == pytest.approx(-2.0, abs=0.01)
    assert x.max() == pytest.approx(2.0, abs=0.01)
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.05


def test_a_plane_tells_the_weights_and_bias_it_was_made_with() -> None:
    assert load(Plane(weights=(3.0, -4.0), bias=5.0)).truth == (3.0, -4.0, 5.0)


@pytest.mark.parametrize(
    ("formula", "x", "y"),
    [
        ("fourth_power", 0.5, 0.0625),
        ("fourth_power", 1.0, 1.0),
        ("sine_cube_line", 0.0, 0.0),
        ("sine_cube_line", 0.5, 1.5599281923),  # sin(0.5) / 8 + 1.5
        ("sine_cube_line", 1.0, 3.8414709848),  # sin(1) + 3
    ],
)
def test_a_curve_has_the_values_of_its_formula(formula: Any, x: float, y: float) -> None:
    assert Curve(formula=formula, noise=0.0).value(np.array([x]))[0] == pytest.approx(y, abs=1e-9)


@pytest.mark.parametrize("formula", ["sine_cube_line", "fourth_power"])
def test_a_curve_lies_under_its_points_by_no_more_than_its_noise(formula: Any) -> None:
    curve = Curve(formula=formula, noise=0.8, rows=2000)
    dataset = load(curve)
    x, noise = dataset.train.inputs, dataset.train.targets - curve.value(dataset.train.inputs)
    assert x.shape == noise.shape == (2000, 1)
    assert x.min() >= 0
    assert x.max() <= 1
    assert noise.min() >= -1e-12
    assert noise.max() <= 0.8
    assert noise.max() == pytest.approx(0.8, abs=0.01)
    assert noise.min() == pytest.approx(0, abs=0.01)


DRAWN = [Plane(weights=(3.0, -4.0), bias=5.0), Curve(formula="fourth_power", noise=0.1)]


@pytest.mark.parametrize("data", DRAWN)
def test_drawn_data_depend_on_the_seed_alone(data: Any) -> None:
    first, again, other = load(data, 1), load(data, 1), load(data, 2)
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    np.testing.assert_array_equal(first.train.targets, again.train.targets)
    assert not np.array_equal(first.train.inputs, other.train.inputs)
    assert not np.array_equal(first.train.targets, other.train.targets)


OWN = [*DRAWN, Thermometer(scaling="raw"), Iris()]


@pytest.mark.parametrize("data", OWN, ids=lambda data: type(data).__name__)
def test_data_that_are_drawn_or_packaged_need_no_files(data: Any) -> None:
    assert data.collection is None
    assert len(load(data).train.inputs) > 0  # no_files has not been called


@pytest.mark.parametrize("data", OWN, ids=lambda data: type(data).__name__)
def test_small_data_are_evaluated_on_the_rows_they_are_trained_on(data: Any) -> None:
    dataset = load(data)
    np.testing.assert_array_equal(dataset.train.inputs, dataset.test.inputs)
    np.testing.assert_array_equal(dataset.train.targets, dataset.test.targets)


@pytest.mark.parametrize("data", OWN, ids=lambda data: type(data).__name__)
def test_inputs_are_in_float64(data: Any) -> None:
    assert load(data).train.inputs.dtype == np.float64


# The thermometer


def test_the_thermometer_has_the_eleven_published_readings() -> None:
    dataset = load(Thermometer(scaling="raw"))
    assert dataset.train.inputs.shape == dataset.train.targets.shape == (11, 1)
    assert tuple(dataset.train.inputs[:, 0]) == READING
    assert tuple(dataset.train.targets[:, 0]) == CELSIUS
    assert (READING[0], CELSIUS[0], READING[-1], CELSIUS[-1]) == (35.7, 0.5, 68.4, 21.0)


@pytest.mark.parametrize(("scaling", "loss"), [("raw", 1763.8846), ("tenth", 80.3643)])
def test_the_first_loss_is_the_published_one(scaling: Any, loss: float) -> None:
    """Of weight 1 and bias 0, as the book prints it: a slip of the pen in any of the constants would change it."""
    rows = load(Thermometer(scaling=scaling)).train
    assert np.mean((rows.inputs - rows.targets) ** 2) == pytest.approx(loss, abs=1e-4)


def test_a_tenth_is_a_tenth() -> None:
    np.testing.assert_allclose(load(Thermometer(scaling="tenth")).train.inputs[:, 0], np.array(READING) / 10)


def test_standardized_readings_have_mean_zero_and_sample_deviation_one() -> None:
    scaled = load(Thermometer(scaling="standardized")).train.inputs
    assert scaled.mean() == pytest.approx(0, abs=1e-12)
    assert scaled.std(ddof=1) == pytest.approx(1)
    assert np.corrcoef(scaled[:, 0], READING)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("scaling", ["tenth", "standardized"])
def test_degrees_are_never_scaled(scaling: Any) -> None:
    assert tuple(load(Thermometer(scaling=scaling)).train.targets[:, 0]) == CELSIUS


# Iris


def test_iris_has_fifty_flowers_of_each_species() -> None:
    dataset = load(Iris())
    assert dataset.train.inputs.shape == (150, 4)
    assert dataset.train.targets.dtype == np.int32
    assert np.bincount(dataset.train.targets).tolist() == [50, 50, 50]
    assert dataset.outputs == 3


def test_iris_is_standardized() -> None:
    inputs = load(Iris()).train.inputs
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs.std(axis=0), 1)


def test_iris_is_the_one_of_scikit_learn() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_iris()
    ours = load(Iris()).train
    np.testing.assert_array_equal(ours.targets, theirs.target)
    standardized = (theirs.data - theirs.data.mean(axis=0)) / theirs.data.std(axis=0)
    np.testing.assert_allclose(ours.inputs, standardized, rtol=1e-12, atol=1e-12)


# MNIST


def idx(values: np.ndarray) -> bytes:
    header = b"\x00\x00\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    return header + values.astype(np.uint8).tobytes()


@pytest.mark.parametrize("shape", [(5,), (300,), (3, 28, 28), (2, 1, 4), (0,)], ids=str)
def test_an_idx_file_is_read_in_its_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    (tmp_path / "file").write_bytes(idx(values))
    read = read_idx(tmp_path / "file")
    assert read.dtype == np.uint8
    assert read.shape == shape
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x00", b"\x00\x00\x0d\x01\x00\x00\x00\x00", b"\x1f\x8b\x08\x00", b"<html>"],
    ids=["empty", "short", "floats", "gzip", "page"],
)
def test_what_is_no_idx_file_of_bytes_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadData, match="file is not an IDX file of unsigned bytes"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\x00", lambda data: data[:6]])
def test_an_idx_file_of_another_length_is_refused(tmp_path: Path, change: Any) -> None:
    (tmp_path / "file").write_bytes(change(idx(np.zeros((4, 3)))))
    with pytest.raises(BadData, match=r"is not an IDX file|should have 4 x 3 values"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize(
    ("shape", "values"), [((-2, -3), 6), ((2**31 - 1, 2**31 - 1), 5), ((-1,), 0), ((0, -1), 0)], ids=str
)
def test_sizes_that_an_idx_file_cannot_have_are_refused(tmp_path: Path, shape: tuple[int, ...], values: int) -> None:
    head = b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}i", *shape)
    (tmp_path / "file").write_bytes(head + bytes(values))
    with pytest.raises(BadData, match=f"values, but {values} bytes follow"):
        read_idx(tmp_path / "file")


IMAGES = np.arange(6 * 28 * 28).reshape(6, 28, 28) % 256
DIGITS = np.array([3, 7, 1, 7, 0, 3])
MNIST_CONTENTS = {
    "train-images-idx3-ubyte": idx(IMAGES),
    "train-labels-idx1-ubyte": idx(DIGITS),
    "t10k-images-idx3-ubyte": idx(IMAGES[::-1][:4]),
    "t10k-labels-idx1-ubyte": idx(DIGITS[::-1][:4]),
}


def load_from(folder: Path, data: Any, contents: Mapping[str, bytes]) -> Dataset:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    asked = []

    def find(collection: Collection) -> dict[str, Path]:
        asked.append(collection)
        return {name: folder / name for name in contents}

    dataset: Dataset = data.load(np.random.default_rng(0), find)
    assert asked == [data.collection]
    return dataset


def test_mnist_has_names_for_four_files() -> None:
    assert set(mnist.COLLECTION.sha256) == set(MNIST_CONTENTS)


@pytest.mark.parametrize("names", [list(MNIST_CONTENTS), list(reversed(MNIST_CONTENTS))], ids=["in order", "reversed"])
def test_mnist_images_become_rows_from_minus_one_to_one(tmp_path: Path, names: list[str]) -> None:
    dataset = load_from(tmp_path, Mnist(), {name: MNIST_CONTENTS[name] for name in names})
    np.testing.assert_allclose(dataset.train.inputs, IMAGES.reshape(6, 784) / 127.5 - 1, atol=1e-12)
    np.testing.assert_allclose(dataset.test.inputs, IMAGES[::-1][:4].reshape(4, 784) / 127.5 - 1, atol=1e-12)
    assert dataset.train.inputs.dtype == np.float64
    assert dataset.train.targets.tolist() == DIGITS.tolist()
    assert dataset.test.targets.tolist() == DIGITS[::-1][:4].tolist()
    assert dataset.train.targets.dtype == np.int32
    assert dataset.outputs == 10


@pytest.mark.parametrize(("labels", "three", "seven"), [("one_zero", 1.0, 0.0), ("one_two", 1.0, 2.0)])
def test_threes_and_sevens_are_taken_out_as_numbers_to_fit(
    tmp_path: Path, labels: Any, three: float, seven: float
) -> None:
    dataset = load_from(tmp_path, MnistThreeSeven(labels=labels), MNIST_CONTENTS)
    np.testing.assert_allclose(dataset.train.inputs, IMAGES[[0, 1, 3, 5]].reshape(4, 784) / 255)
    assert dataset.train.targets.tolist() == [[three], [seven], [seven], [three]]
    assert dataset.test.targets.tolist() == [[three], [seven]]
    assert dataset.train.targets.dtype == np.float64
    assert dataset.outputs == 1


# Newsgroups

HEADER = "category\ttext\ndiscrete\tstring\nclass\tmeta\n"
TRAIN = HEADER + "sci.space\torbit moon orbit\nrec.autos\twheel\ncomp.graphics\tpixel moon\nsci.space\t\n"
TEST = HEADER + "comp.graphics\tpixel unheard pixel\nsci.space\tunheard\nrec.autos\tmoon\n"
CATEGORIES = ("comp.graphics", "sci.space")


def write(folder: Path, text: str) -> Path:
    path = folder / "documents.tab"
    path.write_text(text, encoding="utf-8")
    return path


def test_documents_of_the_chosen_categories_are_read_in_their_order(tmp_path: Path) -> None:
    assert read_documents(write(tmp_path, TRAIN), CATEGORIES) == [
        ("sci.space", ["orbit", "moon", "orbit"]),
        ("comp.graphics", ["pixel", "moon"]),
        ("sci.space", []),
    ]


def test_a_last_line_without_an_end_is_read(tmp_path: Path) -> None:
    documents = read_documents(write(tmp_path, HEADER + "sci.space\tmoon"), ("sci.space",))
    assert documents == [("sci.space", ["moon"])]


def test_header_lines_are_no_categories(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown category 'discrete'"):
        read_documents(write(tmp_path, TRAIN), ("discrete",))


def test_an_unknown_category_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_documents(write(tmp_path, TRAIN), ("sci.space", "sci.spade"))
    assert str(caught.value) == "unknown category 'sci.spade'; choose from comp.graphics, rec.autos, sci.space"


def test_a_line_that_is_no_document_is_refused_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"documents.tab: line 5 has no tab between category and text"):
        read_documents(write(tmp_path, HEADER + "sci.space\tmoon\nsci.space moon\n"), ("sci.space",))


def test_documents_in_another_encoding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(HEADER.encode() + b"sci.space\tm\xf6nch\n")
    with pytest.raises(BadData, match="file is no text in UTF-8"):
        read_documents(tmp_path / "file", ("sci.space",))


def test_words_are_counted_per_document() -> None:
    counts = count_words([["b", "a", "b"], ["c"], ["a"]], {"a": 0, "b": 1, "c": 2})
    assert counts.dense().tolist() == [[1, 2, 0], [0, 0, 1], [1, 0, 0]]


def test_words_without_a_number_are_not_counted() -> None:
    counts = count_words([["a", "x", "y", "a"], ["x"]], {"a": 0, "b": 1})
    assert counts.dense().tolist() == [[2, 0], [0, 0]]


def test_empty_documents_stay_in_their_place() -> None:
    counts = count_words([[], ["a"], [], []], {"a": 0})
    assert counts.dense().tolist() == [[0], [1], [0], [0]]
    assert counts.starts.tolist() == [0, 0, 1, 1, 1]


def test_no_documents_are_no_rows() -> None:
    assert count_words([], {"a": 0, "b": 1}).dense().shape == (0, 2)


def test_word_numbers_ascend_in_each_document_and_stand_once() -> None:
    counts = count_words([["c", "a", "b", "a", "c"], ["b", "a"]], {"a": 0, "b": 1, "c": 2})
    assert counts.words.tolist() == [0, 1, 2, 0, 1]
    assert counts.counts.tolist() == [2, 1, 2, 1, 1]
    assert (counts.starts.dtype, counts.words.dtype, counts.counts.dtype) == (np.int64, np.int32, np.float64)


NEWSGROUPS_CONTENTS = {"20newsgroups-train.tab": TRAIN.encode(), "20newsgroups-test.tab": TEST.encode()}


def test_newsgroups_has_names_for_both_files() -> None:
    assert list(newsgroups.COLLECTION.sha256) == list(NEWSGROUPS_CONTENTS)


def test_newsgroups_are_counted_over_the_words_of_the_chosen_training_documents(tmp_path: Path) -> None:
    dataset = load_from(tmp_path, Newsgroups(categories=CATEGORIES), NEWSGROUPS_CONTENTS)
    assert isinstance(dataset.train.inputs, WordCounts)
    assert isinstance(dataset.test.inputs, WordCounts)
    # moon, orbit, pixel; "wheel" is of another category, "unheard" of the test documents alone
    assert dataset.train.inputs.dense().tolist() == [[1, 2, 0], [1, 0, 1], [0, 0, 0]]
    assert dataset.test.inputs.dense().tolist() == [[0, 0, 2], [0, 0, 0]]
    assert dataset.outputs == 2


@pytest.mark.parametrize(
    ("categories", "train", "test"),
    [(CATEGORIES, [1, 0, 1], [0, 1]), (CATEGORIES[::-1], [0, 1, 0], [1, 0])],
    ids=["in order", "reversed"],
)
def test_classes_are_numbered_as_the_categories_are_given(
    tmp_path: Path, categories: tuple[str, ...], train: list[int], test: list[int]
) -> None:
    dataset = load_from(tmp_path, Newsgroups(categories=categories), NEWSGROUPS_CONTENTS)
    assert dataset.train.targets.tolist() == train
    assert dataset.test.targets.tolist() == test
    assert dataset.train.targets.dtype == dataset.test.targets.dtype == np.int32


def test_newsgroups_trains_on_the_training_file_in_whatever_order_the_files_are_found(tmp_path: Path) -> None:
    contents = {name: NEWSGROUPS_CONTENTS[name] for name in reversed(NEWSGROUPS_CONTENTS)}
    dataset = load_from(tmp_path, Newsgroups(categories=CATEGORIES), contents)
    assert len(dataset.train.targets) == 3
