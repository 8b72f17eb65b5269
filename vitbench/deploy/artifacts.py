"""The cache on disk: built artifacts, and the small results that take minutes to compute."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from vitbench.errors import UserError

MANIFEST = "manifest.json"
ARTIFACTS = "artifacts"
_FULL_BYTES = 2**20  # a disk with less than this left is what made a build fail


@dataclass(frozen=True)
class Artifact:
    """A built file, and what lies beside it under the same stem: `bytes` and `sha256` are of all.

    `built` says that this very call built it; `manifest` is all that is known.
    """

    path: Path
    key: str
    bytes: int
    sha256: str
    build_seconds: float
    built: bool
    manifest: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        return _files(self.path)


def default_folder() -> Path:
    """VITBENCH_CACHE, or where this machine keeps the caches of its programs."""
    import platformdirs

    return Path(os.environ.get("VITBENCH_CACHE") or platformdirs.user_cache_path("vitbench"))


def key(identity: Mapping[str, Any]) -> str:
    """The digest of an identity: the same for equal JSON, whatever the order of its names."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class ArtifactCache:
    """A folder shared by processes: an entry is made once, whole or not at all.

    An entry is `folder/KIND/KEY/{artifact.*, manifest.json}`. One that is damaged is made
    again; so is one made under another `rebuild` token (of one pytest session, shared by its
    workers) than this cache's, if it has one. Every method raises UserError where the folder cannot
    be written. What a builder raises propagates and leaves nothing behind.
    """

    def __init__(
        self, folder: Path, rebuild: str | None = None, limit_bytes: int = 10 * 2**30
    ) -> None:
        self.folder = folder
        self.rebuild = rebuild
        self.limit_bytes = limit_bytes
        self._held: set[str] = set()

    def get(
        self, identity: Mapping[str, Any], suffix: str, build: Callable[[Path], dict[str, Any]]
    ) -> Artifact:
        """The artifact of an identity; `build` writes it to a path and returns what it measured.

        Afterwards the least recently used artifacts beyond the limit go, but none that this cache
        has handed out: its paths stay good for as long as the process lives.
        """
        artifact = self._entry(ARTIFACTS, identity, suffix, build)
        self._held.add(artifact.key)
        if artifact.built:
            self._evict()
        return artifact

    def json(self, kind: str, identity: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """What `compute` returned for this identity, after a trip through JSON."""

        def build(path: Path) -> dict[str, Any]:
            path.write_text(json.dumps(compute()), "utf-8")
            return {}

        return json.loads(self._entry(kind, identity, ".json", build).path.read_text("utf-8"))

    def array(
        self, kind: str, identity: Mapping[str, Any], compute: Callable[[], NDArray[Any]]
    ) -> NDArray[Any]:
        """The array that `compute` returned for this identity."""

        def build(path: Path) -> dict[str, Any]:
            np.save(path, compute(), allow_pickle=False)
            return {}

        path = self._entry(kind, identity, ".npy", build).path
        return np.asarray(np.load(path, allow_pickle=False))

    def _entry(
        self,
        kind: str,
        identity: Mapping[str, Any],
        suffix: str,
        build: Callable[[Path], dict[str, Any]],
    ) -> Artifact:
        digest = key(identity)
        with self._locked(kind, digest):
            entry = self.folder / kind / digest
            found = self._read(entry, suffix)
            if found is None:
                self._make(entry, identity, suffix, build)
                found = self._read(entry, suffix)
                if found is None:
                    raise UserError(self._complaint("a file that was just written is damaged"))
                return replace(found, built=True)
            with self._writing():
                os.utime(entry / MANIFEST)
            return found

    def _read(self, entry: Path, suffix: str) -> Artifact | None:
        """The entry, or None where it is missing, damaged or of another session than wanted."""
        path = entry / f"artifact{suffix}"
        try:
            manifest = json.loads((entry / MANIFEST).read_text("utf-8"))
            size, sha256 = manifest["bytes"], manifest["sha256"]
            seconds, token = manifest["build_seconds"], manifest["token"]
            if (self.rebuild and token != self.rebuild) or _sha256(path) != sha256:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Artifact(path, entry.name, size, sha256, seconds, False, manifest)

    def _make(
        self,
        entry: Path,
        identity: Mapping[str, Any],
        suffix: str,
        build: Callable[[Path], dict[str, Any]],
    ) -> None:
        """Build beside the entry and rename. The caller holds the entry's lock."""
        partial = entry.with_name(f"{entry.name}.partial")  # one a killed process left, perhaps
        with self._writing():
            _remove(partial)
            _private(partial)
        try:
            path = partial / f"artifact{suffix}"
            start = perf_counter()
            measured = self._built(build, path)
            manifest = {
                "build_seconds": perf_counter() - start,
                **measured,
                "identity": dict(identity),
                "sha256": _sha256(path),
                "bytes": sum(file.stat().st_size for file in _files(path)),
                "token": self.rebuild,
            }
            with self._writing():
                (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
                _remove(entry)
                partial.rename(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _built(self, build: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
        """What a build returns. One that fails on a full disk is the folder's fault."""
        try:
            return build(path)
        except Exception as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            if full or shutil.disk_usage(path.parent).free < _FULL_BYTES:
                raise UserError(self._complaint("no space is left")) from error
            raise

    def _evict(self) -> None:
        """Delete artifacts beyond the limit, the least recently used first."""
        used = []
        for manifest in (self.folder / ARTIFACTS).glob(f"*/{MANIFEST}"):
            try:
                size = sum(file.stat().st_size for file in manifest.parent.iterdir())
                used.append((manifest.stat().st_mtime_ns, size, manifest.parent))
            except OSError:  # another process is deleting it
                continue
        excess = sum(size for _, size, _ in used) - self.limit_bytes
        for _, size, entry in sorted(used):
            if excess <= 0:
                return
            if entry.name in self._held:
                continue
            try:
                with self._locked(ARTIFACTS, entry.name, timeout=0):
                    _remove(entry)
                    excess -= size
            except (Timeout, OSError):  # in use: the next build looks again
                continue

    @contextmanager
    def _locked(self, kind: str, digest: str, timeout: float = -1) -> Iterator[None]:
        """One process at a time per entry."""
        self._require_trust()
        with self._writing():
            _private(self.folder / kind)
            _private(self.folder / "locks")
            lock = FileLock(self.folder / "locks" / f"{kind}-{digest}.lock")
            lock.acquire(timeout=timeout)
        try:
            yield
        finally:
            lock.release()

    def _require_trust(self) -> None:
        """Raises UserError for a folder that others could have put files in: torch runs them."""
        if not self.folder.is_dir() or not hasattr(os, "getuid"):
            return
        found, me = self.folder.stat(), os.getuid()
        if found.st_mode & 0o002 or (me and found.st_uid not in (0, me)):
            raise UserError(
                f"the cache {self.folder} can be written by other users, and what lies in it is "
                "run: take that right from them (chmod o-w), or choose another with --cache DIR"
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise UserError(self._complaint(error.strerror or str(error))) from error

    def _complaint(self, reason: str) -> str:
        return f"the cache {self.folder} cannot be used: {reason}; choose another with --cache DIR"


def _private(folder: Path) -> None:
    """Make a folder and its parents, each only for this user: torch runs what lies in them."""
    if not folder.is_dir():
        if folder.parent != folder:
            _private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _remove(path: Path) -> None:
    """Delete an entry, whatever lies in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """A file and those beside it under the same stem, itself first."""
    return [path, *sorted(set(path.parent.glob(f"{path.stem}.*")) - {path})]


def _sha256(path: Path) -> str:
    """The digest of a file; of several under one stem, that of their digests in a row."""
    digests = []
    for each in _files(path):
        with each.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
