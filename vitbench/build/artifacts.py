"""The cache on disk: built artifacts, and the small results that take minutes to compute."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vitbench.build.entry import Artifact, key, read_entry
from vitbench.build.eviction import LOCKS, MANIFEST, evict, lease_file, lock_file
from vitbench.build.files import beside, private, remove, save_rows, sha256
from vitbench.build.full_disk import is_full
from vitbench.build.locks import READ_ONLY, Leases, acquire
from vitbench.build.trust import require_trust
from vitbench.errors import UserError

T = TypeVar("T")
ARTIFACTS, PIXELS = "artifacts", "pixels"
LIMIT_BYTES = 10 * 2**30


def default_folder() -> Path:
    """VITBENCH_CACHE, or where this machine keeps the caches of its programs."""
    import platformdirs

    return Path(os.environ.get("VITBENCH_CACHE") or platformdirs.user_cache_path("vitbench"))


class ArtifactCache:
    """A folder shared by processes: an entry is made once, whole or not at all.

    An entry is `folder/KIND/KEY/{artifact.*, manifest.json}`. One that is damaged, or that another
    user could have changed, is made again; so is one made under another `rebuild` token (of one
    pytest session, shared by its workers) than this cache's, if it has one. Whenever an entry was
    made, of whatever kind, the least recently used beyond the limit go. None that this object has
    handed out, and no artifact that one in another process has, goes before that object does. `say`
    hears, once, that what stays exceeds the limit.

    A folder that cannot be written serves with what lies in it. Else every method raises UserError
    where the folder cannot be used or is not safe. What a builder raises propagates and leaves
    nothing behind.
    """

    def __init__(
        self,
        folder: Path,
        rebuild: str | None = None,
        limit_bytes: int = LIMIT_BYTES,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.rebuild = rebuild
        self.limit_bytes = limit_bytes
        self.say = say
        self._leases = Leases()
        self._used: set[Path] = set()

    def get(
        self, identity: Mapping[str, Any], suffix: str, build: Callable[[Path], dict[str, Any]]
    ) -> Artifact:
        """The artifact of an identity; `build` writes it to a path and returns what it measured."""

        def use(artifact: Artifact) -> Artifact:
            self._leases.take(lease_file(self.folder / ARTIFACTS / artifact.key))
            return artifact

        return self._entry(ARTIFACTS, identity, suffix, build, use)

    def json(self, kind: str, identity: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """What `compute` returned for this identity, after a trip through JSON."""

        def build(path: Path) -> dict[str, Any]:
            path.write_text(json.dumps(compute()), "utf-8")
            return {}

        def use(artifact: Artifact) -> Any:
            return json.loads(artifact.path.read_text("utf-8"))

        return self._entry(kind, identity, ".json", build, use)

    def array(
        self,
        kind: str,
        identity: Mapping[str, Any],
        count: int,
        compute: Callable[[], Iterable[NDArray[Any]]],
    ) -> NDArray[Any]:
        """The array, of `count` rows, that `compute` gave block by block for this identity. It is
        mapped from its file, and only read."""

        def build(path: Path) -> dict[str, Any]:
            save_rows(path, count, compute())
            return {}

        def use(artifact: Artifact) -> NDArray[Any]:
            return np.asarray(np.load(artifact.path, mmap_mode="r", allow_pickle=False))

        return self._entry(kind, identity, ".npy", build, use)

    def _entry(
        self,
        kind: str,
        identity: Mapping[str, Any],
        suffix: str,
        build: Callable[[Path], dict[str, Any]],
        use: Callable[[Artifact], T],
    ) -> T:
        """What `use` makes of an entry while no process can delete it."""
        entry = self.folder / kind / key(identity)
        with self._locked(entry) as writable:
            found = read_entry(entry, suffix, self.rebuild)
            made = found is None
            if found is None:
                if not writable:
                    raise UserError(self._complaint("it is read-only, and an entry is to be made"))
                self._make(entry, identity, suffix, build)
                found = read_entry(entry, suffix, self.rebuild)
                if found is None:
                    raise UserError(self._complaint("a file that was just written is damaged"))
                found = replace(found, built=found.build_seconds is not None)
            else:
                with suppress(OSError):  # of another user, or in a folder that is read only
                    os.utime(entry / MANIFEST)
            with self._writing():
                used = use(found)
            self._used.add(entry)
        if made:
            self._evict()
        return used

    def _make(
        self,
        entry: Path,
        identity: Mapping[str, Any],
        suffix: str,
        build: Callable[[Path], dict[str, Any]],
    ) -> None:
        """Build beside the entry and rename. The caller has locked the entry."""
        with self._writing():
            for left in entry.parent.glob(f"{entry.name}*.partial"):  # by a process that was killed
                remove(left)
            # A new name each time: a worker of that process may not have died yet.
            partial = Path(tempfile.mkdtemp(".partial", f"{entry.name}.", entry.parent))
        try:
            path = partial / f"artifact{suffix}"
            start = perf_counter()
            measured = self._built(build, path)
            manifest = {
                "build_seconds": perf_counter() - start,
                **measured,
                "identity": dict(identity),
                "sha256": sha256(path),
                "bytes": sum(file.stat().st_size for file in beside(path)),
                "token": self.rebuild,
            }
            with self._writing():
                (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
                if os.path.lexists(entry):  # who has its path misses it for a moment only
                    entry.rename(partial.with_name(f"{partial.stem}-old.partial"))
                partial.rename(entry)
                for old in entry.parent.glob(f"{partial.stem}-old.partial"):
                    remove(old)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _built(self, build: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
        """What a build returns. One that fails on a full disk is the folder's fault."""
        try:
            return build(path)
        except Exception as error:
            if is_full(path.parent, error):
                raise UserError(self._complaint("no space is left")) from error
            raise

    def _evict(self) -> None:
        kept = evict(self.folder, self.limit_bytes, self._used)
        if kept > self.limit_bytes:
            self.say(
                f"the cache {self.folder} has {kept / 1e6:.0f} MB, more than its limit of "
                f"{self.limit_bytes / 1e6:.0f} MB (--cache-limit): what runs use stays until they "
                "end"
            )
            self.say = lambda _: None

    @contextmanager
    def _locked(self, entry: Path) -> Iterator[bool]:
        """One process at a time per entry; False where the folder is for reading only."""
        try:
            kind = entry.parent.name
            require_trust(self.folder, kind)
            for name in (kind, LOCKS):
                private(self.folder / name)
                require_trust(self.folder, name)
            lock = acquire(lock_file(entry))
        except OSError as error:
            if error.errno not in READ_ONLY or not os.path.isdir(entry):
                raise UserError(self._complaint(error.strerror or str(error))) from error
            lock = None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(self._complaint(error.strerror or str(error))) from error

    def _complaint(self, reason: str) -> str:
        return f"the cache {self.folder} cannot be used: {reason}; choose another with --cache DIR"
