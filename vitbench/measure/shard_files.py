"""What one shard measured, and its file: a line of JSON, and the bytes of its outputs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.errors import UserError
from vitbench.measure.gathered import Logits, Measured

FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class ShardCounts:
    """What one shard measured of the images from `start` to `stop`: per image the head's columns,
    and the `outputs`, (n, C). A `problem` ended it early, so that n is less. `first_output` and
    `mistaken` are of the sample's first batch. `conditions` are all that the outputs depend on
    (`build.identity.of_logits`), the sample included. Of a reference there are outputs alone.
    """

    start: int
    stop: int
    total: int
    batch: int
    conditions: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]]
    outputs: Logits
    problem: str | None = None
    first_output: Measured | None = None
    mistaken: str | None = None


def shard_bytes(counts: ShardCounts) -> bytes:
    """The content of its file: `read_shard` is the other end, to the bit."""
    outputs = np.ascontiguousarray(counts.outputs, FLOAT)
    rest = {f.name: getattr(counts, f.name) for f in fields(counts) if f.name != "outputs"}
    head = json.dumps({**rest, "shape": outputs.shape}).encode()
    body = head + b"\n" + outputs.tobytes()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def read_shard(file: Path) -> ShardCounts:
    """The counts of a file; their outputs are mapped, and only read. Raises UserError where it
    cannot be read or is damaged."""
    try:
        with file.open("rb") as lines:
            wanted, found = lines.readline().strip(), hashlib.sha256()
            head = lines.readline()
            found.update(head)
            start = lines.tell()
            while block := lines.read(2**20):
                found.update(block)
        if found.hexdigest().encode() != wanted:
            raise ValueError("its digest is another one")
        rest = json.loads(head)
        shape = tuple(rest.pop("shape"))
        mapped = np.memmap(file, FLOAT, "r", start, shape) if np.prod(shape) else np.empty(shape)
        return ShardCounts(**rest, outputs=np.asarray(mapped, np.float32))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: the shard is damaged: verify it again") from error
