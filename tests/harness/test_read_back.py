"""What a framework really used is read back from its objects, and a row that is something else is unfair."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from support import FAKES, ROOT, a_job, a_record, a_row, require

from backends.contract import Array, Device, Params
from backends.registry import BUILT_IN
from bench.analysis.claims import unlike_row
from bench.analysis.flags import flags_of, unfair
from bench.harness.live import record_of
from bench.harness.process import Worker, worker_environment
from bench.harness.read_back import coarse_products, holders, reachable
from bench.harness.time_job import TimeRequest
from bench.machine.host import usable_cores
from bench.records.schema import Job, Pool, Record, Resources, Used

UNLIKE = replace(BUILT_IN["numpy"], name="unlike_its_row", module="unlike_its_row")
WEIGHTS = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32)
PARAMS: Params = ({"weights": WEIGHTS, "bias": np.zeros(3, np.float32)},)
LIKE = Used(dtypes=("float32",), devices=("cpu",), pools=(Pool(name="libgomp", threads=2),), coarse=())


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Return a worker for all modes: each sets right what the one before it has left."""
    environment = worker_environment(os.environ, 1, tmp_path_factory.mktemp("compiled"))
    with Worker(cores=usable_cores()[:1], environment={**environment, "PYTHONPATH": str(FAKES)}) as worker:
        yield worker


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("double", "keeps its weights in float64, the row says float32"),
        ("half", "keeps its weights in float16, the row says float32"),
        ("blas_threads", "its threads: 2 in libscipy_openblas; 1 granted"),
        ("torch_threads", "its threads: 2 in libgomp and 2 in torch; 1 granted"),
        (
            "torch_bfloat16_products",
            "products may be coarser than float32: PyTorch's float32 products are bf16",
        ),
        ("torch_double", "keeps its weights in float64, the row says float32"),
    ],
)
def test_a_row_that_trains_with_something_else_is_unfair_and_says_with_what(
    mode: str, said: str, worker: Worker
) -> None:
    if mode.startswith("torch"):
        require(a_row("linear_fit", "torch", "eager"))
    row = a_row("linear_fit", "unlike_its_row", mode)
    record = record_of(TimeRequest(job=a_job(row), backend=UNLIKE), worker, 60)
    assert record.status == "ok", f"{record.reason}\n{record.output}"
    assert said in unfair(flags_of([record])).get(row, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"dtypes": (), "devices": (), "pools": ()}, ""),  # nothing was recognised
        ({"dtypes": ("float32", "float64")}, "keeps its weights in float64, the row says float32"),
        ({"dtypes": ("bfloat16",)}, "keeps its weights in bfloat16, the row says float32"),
        ({"devices": ("gpu",)}, "keeps its weights on the gpu, the row says cpu"),
        ({"pools": (Pool(name="XLA", threads=1),)}, "its threads: 1 in XLA; 2 granted"),
        ({"pools": (Pool(name="libgomp", threads=3), *LIKE.pools)}, "its threads: 3 in libgomp; 2 granted"),
        ({"coarse": ("TensorFlow's TF32 is on",)}, "products may be coarser than float32: TensorFlow's TF32 is on"),
    ],
)
def test_each_way_to_be_something_else_is_told(changes: dict[str, Any], said: str) -> None:
    job = Job(row=a_row("linear_fit"), threads=2, block=0)
    assert unlike_row(job, msgspec.structs.replace(LIKE, **changes)) == said


