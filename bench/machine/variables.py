"""Environment variables that change the speed of a framework."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

# They force the code for a given processor instead of the one that the library detects.
KERNEL_VARIABLES = (
    *("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "BLIS_ARCH_TYPE", "NVPL_BLAS_DEBUG_CPU_TYPE"),
    *("MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS"),
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"),
)
# They bind threads to cores.
BINDING_VARIABLES = ("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_PLACES", "OMP_PROC_BIND")

# They set the number of threads.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NPROC",  # of XLA's pool on the CPU, which has no other setting
)
CACHE_VARIABLES = ("JAX_COMPILATION_CACHE_DIR",)  # with a warm cache the first call would not compile
# They say where compiled code is kept, by frameworks that must have such a place. Most libraries follow the first.
CACHE_FOLDERS = ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "NUMBA_CACHE_DIR")

# Not TF_ alone: other tools, such as Terraform, use this prefix too.
FRAMEWORK_PREFIXES = (
    *("CUDA_", "JAX_", "KMP_", "MKL_", "OMP_", "OPENBLAS_", "PYTORCH_", "TORCH", "XLA_"),
    *("TF_CPU_", "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_XLA_"),
    *("ATEN_", "BLIS_", "DNNL_", "GOMP_", "NPY_", "NUMEXPR_", "NVPL_", "ONEDNN_", "TRITON_", "VECLIB_"),
)
# They change every library: the loader, the allocator, and the precision of products on a GPU.
COMMON_VARIABLES = (
    *("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_CONF"),
    *("NVIDIA_TF32_OVERRIDE", "PYTHONMALLOC", "PYTHONOPTIMIZE"),
)
# No variable with such a part in its name gets into a file.
SECRETS = ("AUTH", "COOKIE", "CREDENTIAL", "KEY", "PASSW", "PRIVATE", "SECRET", "TOKEN")
# User and password in a URL; the value of what is named like a secret, as in `x?token=1`.
SECRET_PARTS = re.compile(rf"(?<=://)[^/\s@]*(?=@)|(\w*(?:{'|'.join(SECRETS)})\w*=)[^&;,:\s]+", re.IGNORECASE)


def settings_of_frameworks(environment: Mapping[str, str], own: Collection[str] = ()) -> dict[str, str]:
    """Return the variables that change what the workers compute with, by name. All workers inherit them.

    `own` are those that backends of other packages name; one that ends with _ stands for all that begin so.

    They stand in the header of a run file, where `bench compare` and `--resume` compare them; what `bench doctor` warns
    of is among them.
    """
    names = frozenset((*COMMON_VARIABLES, *THREAD_VARIABLES, *own))
    prefixes = (*FRAMEWORK_PREFIXES, *(name for name in own if name.endswith("_")))
    counted = {name: value for name, value in environment.items() if _counts(name, names, prefixes)}
    return {name: without_secrets(value) for name, value in sorted(counted.items())}


def without_secrets(text: str) -> str:
    """Return text with *** in place of passwords: user and password of a URL, and the value of `token=...`."""
    return SECRET_PARTS.sub(lambda found: f"{found[1] or ''}***", text)


def _counts(name: str, names: Collection[str], prefixes: tuple[str, ...]) -> bool:
    known = name in names or name.startswith(prefixes)
    return known and not any(part in name.upper() for part in SECRETS)
