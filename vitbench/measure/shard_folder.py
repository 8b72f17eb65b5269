"""The shards of several cases in a folder, which take the place of asking a case for all images."""

from collections.abc import Iterator
from pathlib import Path

from vitbench.case import Case
from vitbench.measure.gathered import Logits, Measured
from vitbench.measure.shard_files import ShardCounts, read_shard
from vitbench.measure.shards import ShardedCase, Whole, merge, outputs_of

LOGITS, COUNTS = "logits", "counts"
"""What a shard has: the outputs of a reference, or what a case answers beside it."""


def name_of(case: str) -> str:
    """The id of a case, as a file or a folder is called."""
    return case.replace("/", "~").replace(":", "+")


class ShardFolder:
    """The shards of cases, as files `folder/CASE/KIND/PART`, where KIND is LOGITS or COUNTS."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def logits(self, case: Case, whole: Whole) -> Iterator[Logits]:
        """As `shards.outputs_of`, of a reference."""
        return outputs_of(whole, self._read(case, LOGITS))

    def merged(self, case: Case, sharded: ShardedCase) -> Measured:
        """As `shards.merge`."""
        return merge(sharded, self._read(case, COUNTS), self._folder)

    def _read(self, case: Case, kind: str) -> list[ShardCounts]:
        files = (self._folder / name_of(case.id) / kind).glob("*")
        return [read_shard(file) for file in files]
