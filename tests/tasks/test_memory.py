"""What a training needs: held against what workers have taken, and refused before anything runs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from run_files import Bench
from support import ROOT, a_job, a_row

import bench
from backends.contract import WordCounts, row_shape
from backends.registry import BUILT_IN
from bench.harness.live import record_of
from bench.harness.setup import make_setup
from bench.harness.time_job import TimeRequest
from bench.tasks import TASKS
from bench.tasks.datasets.fetch import DataMissing, find
from bench.tasks.datasets.folders import data_folders
from bench.tasks.memory import TooLarge, needs, require_memory
from bench.tasks.names import find_task
from bench.tasks.seeding import stream

GIB = 2**30


@pytest.mark.parametrize("name", list(TASKS))
def test_the_size_that_a_task_tells_is_that_of_its_data(name: str) -> None:
    task = TASKS[name]
    try:
        loaded = task.data.load(
            stream(task.seed, "data"), lambda collection: find(collection, data_folders(os.environ))
        )
    except DataMissing as error:
        pytest.skip(str(error))
    size, train, test = task.data.size, loaded.train, loaded.test
    own_test_rows = 0 if test is train else len(test.inputs)
    assert (size.rows, size.test_rows, size.outputs) == (len(train.inputs), own_test_rows, loaded.outputs)
    if isinstance(train.inputs, WordCounts):
        assert isinstance(test.inputs, WordCounts)
        words = len(train.inputs.words) + len(test.inputs.words)
        assert (size.shape, size.words) == (row_shape(train.inputs), words)
    else:
        assert (size.shape, size.words) == (row_shape(train.inputs), None)


def test_other_documents_count_as_all_there_are() -> None:
    usual = find_task("text_classifier").data.size
    other = find_task("text_classifier:data.categories=sci.med,sci.space").data.size
    assert other.outputs == 2
    assert other.rows > usual.rows
    assert other.words is not None
    assert usual.words is not None
    assert other.words > usual.words


SMALL = "linear_fit:epochs=1"
LARGE = [  # trainings in which one part is nearly all, some hundred megabytes of it, and that part
    ("data", f"linear_fit:data.weights={'x'.join('1' * 50)}:data.rows=400000:batch_size=20000:epochs=1"),
    ("parameters", "mlp_regression:model.hidden=3000x3000:data.rows=40:epochs=1"),
    ("batch", "mlp_regression:model.hidden=100:data.rows=200000:batch_size=all:epochs=1"),
    ("batch", "mnist_cnn:data.rows=1500:data.test_rows=1:batch_size=all:epochs=1"),
]


@pytest.mark.parametrize(("part", "task"), LARGE, ids=["data", "parameters", "batch", "patches of images"])
def test_a_training_takes_as_much_more_memory_as_is_estimated(part: str, task: str) -> None:
    small, large = (needs(find_task(name), "float32") for name in (SMALL, task))
    estimated = large.total - small.total
    assert getattr(large, part) - getattr(small, part) > 0.8 * estimated > 0.2 * GIB
    peak = peak_bytes(task)
    assert peak < large.total  # which is for any framework
    # NumPy keeps few copies of parameters and batches; of data it has what drawing them takes besides.
    assert 0.7 * estimated < peak - peak_bytes(SMALL) < 1.2 * estimated


@cache
def peak_bytes(task: str) -> int:
    """Return the most memory that a process had while it trained a task by NumPy."""
    setup = make_setup(None, 120, None)
    with TemporaryDirectory() as scratch, setup.worker(Path(scratch)) as worker:
        record = record_of(TimeRequest(job=a_job(a_row(task)), backend=BUILT_IN["numpy"]), worker, 120)
    assert record.timing is not None, record.reason
    return record.timing.peak_memory_bytes


def test_an_optimizer_that_keeps_more_and_a_wider_precision_take_more() -> None:
    sgd, momentum, adam = (
        needs(find_task(f"mnist_mlp:optimizer={name}"), "float32").parameters for name in ("sgd", "momentum", "adam")
    )
    assert momentum - sgd == adam - momentum > 0
    assert needs(find_task("mnist_mlp"), "float64").data > needs(find_task("mnist_mlp"), "float32").data
    sparse, dense = (needs(find_task(name), "float32") for name in ("text_classifier", "text_classifier_dense"))
    assert sparse.data < 0.1 * dense.data  # words as they are counted, not a table of zeros
    assert sparse.parameters == dense.parameters


@pytest.mark.parametrize("name", ["reference.jsonl"])
def test_no_worker_of_the_kept_runs_took_more_than_was_estimated(name: str) -> None:
    frame = bench.load(ROOT / "results" / name)
    taken = frame[frame["status"] == "ok"].groupby("task")["peak_memory_bytes"].max()
    estimated = pd.Series({task: needs(find_task(task), "float32").total for task in taken.index})
    assert (taken < estimated).all(), pd.DataFrame({"taken": taken / GIB, "estimated": estimated / GIB})


def test_what_does_not_fit_is_refused_with_what_takes_it() -> None:
    large = "mnist_mlp:model.hidden=30000x30000"
    require_memory(["mnist_mlp", large], {}, "float32", checkers=2, free_bytes=1000 * GIB)
    with pytest.raises(TooLarge) as caught:
        require_memory(["mnist_mlp", large], {}, "float32", checkers=2, free_bytes=20 * GIB)
    message = str(caught.value)
    each = needs(find_task(large), "float64")
    assert message.startswith(
        f"{large} does not fit: it needs up to {2 * each.total / GIB:.1f} GiB, and 20.0 GiB are free"
    )
    assert f"2 processes of {each.total / GIB:.1f} GiB: framework 1.2 GiB, data " in message
    assert "reduce the model or batch_size, or use fewer --threads" in message


def test_settings_for_all_tasks_count_and_one_checker_needs_less_than_two() -> None:
    changes = {"model.hidden": "30000"}
    alone = needs(find_task("mnist_mlp:model.hidden=30000"), "float64").total
    require_memory(["mnist_mlp"], changes, "float32", checkers=1, free_bytes=alone)
    with pytest.raises(TooLarge, match="1 process: framework"):
        require_memory(["mnist_mlp"], changes, "float32", checkers=1, free_bytes=alone - 1)
    with pytest.raises(TooLarge, match="2 processes"):
        require_memory(["mnist_mlp"], changes, "float32", checkers=2, free_bytes=2 * alone - 1)


@pytest.mark.parametrize("command", ["run", "parity"])
def test_the_command_line_refuses_it_before_anything_runs(command: str, bench_here: Bench, tmp_path: Path) -> None:
    result = bench_here(command, "mnist_mlp", "--set", "model.hidden=1000000x100000")
    assert result.returncode == 2
    assert result.stderr.startswith("error: mnist_mlp does not fit: it needs up to ")
    assert list(tmp_path.iterdir()) == []


def test_a_batch_of_everything_counts_its_rows() -> None:
    every, few = (needs(find_task(f"mnist_mlp:batch_size={size}"), "float32") for size in ("all", "60000"))
    assert every == few
    one = needs(find_task("mnist_mlp:batch_size=1"), "float32")
    assert every.batch - one.batch > 59_999 * 784 * 4  # the rows themselves
    assert every.data == one.data
