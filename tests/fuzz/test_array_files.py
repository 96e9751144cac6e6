"""Files of arrays in the cache: an envelope is the one that was saved, or is made anew; nothing of a file grows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from edits import NUMBERS
from hypothesis import strategies as st
from scratch import scratch, scratch_file
from target import fuzz

from bench.parity.cache import SEAL_BYTES, EnvelopeCache
from bench.parity.envelope import Envelope, load_envelope
from bench.parity.traces import Evaluation
from bench.tasks.arrays import BadArrays, load_arrays

ENVELOPE = Envelope(
    losses=np.array([1.0, 0.5, np.nan]),
    spread=np.array([0.0, 1e-7, np.inf]),
    params=(
        {"weights": np.arange(6.0).reshape(2, 3), "bias": np.ones(3)},
        {"weights": np.ones((3, 1)), "bias": np.zeros(1)},
    ),
    params_spread=np.full(4, 1e-6),
    pass_spread=1e-5,
    evaluation=Evaluation(np.arange(4.0).reshape(4, 1), 0.25),
    outputs_spread=1e-6,
    evaluation_loss_spread=1e-7,
    metric=0.9,
    metric_spread=0.0,
)


def _saved() -> bytes:
    EnvelopeCache(scratch()).put("key", ENVELOPE)
    return (scratch() / "key.npz").read_bytes()


WHOLE = _saved()
ARRAYS: Mapping[str, Any] = dict(np.load(io.BytesIO(WHOLE[SEAL_BYTES:])))


def damaged(edits: list[tuple[str, int, int]]) -> bytes:
    content = WHOLE
    for kind, where, which in edits:
        at = where % (len(content) + 1)
        match kind:
            case "flip":
                content = (
                    content[:at] + bytes(each ^ 1 << which % 8 for each in content[at : at + 1]) + content[at + 1 :]
                )
            case "cut":
                content = content[:at]
            case "zeros":
                content = content[:at] + bytes(which % 300) + content[at + which % 300 :]
            case "head":  # of the last entries, which zipfile reads first
                at = max(0, len(content) - 1 - where % 900)
                content = content[:at] + bytes((which % 256,)) + content[at + 1 :]
            case _:
                content = content[:at] + content[at + which % 50 :]
    return content


def same(found: Any, expected: Any) -> bool:
    """Return whether two envelopes are the same in every bit."""
    if isinstance(expected, np.ndarray):
        return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()
    if isinstance(expected, tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[name], part) for name, part in expected.items())
    if isinstance(expected, Envelope | Evaluation):
        return all(same(getattr(found, name), value) for name, value in vars(expected).items())
    return bool(found == expected)


KINDS = st.tuples(st.sampled_from(("flip", "cut", "zeros", "head", "remove")), NUMBERS, NUMBERS)


@fuzz("envelopes: damaged files", st.lists(KINDS, max_size=3).map(damaged), share=35_000)
def test_a_damaged_envelope_is_the_one_that_was_saved_or_none(content: bytes) -> int:
    scratch_file("key.npz", content)
    found = EnvelopeCache(scratch()).get("key")
    assert found is None or same(found, ENVELOPE)
    assert content != WHOLE or found is not None
    return len(content)


OTHERS = (
    *(np.zeros(0), np.zeros((3, 3)), np.zeros((0, 3)), np.float32([1, 2, 3]), np.array([1, 2, 3]), np.array(1.0)),
    *(
        np.array(["a"]),
        np.array([1j]),
        np.array([True]),
        np.zeros(3, "M8[s]"),
        np.zeros(2, [("a", "f8")]),
        np.arange(2.0),
    ),
)


def rebuilt(names: list[str], other: int, how: str, claim: int) -> bytes:
    """Return an archive in which some arrays are others, are missing, are compressed, or claim another size."""
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if how == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, array in ARRAYS.items():
            if name in names and how == "missing":
                continue
            member = io.BytesIO()
            np.lib.format.write_array(member, OTHERS[other] if name in names and how == "others" else array)
            content = member.getvalue()
            if name in names and how == "claims":
                content = content.replace(b"(3,)", f"({claim},)".encode())
            if name in names and how == "bomb":
                content += bytes(10**6)
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


REBUILT = st.builds(
    rebuilt,
    st.lists(st.sampled_from(sorted(ARRAYS)), max_size=3),
    st.integers(0, len(OTHERS) - 1),
    st.sampled_from(("others", "missing", "compressed", "claims", "bomb")),
    st.sampled_from((0, 2, 4, -1, 10**9, 10**15, 2**63)),
)


@fuzz("envelopes: other arrays", REBUILT, share=12_000)
def test_an_envelope_of_other_arrays_is_refused(content: bytes) -> int:
    path = scratch_file("other.npz", content)
    with suppress(BadArrays):
        found = load_envelope(path)
        arrays = load_arrays(path)
        assert arrays.keys() == ARRAYS.keys()
        assert all(arrays[name].dtype == ARRAYS[name].dtype for name in ARRAYS)
        assert found.spread.shape == found.losses.shape
        assert found.params_spread.shape == (4,)
    return len(content)


@fuzz("files of arrays: any bytes", st.binary(max_size=300), share=12_000)
def test_bytes_that_are_no_arrays_are_refused(content: bytes) -> int:
    with suppress(BadArrays):
        assert load_arrays(scratch_file("any.npz", content)) == {}
    return len(content)
