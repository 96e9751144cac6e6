"""Data files: refused with a sentence, or exactly the array that a simple reader finds; words in every form."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import strategies as st
from scratch import scratch_file
from target import fuzz
from task_texts import assert_is_sentence, size_of

from backends.words import WordCounts
from bench.errors import UserError
from bench.tasks.datasets.mnist import read_idx
from bench.tasks.datasets.newsgroups import HEADER_LINES, count_words, read_documents

# IDX

SIZES = st.sampled_from((0, 1, 2, 3, 5, 2**31 - 1, 2**31, 2**32 - 1, 2**24)) | st.integers(0, 6)
HEAD = st.builds(
    lambda start, kind, rank, sizes: bytes((*start, kind, rank)) + b"".join(size.to_bytes(4, "big") for size in sizes),
    st.sampled_from(((0, 0), (0, 0), (0, 0), (31, 139), (0, 1))),
    st.sampled_from((8, 8, 8, 8, 9, 13, 0)),
    st.integers(0, 4) | st.sampled_from((64, 255)),
    st.lists(SIZES, max_size=5),
)


def whole_idx(shape: list[int], seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    return bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape) + values.tobytes()


IDX = st.one_of(
    st.builds(lambda head, values: head + values, HEAD, st.binary(max_size=40)),
    st.builds(whole_idx, st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 9)),
    st.builds(
        lambda content, at, cut: content[:at] + content[at + cut :],
        st.builds(whole_idx, st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 9)),
        st.integers(0, 80),
        st.integers(0, 3),
    ),
    st.binary(max_size=60),
)


def simply_read_idx(content: bytes) -> tuple[list[int], bytes] | None:
    """Return the shape and the values in an IDX file, read a byte at a time; None if it is not one."""
    if len(content) < 4 or list(content[:3]) != [0, 0, 8] or content[3] == 0:
        return None
    sizes = [content[4 + 4 * i : 8 + 4 * i] for i in range(content[3])]
    shape, product = [], 1
    for size in sizes:
        if len(size) < 4 or size[0] >= 128:
            return None
        shape.append(((size[0] * 256 + size[1]) * 256 + size[2]) * 256 + size[3])
        product *= shape[-1]
    values = content[4 + 4 * content[3] :]
    return (shape, values) if len(values) == product else None


@fuzz("IDX files", IDX, share=50_000)
def test_an_idx_file_is_refused_or_is_what_a_simple_reader_finds(content: bytes) -> int:
    expected = simply_read_idx(content)
    try:
        found = read_idx(scratch_file("idx", content))
    except UserError as error:
        assert_is_sentence(error)
        assert expected is None or content[3] > 64, "refused although it is one"
    else:
        assert expected is not None, "read although it is none"
        assert (list(found.shape), found.tobytes()) == expected
    return len(content)


# Documents

CATEGORIES = ("sci.space", "rec.autos")
PIECES = (
    "sci.space",
    "rec.autos",
    "comp",
    "\t",
    "\n",
    "\r\n",
    "\r",
    " ",
    "moon",
    "orbit",
    "é",
    "\x0c",
    "\u2028",
    "\x1b[31m",
    "\x00",
)
WORDS = st.lists(st.sampled_from(("moon", "orbit", "car")), max_size=5).map(" ".join)
WHOLE = st.lists(st.tuples(st.sampled_from((*CATEGORIES, "x")), WORDS).map("\t".join), max_size=6)
DOCUMENTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(lambda text: f"a\tb\nc\nd\n{text}".encode()),
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join).map(str.encode),
    WHOLE.map("\n".join).map(lambda text: f"a\n\n\n{text}".encode()),
    st.binary(max_size=80),
)


def simply_read_documents(content: bytes) -> list[tuple[str, list[str]]] | None:
    """Return category and words of the chosen documents; None if the file is none, or lacks a category."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None
    lines = [line for line in text.split("\n")[HEADER_LINES:] if line]
    if any("\t" not in line for line in lines):
        return None
    pairs = [(line[: line.index("\t")], line[line.index("\t") + 1 :].split()) for line in lines]
    if not set(CATEGORIES) <= {category for category, _ in pairs}:
        return None
    return [pair for pair in pairs if pair[0] in CATEGORIES]


@fuzz(".tab files", DOCUMENTS, share=36_000)
def test_documents_are_refused_or_are_what_a_simple_reader_finds(content: bytes) -> int:
    expected = simply_read_documents(content)
    try:
        found = read_documents(scratch_file("documents.tab", content), CATEGORIES)
    except UserError as error:
        assert_is_sentence(error)
        found = None
    assert found == expected
    return len(content)


# Words

TEXTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=6), min_size=1, max_size=6)


@fuzz("word counts", st.tuples(TEXTS, st.integers(1, 8), st.integers(0, 2**32 - 1)), share=24_000)
def test_words_are_the_same_dense_gathered_and_padded(case: tuple[list[list[str]], int, int]) -> int:
    texts, batch, seed = case
    numbers = {word: number for number, word in enumerate("abcd")}  # e is not known
    counts = count_words(texts, numbers)
    dense = [[Counter(text)[word] for word in "abcd"] for text in texts]
    assert counts.dense().tolist() == dense
    order = np.random.default_rng(seed).integers(len(texts), size=(2, batch))
    assert gathered(counts, order[0]) == [dense[row] for row in order[0]]
    padded = counts.padded_bags(order, counts.capacity(batch))
    for step, rows in enumerate(order):
        matrix = np.zeros((batch, 4))
        np.add.at(matrix, (padded.documents[step], padded.words[step]), padded.counts[step])
        assert matrix.tolist() == [dense[row] for row in rows]
        assert (np.diff(padded.documents[step]) >= 0).all()
    return size_of(*(word for text in texts for word in text))


def gathered(counts: WordCounts, rows: np.ndarray) -> list[list[float]]:
    bags = counts.bags(rows)
    matrix = np.zeros((len(rows), counts.vocabulary))
    np.add.at(matrix, (bags.documents, bags.words), bags.counts)
    return matrix.tolist()
