"""Every backend and mode, on every task, against the NumPy reference; by the frameworks themselves.

The rows that the tests of this file select are all computed by one call of the parity check, as `bench parity` does.
"""

from __future__ import annotations

import importlib
from pkgutil import iter_modules
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from support import KINDS, QUICK, Tracer, a_row, require, slow_but

from backends import numpy_reference
from backends.contract import Placement, Precision, Unsupported
from backends.registry import BUILT_IN, FRAMEWORKS
from bench.conformance.cases import classification
from bench.conformance.interface import with_something_unknown
from bench.conformance.job import CheckRequest
from bench.harness.protocol import Done
from bench.harness.setup import make_setup
from bench.machine.host import gpu_names
from bench.parity.check import check_parity
from bench.records.schema import ParityResult, Row
from bench.report.progress_bar import TerminalProgress
from bench.runs.selection import Choice, choose_rows
from bench.tasks import TASKS, Task, catalog
from bench.tasks.names import TaskRef

# Checked for fewer steps here. `bench parity`, and `-m exhaustive`, follow every task as far as it says.
SHORTENED = {
    "linear_fit_minibatch": "check_epochs=20",
    "line_fit": "check_epochs=100",
    "mlp_regression": "check_epochs=200",
    "thermometer": "check_epochs=500",  # test_golden.py trains all 5,000 in every mode
    "mnist_3v7": "check_epochs=50",
    "mnist_mlp": "check_epochs=1:batch_size=600",
    "text_classifier": "check_epochs=2",
    "text_classifier_dense": "check_epochs=1",
}
LARGE = {"mnist_3v7", "mnist_mlp", "text_classifier", "text_classifier_dense"}
# The compiled modes of PyTorch compile each task for ten to twenty seconds. These tasks have no program of their own:
# linear_fit and text_classifier have layers, losses and optimizers like theirs. The tests of settings, below, compile
# iris_mlp with its momentum.
SAME_PROGRAM = {
    *("thermometer", "thermometer_raw", "thermometer_standardized", "linear_fit_3d", "line_fit", "mlp_regression"),
    *("linear_fit_minibatch", "iris_mlp", "mnist_3v7"),
}
# Keras follows these on each framework: every loss, optimizer and size of batch of the small tasks is in one of them.
OF_KERAS = {"linear_fit", "linear_fit_minibatch", "mlp_regression", "iris_mlp"}
WORDS_OF_KERAS = ("keras-jax", "text_classifier")
SMALL_IMAGES = "mnist_cnn:data.rows=192:data.test_rows=64:epochs=2:check_epochs=2"
SMALL_TEXT = (
    "text_transformer:data.positions=16:data.vocabulary=500:model.width=8:model.heads=2:model.hidden=12:model.blocks=2"
)
SMALLER = {"mnist_cnn": SMALL_IMAGES, "text_transformer": SMALL_TEXT}
# One mode of each framework follows these. Conformance looks at the layers of mnist_cnn and text_transformer in every
# mode. Dense layers like those of mnist_mlp are in smaller tasks, and test_results.py trains it to its end.
BY_ONE_MODE = {*SMALLER, "mnist_mlp"}
BY_NUMPY = {"text_classifier_dense"}  # a large dense layer like mnist_mlp's, on the rows of text_classifier
# These do for each step what another mode of their framework does, which follows text_classifier.
ALIKE = {("torch", "dataloader"), ("torch", "compile"), ("tensorflow", "eager")}
NAMES = tuple(SMALLER.get(name, f"{name}:{SHORTENED[name]}" if name in SHORTENED else name) for name in TASKS)
ROWS = choose_rows(Choice(tasks=NAMES, device="cpu", precision="float64"), has_gpu=False)
GPU_ROWS = choose_rows(Choice(tasks=NAMES, device="gpu", precision="float64"), has_gpu=True)
WHOLE_ROWS = choose_rows(Choice(tasks=(*SHORTENED, *SMALLER), device="cpu", precision="float64"), has_gpu=False)
# What a guest cannot express; all other rows have to agree.
NO_ADAM, NO_SIGMOID = "a different optimizer", "no sigmoid at the output"
UNSUPPORTED = {
    ("sklearn", "mlp_regression"): NO_ADAM,
    ("sklearn", "mnist_3v7"): NO_SIGMOID,
    ("sklearn", "mnist_cnn"): NO_ADAM,
    ("sklearn", "text_classifier"): NO_ADAM,
    ("sklearn", "text_classifier_dense"): NO_ADAM,
    ("sklearn", "text_transformer"): "no Embedding",
}


