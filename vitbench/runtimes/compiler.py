"""The C++ compiler that code of torch's Inductor, and ours, goes through: who it is."""

import hashlib
import os
import shutil
import subprocess
from functools import cache

# The runtimes that compile C++, while they build or while they load.
COMPILING = ("inductor", "aot_inductor", "zentorch", "tuned")


def compiler() -> list[str] | None:
    """Its path without links, what it says of its version, and the digest of its file.

    The file counts because a compiler may be a script around another one. None where there is no
    compiler; what goes through one says so itself (`require_compiler`).
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        name = get_cpp_compiler()
    except InvalidCxxCompiler:
        return None
    path = shutil.which(name) or name
    try:
        found = os.stat(path)
        return _described(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        return [path, str(error.strerror)]


@cache
def _described(path: str, _mtime_ns: int, _size: int) -> list[str]:
    """`compiler` of one state of its file. It is asked by its link, whose name may steer it."""
    done = subprocess.run(
        [path, "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [os.path.realpath(path), *done.stdout.splitlines()[:1], digest]
