"""Untimed trainings for parity: from several starts by one trainer, and through files."""

from __future__ import annotations

import ast
import io
import os
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import ROOT, no_files

from backends import numpy_backend
from backends.contract import Array, Placement, Precision
from bench.parity.arrays import (
    load_params,
    load_trace,
    load_training_result,
    save_params,
    save_trace,
    save_training_result,
)
from bench.parity.cache import SEAL_BYTES, SOURCES, EnvelopeCache, cache_key
from bench.parity.envelope import NESTED, Envelope, departures, load_envelope, relative_norms, save_envelope
from bench.parity.rounding import surrounded
from bench.parity.traces import params_after, traces, training_results
from bench.tasks import TASKS
from bench.tasks.arrays import BadArrays, params_named
from bench.tasks.settings import override
from bench.tasks.training import Training, make_training, reseeded

EXACT = Placement(mode="loop", device="cpu", precision="float64", threads=1)
TASK = override(TASKS["iris_mlp"], {"epochs": 3})


def training(precision: Precision = "float64") -> Training:
    return make_training(TASK, precision, no_files)


def test_traces_from_several_seeds_are_those_of_each_alone() -> None:
    several = [reseeded(training(), TASK, "float64", seed) for seed in (0, 1)]
    together = list(traces(numpy_backend, EXACT, several, 2))
    for trace, each in zip(together, several, strict=True):
        (alone,) = traces(numpy_backend, EXACT, [each], 2)
        np.testing.assert_array_equal(trace.losses, alone.losses)
        assert relative_norms(trace.params, alone.params).max() == 0
        assert relative_norms(trace.gradient, alone.gradient).max() == 0
    assert (together[0].losses != together[1].losses).all()
    assert len(together[0].losses) == 2 * training().steps_per_pass


def test_another_seed_gives_other_weights_and_another_order_on_the_same_rows() -> None:
    plain, other = training(), reseeded(training(), TASK, "float64", 5)
    assert other.problem.inputs is not None
    np.testing.assert_array_equal(plain.problem.inputs, other.problem.inputs)
    assert (plain.orders[0] != other.orders[0]).any()
    assert (plain.initial[0]["weights"] != other.initial[0]["weights"]).all()
    same = reseeded(plain, TASK, "float64", TASK.seed)
    np.testing.assert_array_equal(plain.orders[2], same.orders[2])


@pytest.mark.parametrize("steps", [1, 9, 13, 27])
def test_parameters_after_some_steps_are_those_on_the_way(steps: int) -> None:
    trainer = numpy_backend.open_trainer(training().problem, EXACT)
    trainer.reset(training().initial)
    trainer.train(np.concatenate(training().orders)[:steps])
    found = params_after(numpy_backend, EXACT, training(), steps)
    assert relative_norms(found, trainer.params()).max() == 0


def test_what_is_computed_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "0.npz"
    (trace,) = traces(numpy_backend, EXACT, [training()], 2)
    save_trace(file, trace)
    loaded = load_trace(file)
    np.testing.assert_array_equal(loaded.losses, trace.losses)
    assert relative_norms(loaded.params, trace.params).max() == 0
    assert relative_norms(loaded.gradient, trace.gradient).max() == 0
    assert loaded.evaluation.loss == trace.evaluation.loss
    np.testing.assert_array_equal(loaded.evaluation.outputs, trace.evaluation.outputs)
    (result,) = training_results(numpy_backend, EXACT, [training()])
    save_training_result(file, result)
    again = load_training_result(file)
    np.testing.assert_array_equal(again.losses, result.losses)
    assert again.metric == result.metric
    assert relative_norms(again.first_pass, result.first_pass).max() == 0
    assert relative_norms(result.first_pass, result.params).max() > 0
    assert again.evaluation.loss == result.evaluation.loss
    save_params(file, result.params)
    assert relative_norms(load_params(file), result.params).max() == 0


def an_envelope(precision: Precision = "float32") -> Envelope:
    return surrounded(training(), training(precision), 0)