def params_of(rows: tuple[Row, ...], *marks: pytest.MarkDecorator) -> list[object]:
    return [pytest.param(row, id=str(row), marks=[*marks, *marks_of(row)]) for row in rows]


def marks_of(row: Row) -> list[pytest.MarkDecorator]:
    """Return how slow a row is: one mode of each framework is quick."""
    task = TaskRef.parse(row.task).base
    kind = row.backend, row.mode
    quick = kind in QUICK
    left_out = (
        (task in BY_ONE_MODE and not quick)
        or (task in BY_NUMPY and row.backend != "numpy")
        or (task in SAME_PROGRAM and row.mode.startswith("compile"))
        or (task == "text_classifier" and kind in ALIKE)
        or (row.backend.startswith("keras-") and task not in OF_KERAS and (row.backend, task) != WORDS_OF_KERAS)
    )
    if left_out:
        return [pytest.mark.slow, pytest.mark.exhaustive]
    return [] if task not in LARGE and quick else [pytest.mark.slow]


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> dict[Row, ParityResult]:
    """Check the rows of all selected tests at once."""
    items = [item for item in request.session.items if "checked_row" in getattr(item, "fixturenames", ())]
    rows = []
    for item in items:
        try:
            require(item.callspec.params["checked_row"])
        except pytest.skip.Exception:
            continue
        rows.append(item.callspec.params["checked_row"])
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), TerminalProgress(Console(stderr=True)) as listener:
        print()  # what follows takes minutes, and says how far it is
        return {verdict.row: verdict for verdict in check_parity(rows, make_setup(None, 600, None), {}, listener)}


@pytest.mark.parametrize(
    "checked_row",
    [
        *params_of(ROWS),
        *params_of(GPU_ROWS, pytest.mark.gpu),
        *params_of(WHOLE_ROWS, pytest.mark.exhaustive),
    ],
)
def test_a_row_follows_the_reference(checked_row: Row, verdicts: dict[Row, ParityResult]) -> None:
    require(checked_row)
    verdict = verdicts[checked_row]
    if verdict.status == "unsupported" and checked_row.device == "gpu":
        pytest.skip(verdict.reason)
    refusal = UNSUPPORTED.get((checked_row.backend, TaskRef.parse(checked_row.task).base))
    if refusal:
        assert verdict.status == "unsupported"
        assert refusal in verdict.reason
        return
    assert verdict.status == "ok", verdict.reason
    assert verdict.agrees, verdict.reason
    assert verdict.gradient <= 1e-10
    assert verdict.parameters <= 1e-9


VARIANTS = {
    "identity, another Adam": {
        "model.activation": "identity",
        "optimizer": "adam",
        "optimizer.beta1": 0.8,
        "optimizer.beta2": 0.95,
        "optimizer.epsilon": 1e-4,
    },
    "tanh, SGD": {"model.activation": "tanh", "optimizer": "sgd", "optimizer.learning_rate": 0.1},
    "sigmoid, one row a step": {
        "model.activation": "sigmoid",
        "batch_size": 1,
        "optimizer.learning_rate": 0.005,
        "epochs": 3,
    },
    "no hidden layer, all rows in every step": {"model.hidden": (), "batch_size": "all"},
    "two hidden layers of gelu, Adam": {
        "model.hidden": (7, 5),
        "model.activation": "gelu",
        "optimizer": "adam",
        "optimizer.learning_rate": 0.01,
    },
}


def variants() -> list[Any]:
    """Return variant, backend and mode.

    PyTorch's compiled modes take ten seconds each, and parity compiles them for two tasks of the suite, one of which
    has no hidden layer and all rows in every step; so only `-m exhaustive` trains them here. Keras takes some four
    seconds, so two of its are enough.
    """
    by_keras = ("identity, another Adam", "no hidden layer, all rows in every step")
    found = []
    for variant in VARIANTS:
        for backend, mode in KINDS:
            marks = [] if (backend, mode) in QUICK else [pytest.mark.slow]
            left_out = mode.startswith("compile") or (backend.startswith("keras") and variant not in by_keras)
            if left_out:
                marks.append(pytest.mark.exhaustive)
            found.append(pytest.param(variant, backend, mode, id=f"{variant}-{backend}-{mode}", marks=marks))
    return found


