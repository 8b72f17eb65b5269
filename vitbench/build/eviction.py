"""What of a cache is deleted, and when: the least recently used first, and never what is in use."""

import re
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vitbench.build.files import private, remove
from vitbench.build.locks import Leases, locked

MANIFEST = "manifest.json"
LOCKS = "locks"
_ENTRY = re.compile(r"[0-9a-f]{64}")
_PARTIAL = re.compile(r"(?P<entry>[0-9a-f]{64})\b.*\.partial")
_LOCK = re.compile(r"(?P<kind>.+)-(?P<entry>[0-9a-f]{64})\.(lock|lease)")
_HISTORY = re.compile(r"[0-9a-f]{16}\.npz")  # what `vitbench history` has read before


@dataclass(frozen=True, order=True)
class _Used:
    """Something of the cache: when it was used last, what it takes, and where it lies."""

    nanoseconds: int
    bytes: int
    path: Path


def lock_file(entry: Path) -> Path:
    """Held by who makes, reads or deletes an entry, `cache/KIND/KEY`."""
    return entry.parents[1] / LOCKS / f"{entry.parent.name}-{entry.name}.lock"


def lease_file(entry: Path) -> Path:
    """Held by all who use the files of an entry."""
    return lock_file(entry).with_suffix(".lease")


def is_entry(path: Path) -> bool:
    """Whether a path has an entry's name."""
    return bool(_ENTRY.fullmatch(path.name))


def entry_of(path: Path) -> Path | None:
    """The entry that a file lies in; None of a path that is no artifact's."""
    return next((each for each in path.parents if is_entry(each)), None)


def hold(path: Path, leases: Leases) -> None:
    """Keep an artifact that another process was handed, by its path, for as long as `leases` do.

    To be called while that process lives. A path that is no artifact's is passed over.
    """
    if entry := entry_of(path):
        with suppress(OSError):  # the folder is gone: who loads it says so
            leases.take(lease_file(entry))


def evict(cache: Path, limit_bytes: int, keep: Container[Path] = ()) -> int:
    """Delete the least recently used beyond the limit, what dead processes left, and idle locks.

    Entries of `keep` stay, and those that some process uses. Returns how many bytes are left.
    """
    _sweep(cache)
    found = sorted(_used(cache))
    kept = sum(each.bytes for each in found)
    for each in found:
        if kept <= limit_bytes:
            break
        if each.path in keep:
            continue
        with suppress(OSError):  # in use, or gone: the next build looks again
            kept -= each.bytes if _delete(each.path) else 0
    return kept


def _used(cache: Path) -> Iterator[_Used]:
    """All that may be deleted. Whatever else lies there is not ours: `--cache=.` is legal."""
    for path in [*cache.glob("*/*")]:
        with suppress(OSError):  # another process is deleting it
            if is_entry(path) and path.is_dir():
                files = [*path.iterdir()]
                if all(file.name == MANIFEST or file.stem == "artifact" for file in files):
                    manifest = path / MANIFEST
                    used = manifest if manifest in files else path
                    size = sum(f.lstat().st_size for f in path.rglob("*") if not f.is_dir())
                    yield _Used(used.stat().st_mtime_ns, size, path)
            elif path.parent.name == "history" and _HISTORY.fullmatch(path.name):
                yield _Used(path.stat().st_mtime_ns, path.stat().st_size, path)


def _delete(path: Path) -> bool:
    """Delete an entry, or a file, that no process uses. Its lock's file goes last."""
    if not is_entry(path):
        path.unlink()
        return True
    lock, lease = lock_file(path), lease_file(path)
    private(lock.parent)
    with locked(lock, wait=False) as mine:
        if not mine:
            return False
        with locked(lease, wait=False) as unused:
            if unused:
                remove(path)
                lease.unlink(missing_ok=True)
        if unused:
            lock.unlink(missing_ok=True)
        return unused


def _sweep(cache: Path) -> None:
    """Delete builds whose process is dead, and locks of entries that are gone."""
    for partial in [*cache.glob("*/*.partial")]:
        if match := _PARTIAL.fullmatch(partial.name):
            lock = lock_file(partial.with_name(match["entry"]))
            with suppress(OSError), locked(lock, wait=False) as dead:
                if dead:
                    remove(partial)
    for lock in [*cache.glob(f"{LOCKS}/*-*.*")]:
        match = _LOCK.fullmatch(lock.name)
        if match and not (cache / match["kind"] / match["entry"]).exists():
            with suppress(OSError), locked(lock, wait=False) as idle:
                if idle and not (cache / match["kind"] / match["entry"]).exists():
                    lock.unlink(missing_ok=True)