def test_an_envelope_is_as_wide_as_its_precision_rounds() -> None:
    single, double = an_envelope("float32"), an_envelope("float64")
    assert 1e-9 < single.spread.max() < 1e-4
    assert 1e-18 < double.spread.max() < 1e-13
    assert 1e-9 < single.params_spread.max() < 1e-4
    assert (single.reach >= single.spread).all()
    np.testing.assert_array_equal(single.losses, double.losses)


def test_an_envelope_reaches_half_the_way_back_and_as_far_again_forth() -> None:
    spread = np.zeros(101)
    spread[40] = 1.0
    wide = replace(an_envelope(), losses=np.zeros(101), spread=spread).reach
    assert np.flatnonzero(wide).tolist() == list(range(20, 82))
    spread[40], spread[3] = 0.0, 1.0
    assert np.flatnonzero(replace(an_envelope(), spread=spread).reach).tolist() == list(range(9))


def test_an_envelope_survives_its_file(tmp_path: Path) -> None:
    envelope = an_envelope()
    save_envelope(tmp_path / "e.npz", envelope)
    loaded = load_envelope(tmp_path / "e.npz")
    for name, value in vars(envelope).items():
        if name not in NESTED:
            np.testing.assert_array_equal(vars(loaded)[name], value)
    assert relative_norms(loaded.params, envelope.params).max() == 0
    assert loaded.evaluation.loss == envelope.evaluation.loss
    np.testing.assert_array_equal(loaded.evaluation.outputs, envelope.evaluation.outputs)


def test_a_departure_from_what_is_no_number_is_none_or_infinite() -> None:
    assert departures([np.nan, np.inf, np.inf, 1.0, np.nan], [np.nan, np.inf, -np.inf, np.nan, 1.0]).tolist() == [
        *(0.0, 0.0, np.inf, np.inf, np.inf),
    ]


def test_an_envelope_is_kept_under_all_that_it_comes_from(tmp_path: Path) -> None:
    kept, envelope = EnvelopeCache(tmp_path / "new"), an_envelope()
    assert kept.get("a") is None
    kept.put("a", envelope)
    found = kept.get("a")
    assert found is not None
    np.testing.assert_array_equal(found.spread, envelope.spread)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npz"]
    keys = {
        cache_key("t", {"seed": 0}, "float32", None),
        cache_key("u", {"seed": 0}, "float32", None),
        cache_key("t", {"seed": 1}, "float32", None),
        cache_key("t", {"seed": 0}, "float64", None),
        cache_key("t", {"seed": 0}, "float32", 3),
    }
    assert len(keys) == 5
    assert cache_key("t", {"seed": 0}, "float32", None) in keys


# What is imported too, but makes no number of an envelope.
NO_NUMBERS = {
    *("bench/errors.py", "bench/events.py", "bench/scratch.py"),
    *(f"bench/harness/{name}.py" for name in ("explained", "explained_affine", "explained_sequences")),
}


