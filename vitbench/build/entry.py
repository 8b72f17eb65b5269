"""One entry of the cache on disk: what lies in its folder, and whether that is whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vitbench.build.eviction import MANIFEST
from vitbench.build.files import beside, sha256
from vitbench.build.trust import trusted_entry
from vitbench.runtimes import Variant


@dataclass(frozen=True)
class Artifact:
    """A built file, and what lies beside it under the same stem: `bytes` and `sha256` are of all.

    `built` says that this very call built it; `manifest` is all that is known. `build_seconds` is
    None of a copy of what another tool built.
    """

    path: Path
    key: str
    bytes: int
    sha256: str
    build_seconds: float | None
    built: bool
    manifest: dict[str, Any]

    @property
    def layers(self) -> dict[str, int]:
        """`quantized_layers`, `float_layers` and, of these, `float_by_option`, where its runtime
        counts them."""
        names = ("quantized_layers", "float_layers", "float_by_option")
        return {name: self.manifest[name] for name in names if name in self.manifest}

    @property
    def quantized_names(self) -> tuple[str, ...]:
        """Its int8 layers, as the network names them and in its order; empty where its runtime does
        not say."""
        return tuple(self.manifest.get("quantized_names", ()))

    @property
    def transform(self) -> dict[str, dict[str, str]]:
        """`transform`: the function of a recipe of the user's own, and its source's digest; empty
        for another recipe."""
        return {name: self.manifest[name] for name in ("transform",) if name in self.manifest}

    @property
    def server(self) -> dict[str, dict[str, str]]:
        """`server`: the URL of a running server, its software, the platform of its model, and how
        tensors travel; empty for what was built."""
        return {name: self.manifest[name] for name in ("server",) if name in self.manifest}

    def completed(self, row: Variant) -> Variant:
        """The variant, with the description of the file that was completed when it was opened."""
        return replace(row, input=self.manifest["input"]) if row.artifact else row

    @property
    def names(self) -> dict[str, Path]:
        """Its files, itself first, by the names under which they are handed over: their own where
        another tool built them."""
        if self.build_seconds is None:
            return {part.relative_to(self.path.parent).as_posix(): part for part in self.files}
        return {f"model{part.suffix}": part for part in self.files}

    @property
    def files(self) -> list[Path]:
        return beside(self.path)


def key(identity: Mapping[str, Any]) -> str:
    """The digest of an identity: the same for equal JSON, whatever the order of its names."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_entry(entry: Path, suffix: str, token: str | None) -> Artifact | None:
    """The entry of a folder. None where it is missing, damaged or not safe, or was made under
    another token than `token`."""
    path = entry / f"artifact{suffix}"
    try:
        if not trusted_entry(entry):
            return None
        manifest = json.loads((entry / MANIFEST).read_text("utf-8"))
        size, digest = manifest["bytes"], manifest["sha256"]
        seconds, made_under = manifest["build_seconds"], manifest["token"]
        if (token and made_under != token) or sha256(path) != digest:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Artifact(path, entry.name, size, digest, seconds, False, manifest)