@pytest.mark.parametrize(
    ("device", "convolves", "settings", "told"),
    [
        ("gpu", True, {"cudnn.conv": "tf32"}, ["PyTorch's float32 convolutions are tf32"]),
        ("gpu", False, {"cudnn.conv": "tf32"}, []),  # PyTorch's default, which no model without them notices
        ("gpu", True, {"mkldnn.conv": "bf16", "mkldnn.matmul": "bf16"}, []),
        ("cpu", True, {"mkldnn.conv": "bf16"}, ["PyTorch's float32 convolutions are bf16"]),
        ("gpu", False, {"cuda.matmul": "tf32"}, ["PyTorch's float32 products are tf32"]),
        ("cpu", True, {"cuda.matmul": "tf32", "cudnn.conv": "tf32"}, []),
    ],
)
def test_convolutions_have_a_setting_of_their_own(
    device: Device, convolves: bool, settings: dict[str, str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(name: str, *kinds: str) -> SimpleNamespace:
        found = {kind: SimpleNamespace(fp32_precision=settings.get(f"{name}.{kind}", "ieee")) for kind in kinds}
        return SimpleNamespace(**found)

    libraries = {"cuda": ("matmul",), "cudnn": ("conv",), "mkldnn": ("matmul", "conv")}
    backends = SimpleNamespace(**{name: library(name, *kinds) for name, kinds in libraries.items()})
    torch = SimpleNamespace(backends=backends, is_autocast_enabled=lambda _: False)
    for name, module in {"torch": torch, "tensorflow": None, "jax": None}.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert list(coarse_products(device, convolves=convolves)) == told


def test_a_row_on_a_gpu_is_not_one_on_the_cpu() -> None:
    job = Job(row=a_row("linear_fit", device="gpu"), threads=2, block=0)
    assert unlike_row(job, LIKE) == "keeps its weights on the cpu, the row says gpu"


def test_a_library_that_is_built_for_fewer_threads_than_there_are_cores_is_not_blamed() -> None:
    job = Job(row=a_row("linear_fit"), threads=96, block=0)
    pools = (Pool(name="libscipy_openblas", threads=64), Pool(name="libgomp", threads=96))
    assert unlike_row(job, msgspec.structs.replace(LIKE, pools=pools)) == ""
    assert unlike_row(job, msgspec.structs.replace(LIKE, pools=(Pool(name="libscipy_openblas", threads=32),)))


def test_one_process_that_is_something_else_makes_its_row_unfair_and_old_files_know_nothing() -> None:
    row = a_row("linear_fit")
    found = [Resources(cores=2, dtype="float32", framework="1.0", used=used) for used in (LIKE, None)]
    wrong = Resources(cores=2, dtype="float32", framework="1.0", used=msgspec.structs.replace(LIKE, devices=("gpu",)))
    records: list[Record] = [a_record(row, block, resources=found[block % 2]) for block in range(4)]
    assert unfair(flags_of(records)) == {}
    records.append(a_record(row, 4, resources=wrong))
    assert unfair(flags_of(records)) == {row: ["keeps its weights on the gpu, the row says cpu"]}


POOLS = """
import sklearn.utils._openmp_helpers  # loads an OpenMP library
from bench.harness.read_back import used_by
from backends.contract import Placement
from backends.numpy_backend import NumpyTrainer
from bench.conformance.cases import line
placement = Placement(mode="loop", device="cpu", precision="float32", threads=2)
used = used_by(NumpyTrainer(line("float32").problem, placement), "cpu")
print(*(f"{pool.name}={pool.threads}" for pool in used.pools))
"""


@pytest.mark.parametrize(("limit", "threads"), [({}, 2), ({"OMP_THREAD_LIMIT": "1"}, 1)])
def test_a_limit_that_openmp_does_not_tell_of_is_read_too(limit: dict[str, str], threads: int) -> None:
    require(a_row("linear_fit", "sklearn", "partial_fit"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", **limit}
    result = subprocess.run(
        [sys.executable, "-c", POOLS], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    pools = dict(pool.split("=") for pool in result.stdout.split())
    assert {int(count) for name, count in pools.items() if "omp" in name} == {threads}


class Holder:
    """Holds an array as trainers do."""

    def __init__(self, **held: object) -> None:
        self.__dict__ |= held


def keeps(array: Array) -> Callable[[], Array]:
    return lambda: array


def dtypes(trainer: object) -> list[str]:
    return [held.dtype for held in holders(trainer, PARAMS)]


@pytest.mark.parametrize(
    ("trainer", "found"),
    [
        (Holder(layers=[(WEIGHTS, None)]), ["float32"]),
        (Holder(model={"a": Holder(w=WEIGHTS.T)}), ["float32"]),
        (Holder(update=keeps(WEIGHTS.astype(np.float64))), ["float64"]),
        (Holder(values=np.arange(6.0).reshape(2, 3), flags=WEIGHTS > 0), []),  # another array of the same shape
        (Holder(model=np), []),  # a module is not part of a trainer
    ],
    ids=["items", "transposed", "closure", "others", "module"],
)
def test_weights_are_found_wherever_a_trainer_keeps_them(trainer: object, found: list[str]) -> None:
    assert dtypes(trainer) == found


class Unreadable(np.ndarray):
    """An array that does not let itself be read, as those by which a compiler traces."""

    def astype(self, *_: object, **__: object) -> Any:
        raise RuntimeError("no values here")


def test_what_cannot_be_read_costs_nothing() -> None:
    assert dtypes(Holder(traced=WEIGHTS.view(Unreadable), weights=WEIGHTS)) == ["float32"]


def test_weights_that_are_all_zero_are_recognised_nowhere() -> None:
    zero = ({"weights": np.zeros((2, 3), np.float32), "bias": np.zeros(3, np.float32)},)
    assert list(holders(Holder(state=np.zeros((2, 3))), zero)) == []


def test_looking_ends_in_a_circle_and_in_what_is_too_large() -> None:
    circle = Holder(list=[])
    circle.__dict__["list"].append(circle)
    assert sum(thing is circle for thing in reachable(circle)) == 1
    assert sum(1 for _ in reachable([[index] for index in range(5000)], most=1000)) < 6000
