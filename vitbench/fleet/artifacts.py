"""Built artifacts on their way from one host to another of its class: whole entries of the cache.

The key of an entry has all that a built file depends on, the CPU and the versions too, so another
host of the class would build the same one.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from vitbench.build.artifacts import ARTIFACTS
from vitbench.build.eviction import LOCKS, MANIFEST, is_entry, lock_file
from vitbench.build.files import private, remove
from vitbench.build.locks import locked


def entries(cache: Path) -> set[str]:
    """The keys of the artifacts that lie in a cache."""
    return {path.name for path in (cache / ARTIFACTS).glob("*") if is_entry(path)}


def packed(cache: Path, keys: Collection[str]) -> dict[str, bytes]:
    """The entries of these keys, each as a tar. What another process deletes meanwhile, and what
    another tool built (`build_seconds` is none), is left out."""
    found = {}
    for name in keys:
        entry, buffer = cache / ARTIFACTS / name, io.BytesIO()
        with suppress(OSError, ValueError, KeyError), locked(lock_file(entry)):
            if json.loads((entry / MANIFEST).read_text("utf-8"))["build_seconds"] is None:
                continue
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                tar.add(entry, arcname=".")
            found[name] = buffer.getvalue()
    return found


def unpack(cache: Path, name: str, data: bytes) -> None:
    """Put an entry where it belongs, unless it is there. Its digest is checked by who uses it.
    Raises OSError or tarfile.TarError where that cannot be done."""
    entry = cache / ARTIFACTS / name
    for folder in (ARTIFACTS, LOCKS):
        private(cache / folder)
    with locked(lock_file(entry)):
        if entry.exists():
            return
        partial = Path(tempfile.mkdtemp(".partial", f"{name}.", entry.parent))
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                tar.extractall(partial, filter="data")
            partial.chmod(0o700)
            partial.rename(entry)
        finally:
            if partial.exists():
                remove(partial)
