"""The environment variables that change what is measured, and those that change results."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

# Each of these changes times, so a report has it.
TIMES = (
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "GOMP_SPINCOUNT", "GOMP_CPU_AFFINITY",
    "KMP_BLOCKTIME", "KMP_AFFINITY", "MKL_NUM_THREADS", "MALLOC_CONF", "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
# These change the arithmetic or the generated code. All variables of a library count, unless
# HARMLESS has them: one too many builds again, one too few takes one thing for another.
RESULTS = (
    "ATEN_*", "TORCH*", "PYTORCH_*", "AOT_INDUCTOR_*", "AOTINDUCTOR_*", "AOTI_*", "TRITON_*",
    "ONEDNN_*", "DNNL_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "CUBLAS_*", "CUBLASLT_*", "CUDNN_*",
    "NVIDIA_TF32_OVERRIDE", "DISABLE_ADDMM_CUDA_LT", "TIMM_*", "OV_*", "OPENVINO_*", "NNCF_*",
    "ORT_*", "MLAS_*", "XNNPACK_*", "ZENDNN*", "ZENTORCH_*", "OMP_DYNAMIC", "OMP_THREAD_LIMIT",
    "KMP_DETERMINISTIC_REDUCTION", "GLIBC_TUNABLES", "LD_PRELOAD",
)  # fmt: skip
# Where a compiler or a loader looks. They are paths of a machine: in a key, and in no report.
PATHS = (
    "CXX", "CC", "CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "LIBRARY_PATH",
    "LD_LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH", "CCC_OVERRIDE_OPTIONS",
)  # fmt: skip
# Keys have threads by number; the others say where files lie, what is printed, how memory grows.
# executorch sets OPENVINO_LIB_PATH when it is imported, and no runtime of ours reads it: a key that
# had it would be another one before that import.
HARMLESS = (
    "OPENVINO_LIB_PATH",
    "*_NUM_THREADS", "*_COMPILE_THREADS", "*_CACHE_DIR", "*_HOME", "*_HUB", "*_EXTENSIONS_DIR",
    "*VERBOSE*", "*_LOG*", "*_SHOW_*", "*ALLOC_CONF", "*_TELEMETRY", "TORCH_NCCL_*",
    "TORCH_DISTRIBUTED_*", "TORCHELASTIC_*", "TORCHINDUCTOR_WORKER_*",
)  # fmt: skip


def of_results() -> dict[str, str]:
    """The environment variables in force that change results, not only times."""
    found = _set((*RESULTS, *PATHS))
    return {name: value for name, value in found.items() if not _matches(name, HARMLESS)}


def of_measurements() -> dict[str, str]:
    """The environment variables in force that change what is measured."""
    found = _set((*TIMES, *RESULTS))
    return {n: v for n, v in found.items() if n in TIMES or not _matches(n, HARMLESS)}


def _set(globs: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in sorted(os.environ) if _matches(name, globs)}


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