def imported_from(path: Path) -> set[Path]:
    """Return the files of the suite that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
    return {found for name in names if (found := ROOT / f"{name.replace('.', '/')}.py").exists()}


def test_the_key_of_an_envelope_covers_all_code_that_computes_it() -> None:
    waiting, code = [ROOT / "bench" / "parity" / "rounding.py"], set[Path]()
    while waiting:
        if (path := waiting.pop()) not in code:
            code.add(path)
            waiting += imported_from(path)
    names = {str(path.relative_to(ROOT)) for path in code}
    assert {"backends/numpy_reference_layers.py", "bench/tasks/seeding.py", *NO_NUMBERS} <= names
    assert {name for name in names if not name.startswith(SOURCES)} == NO_NUMBERS


def test_an_envelope_file_with_any_damage_is_computed_again_and_replaced(tmp_path: Path) -> None:
    kept, path = EnvelopeCache(tmp_path), tmp_path / "a.npz"
    kept.put("a", an_envelope())
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    damaged = [whole[: rng.integers(len(whole))] for _ in range(50)]
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 9)):
            content[place] = rng.integers(256)
        damaged.append(bytes(content))
    with zipfile.ZipFile(tmp_path / "other", "w", zipfile.ZIP_LZMA) as other:
        other.writestr("losses.npy", b"")
    for content in (b"", b"PK", whole[::-1], (tmp_path / "other").read_bytes(), *damaged):
        path.write_bytes(content)
        found = kept.get("a")
        assert found is None or np.array_equal(found.spread, an_envelope().spread)  # by the checksums of the archive
    kept.put("a", an_envelope())
    assert path.read_bytes() == whole
    path.unlink()
    path.mkdir()
    assert kept.get("a") is None


def rewritten(whole: bytes, changes: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """Return a file of arrays with some members changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(made, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
    return made.getvalue()


def member(array: Array, claimed: bytes = b"", wanted: bytes = b"") -> bytes:
    """Return an array as it stands in a file, which may claim another shape."""
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue().replace(wanted, claimed) if claimed else made.getvalue()


def test_a_file_of_arrays_that_would_grow_is_refused_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_envelope(path, an_envelope())
    whole = path.read_bytes()
    for content in (
        rewritten(whole, {}, zipfile.ZIP_DEFLATED),
        rewritten(whole, {"spread.npy": member(np.zeros(3), b"(3000000000000,)", b"(3,)            ")}),
        rewritten(whole, {"spread.npy": member(np.zeros((3, 3)))}),
        rewritten(whole, {"spread.npy": member(np.zeros(len(an_envelope().spread), np.float32))}),
        rewritten(whole, {"metric.npy": member(np.array("0.9"))}),
    ):
        path.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(BadArrays):
            load_envelope(path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
        tracemalloc.stop()
    path.write_bytes(rewritten(whole, {}))
    assert np.array_equal(load_envelope(path).spread, an_envelope().spread)


def test_an_envelope_of_another_key_or_changed_by_hand_is_computed_again(tmp_path: Path) -> None:
    kept, path = EnvelopeCache(tmp_path), tmp_path / "a.npz"
    kept.put("b", replace(an_envelope(), metric=2.0))
    foreign = (tmp_path / "b.npz").read_bytes()
    kept.put("a", an_envelope())
    whole = path.read_bytes()
    by_hand = rewritten(whole, {"losses.npy": member(np.full(len(an_envelope().losses), np.nan))})
    for content in (foreign, by_hand, whole[:SEAL_BYTES] + by_hand, by_hand[SEAL_BYTES:]):
        path.write_bytes(content)
        assert kept.get("a") is None
    path.write_bytes(whole)
    assert kept.get("a") is not None


def test_an_envelope_that_cannot_be_read_or_written_is_computed_again(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"cut off")
    assert EnvelopeCache(tmp_path).get("a") is None
    (tmp_path / "file").write_text("")
    EnvelopeCache(tmp_path / "file").put("a", an_envelope())
    assert EnvelopeCache(tmp_path / "file").get("a") is None


@pytest.mark.parametrize("empty", [(), (0,), (1, 2), (0, 1, 2)])
def test_layers_without_parameters_stay_where_they_are_in_a_file(tmp_path: Path, empty: tuple[int, ...]) -> None:
    params = tuple({} if number in empty else {"weights": np.full((2, 3), float(number))} for number in range(3))
    save_params(tmp_path / "params.npz", params)
    found = load_params(tmp_path / "params.npz")
    assert [list(layer) for layer in found] == [list(layer) for layer in params]
    assert all(
        np.array_equal(layer[name], found[number][name]) for number, layer in enumerate(params) for name in layer
    )


@pytest.mark.parametrize(
    "arrays",
    [
        {"params.0.weights": np.ones(2)},
        {"params.layers": np.array(1), "params.1.weights": np.ones(2)},
        {"params.layers": np.array(1), "params.-1.weights": np.ones(2)},
        {"params.layers": np.array(-1)},
        {"params.layers": np.array(10**9)},
        {"params.layers": np.array(1.0)},
        {"params.layers": np.array([1])},
    ],
)
def test_a_file_whose_number_of_layers_is_not_that_of_its_parameters_is_refused(arrays: dict[str, Array]) -> None:
    with pytest.raises(ValueError, match="layers"):
        params_named("params", arrays)


def test_a_pipe_in_the_place_of_an_envelope_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    cache, envelope = EnvelopeCache(tmp_path), an_envelope()
    assert cache.get("a") is None
    cache.put("a", envelope)
    assert (tmp_path / "a.npz").is_file()
