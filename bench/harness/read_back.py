"""What a framework really uses, read back from its own objects in the worker: types, devices, threads, precision.

A backend is not asked, because it can be wrong about itself, and because authors of plug-ins have nothing to write.
Frameworks are looked up among the loaded modules; nothing is imported for it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from backends.contract import Array, Device, Params, Trainer, parts
from bench.machine.pools import libraries_with_pools
from bench.machine.usage import TASKS
from bench.records.schema import Pool, Used

LOOKED_AT = 200_000  # objects; a trainer of ours reaches its parameters within some hundreds
CLOSED = (type, ModuleType, CodeType, FrameType)  # what these refer to does not belong to the trainer
XLA_THREAD = "tf_XLAEigen"  # the name of each thread that XLA computes with on the CPU


def used_by(trainer: Trainer, device: Device) -> Used:
    """Return what a trainer has used; it has been trained, so that all pools of threads have been made."""
    params = trainer.params()
    found = list(holders(trainer, params))
    convolves = any(part.ndim == 4 for part in parts(params))
    return Used(
        dtypes=tuple(sorted({held.dtype for held in found})),
        devices=tuple(sorted({held.device for held in found})),
        pools=tuple(sorted({*_libraries(), *_frameworks()})),
        coarse=tuple(coarse_products(device, convolves=convolves)),
    )


class Held(NamedTuple):
    """An array of some framework."""

    dtype: str
    device: str  # cpu, gpu, or the framework's own name of something else
    shape: tuple[int, ...]
    values: Callable[[], Array]  # copies it to host memory


def holders(trainer: Trainer, params: Params) -> Iterator[Held]:
    """Yield the arrays that a trainer holds its weights in: those that give `params` when cast to their type.

    Nothing is yielded for a framework whose arrays are not known here, or if weights are kept in another shape.
    """
    wanted = [part for part in parts(params) if part.ndim == 2 and part.any()]  # zeros would be found anywhere
    for thing in reachable(trainer):
        with suppress(Exception):  # objects of other people may raise anything; what cannot be read is not recognised
            held = _held(thing)
            if held is not None and any(_holds(held, weights) for weights in wanted):
                yield held


def reachable(root: object, most: int = LOOKED_AT) -> Iterator[object]:
    """Yield the objects that `root` refers to, the nearest first: attributes, items and what closures keep."""
    seen, near = {id(root)}, [root]
    while near and len(seen) < most:
        far: list[object] = []
        for thing in near:
            yield thing
            new = [each for each in _referents(thing) if id(each) not in seen and not issubclass(type(each), CLOSED)]
            seen.update(map(id, new))
            far += new
        near = far


def _referents(thing: object) -> Iterable[object]:
    if isinstance(thing, FunctionType):  # not its globals, which lead everywhere
        return [*(thing.__closure__ or ()), *(thing.__defaults__ or ())]
    return gc.get_referents(thing)


def _holds(held: Held, weights: Array) -> bool:
    """Return whether an array has these weights [inputs, outputs], or transposed, before they were cast."""
    for mine, shape in ((weights, weights.shape), (weights.T, weights.T.shape)):
        if held.shape == shape:
            cast = held.values().astype(weights.dtype)
            if np.array_equal(cast, mine, equal_nan=True):
                return True
    return False


def _held(thing: object) -> Held | None:
    for name, read in READERS.items():
        module = sys.modules.get(name)
        held = read(module, thing) if module is not None else None
        if held is not None:
            return held
    return None


def _of_numpy(_: Any, thing: Any) -> Held | None:
    if not isinstance(thing, np.ndarray) or thing.dtype.kind != "f":
        return None
    return Held(thing.dtype.name, "cpu", thing.shape, lambda: thing)


def _of_torch(torch: Any, thing: Any) -> Held | None:
    # Not its subclasses, by which compilers trace: those have no values.
    if type(thing) not in (torch.Tensor, torch.nn.Parameter) or not thing.is_floating_point():
        return None
    name = str(thing.dtype).removeprefix("torch.")
    return Held(name, _device(thing.device.type), tuple(thing.shape), lambda: thing.detach().cpu().double().numpy())


def _of_tensorflow(tf: Any, thing: Any) -> Held | None:
    if not isinstance(thing, tf.Variable | tf.Tensor) or tf.is_symbolic_tensor(thing) or not thing.dtype.is_floating:
        return None
    where = tf.DeviceSpec.from_string(thing.device).device_type or "CPU"
    return Held(thing.dtype.name, _device(where), tuple(thing.shape), lambda: thing.numpy().astype(np.float64))


def _of_jax(jax: Any, thing: Any) -> Held | None:
    if not isinstance(thing, jax.Array) or isinstance(thing, jax.core.Tracer) or thing.is_deleted():
        return None
    if not jax.numpy.issubdtype(thing.dtype, jax.numpy.floating):
        return None
    (where, *_) = thing.devices()
    return Held(thing.dtype.name, _device(where.platform), thing.shape, lambda: np.asarray(thing).astype(np.float64))


def _device(name: str) -> str:
    return {"cuda": "gpu", "rocm": "gpu"}.get(name.lower(), name.lower())


READERS: dict[str, Callable[[Any, Any], Held | None]] = {
    "numpy": _of_numpy,
    "torch": _of_torch,
    "tensorflow": _of_tensorflow,
    "jax": _of_jax,
}


def _libraries() -> Iterator[Pool]:
    """Yield the pools of the BLAS and OpenMP libraries that are loaded, those of OpenMP as this thread sees them.

    OMP_THREAD_LIMIT makes OpenMP start fewer threads than it says.
    """
    for library in libraries_with_pools():
        threads = library.num_threads or 0
        if library.user_api == "openmp":
            threads = min(threads, library.dynlib.omp_get_thread_limit())
        if threads > 0:  # BLIS says -1 where it was told nothing
            yield Pool(name=library.prefix, threads=threads)


def _frameworks() -> Iterator[Pool]:
    """Yield the pools that frameworks have beside those of libraries."""
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None:
        yield Pool(name="torch", threads=torch.get_num_threads())
    if tensorflow is not None:
        threads = tensorflow.config.threading.get_intra_op_parallelism_threads()
        if threads > 0:  # otherwise it uses the cores that the process may run on
            yield Pool(name="tensorflow", threads=threads)
    names = [(task / "comm").read_text().strip() for task in TASKS.iterdir()] if TASKS.is_dir() else []
    if XLA_THREAD in names:  # JAX has no function that tells
        yield Pool(name="XLA", threads=names.count(XLA_THREAD))


def coarse_products(device: Device, *, convolves: bool) -> Iterator[str]:
    """Yield the settings that allow products of float32 with fewer digits than float32 has: TF32, bfloat16.

    Those of TensorFlow and JAX change only what a GPU does. PyTorch has one for products and one for convolutions.
    """
    torch, tensorflow, jax = (sys.modules.get(name) for name in ("torch", "tensorflow", "jax"))
    if torch is not None:
        yield from _torch_settings(torch, device, convolves)
    if torch is not None and torch.is_autocast_enabled("cuda" if device == "gpu" else "cpu"):
        yield "PyTorch's autocast is on"
    if device != "gpu":
        return
    if tensorflow is not None and tensorflow.config.experimental.tensor_float_32_execution_enabled():
        yield "TensorFlow's TF32 is on"
    if jax is not None and jax.config.jax_default_matmul_precision not in ("highest", "float32"):
        yield f"JAX's default precision of products is {jax.config.jax_default_matmul_precision}"


def _torch_settings(torch: Any, device: Device, convolves: bool) -> Iterator[str]:
    libraries = torch.backends
    products = (libraries.cuda if device == "gpu" else libraries.mkldnn).matmul
    convolutions = (libraries.cudnn if device == "gpu" else libraries.mkldnn).conv
    for name, settings in (("products", products), *([("convolutions", convolutions)] if convolves else [])):
        if settings.fp32_precision not in ("ieee", "none"):  # none: nothing was set, which means all digits
            yield f"PyTorch's float32 {name} are {settings.fp32_precision}"
