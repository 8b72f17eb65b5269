"""Entries of the cache on their way from one host to another of its class: built artifacts, and
what was seen of all images.

The key of an entry has all that it depends on, the CPU and the versions too, so another host of the
class would make the same one.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from vitbench.build.artifacts import ARTIFACTS, PIXELS
from vitbench.build.eviction import LOCKS, MANIFEST, is_entry, lock_file
from vitbench.build.files import private, remove
from vitbench.build.locks import locked

KINDS = (ARTIFACTS, PIXELS)


def entries(cache: Path) -> set[str]:
    """The entries of KINDS that lie in a cache, each as `KIND/KEY`."""
    return {
        f"{kind}/{path.name}"
        for kind in KINDS
        for path in (cache / kind).glob("*")
        if is_entry(path)
    }


def artifacts_of(names: Iterable[str]) -> int:
    """How many of these entries are artifacts."""
    return sum(name.startswith(f"{ARTIFACTS}/") for name in names)


def packed(cache: Path, keys: Collection[str]) -> dict[str, bytes]:
    """The entries of these names, each as a tar. What another process deletes meanwhile, and what
    another tool built (`build_seconds` is none), is left out."""
    found = {}
    for name in keys:
        entry, buffer = cache / name, io.BytesIO()
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
    entry = cache / name
    for folder in (entry.parent, cache / LOCKS):
        private(folder)
    with locked(lock_file(entry)):
        if entry.exists():
            return
        partial = Path(tempfile.mkdtemp(".partial", f"{entry.name}.", entry.parent))
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                tar.extractall(partial, filter="data")
            partial.chmod(0o700)
            partial.rename(entry)
        finally:
            if partial.exists():
                remove(partial)