@pytest.mark.parametrize(("variant", "backend", "mode"), variants())
def test_every_setting_means_the_same_everywhere(variant: str, backend: str, mode: str, tracer: Tracer) -> None:
    row = a_row("iris_mlp", backend, mode, precision="float64")
    require(row)
    settings = {"epochs": 5, **VARIANTS[variant]}
    if backend == "sklearn" and settings.get("optimizer") == "adam":
        with pytest.raises(AssertionError, match=f"{NO_ADAM}|has no gelu"):
            tracer.train(row, settings)
        return
    mine = tracer.train(row, settings)
    right = tracer.reference("iris_mlp", settings)
    np.testing.assert_allclose(mine.losses, right.losses, rtol=1e-10)
    for layer, reference in zip(mine.params, right.params, strict=True):
        np.testing.assert_allclose(layer["weights"], reference["weights"], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(layer["bias"], reference["bias"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("backend", "mode"), slow_but(QUICK, compiled=False))
def test_training_again_from_the_same_start_gives_the_same_losses_bit_for_bit(
    backend: str, mode: str, tracer: Tracer
) -> None:
    row = a_row("linear_fit_minibatch", backend, mode)
    require(row)
    whole = tracer.train(row, {"epochs": 3})
    np.testing.assert_array_equal(whole.losses, tracer.train(row, {"epochs": 3}).losses)
    np.testing.assert_array_equal(whole.losses, tracer.trace(row, {"epochs": 3}).losses)


@pytest.mark.parametrize(("backend", "mode"), slow_but(QUICK))
def test_a_gpu_without_one_is_unsupported_with_a_reason(backend: str, mode: str, tracer: Tracer) -> None:
    if gpu_names() and backend != "numpy":
        pytest.skip("there is a GPU")
    row = a_row("linear_fit", backend, mode, device="gpu")
    require(a_row("linear_fit", backend, mode))
    with pytest.raises(AssertionError, match=r"CPU only|finds no (CUDA|GPU) device"):
        tracer.train(row)


@pytest.mark.parametrize(
    "backend", [name if name in FRAMEWORKS else pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN]
)
def test_what_a_backend_does_not_know_is_refused(backend: str, tracer: Tracer) -> None:
    row = a_row("linear_fit", backend, BUILT_IN[backend].modes[0])
    require(row)
    placement = Placement(mode=row.mode, device="cpu", precision="float32", threads=1)
    request = CheckRequest(check="refuses", backend=BUILT_IN[backend], placement=placement)
    assert tracer.worker(row).run(request, 60) == Done()


def test_the_reference_refuses_what_it_does_not_know() -> None:
    placement = Placement(mode="plain", device="cpu", precision="float32", threads=1)
    for problem in with_something_unknown(classification("float32").problem).values():
        with pytest.raises(Unsupported, match=r"^the backend of the reference has no [Uu]nknown\w*$"):
            numpy_reference.open_trainer(problem, placement)


# Beside NumPy's, which is there in every process.
POOLS = {
    "torch": ("torch", "libgomp"),
    "tensorflow": ("tensorflow",),
    "jax": ("XLA",),
    "keras-torch": ("torch", "libgomp"),
    "keras-tensorflow": ("tensorflow",),
    "keras-jax": ("XLA",),
    "sklearn": ("libgomp",),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("backend", "mode"), slow_but(QUICK, compiled=False))
def test_every_mode_multiplies_matrices_tells_of_no_memory_but_the_hosts_and_used_what_its_row_says(
    backend: str, mode: str, precision: Precision, tracer: Tracer
) -> None:
    row = a_row("thermometer_raw", backend, mode, precision=precision)
    require(row)
    record = tracer.record(row)
    timing, resources = record.timing, record.resources
    assert timing is not None
    assert timing.product_flops_per_s > 1e8
    assert timing.peak_memory_bytes > 10_000_000
    assert timing.peak_device_memory_bytes is None
    assert resources is not None
    used = resources.used
    assert used is not None
    assert (used.dtypes, used.devices, used.coarse) == ((precision,), ("cpu",), ())
    pools = {pool.name: pool.threads for pool in used.pools}
    assert pools.keys() >= {"libscipy_openblas", *POOLS.get(backend, ())}
    assert set(pools.values()) == {1}


def test_no_task_that_is_written_down_is_forgotten() -> None:
    modules = [importlib.import_module(f"{catalog.__name__}.{found.name}") for found in iter_modules(catalog.__path__)]
    written = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Task)}
    assert written == TASKS
