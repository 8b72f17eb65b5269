"""What a runtime sees of a file that another tool built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitbench.runtimes.base import Deployment, Operator, Placement
from vitbench.runtimes.foreign.feed import Feed
from vitbench.structure import Counters

Output = str | int
"""The name of an output; of a file of torch, a key or a number from 0."""


@dataclass(frozen=True)
class Port:
    """An input or an output as a file declares it. None in `shape` is a free dimension, as `shape`
    an unknown number of them; `dtype` is NumPy's name, or else the runtime's."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True)
class Opened:
    """An open file. `inputs` is None where the format declares none.

    `answers` calls it once on an array as the file takes it, and returns all its outputs. `deploy`
    makes the Deployment that answers with one output; its images go through the Feed.
    """

    inputs: Sequence[Port] | None
    answers: Callable[[NDArray[Any]], Mapping[Output, NDArray[Any]]]
    deploy: Callable[[Feed, Output], Deployment]


class Reader(Protocol):
    """One of `foreign/`: the files of a runtime. `endings` are those of its files."""

    __name__: str
    endings: tuple[str, ...]

    def files(self, path: Path, /) -> list[Path]:
        """All files that belong to one, itself first. Raises UserError where one is missing."""

    def sniff(self, path: Path, /) -> None:
        """Raises UserError where the content is of another kind, without running any of it."""

    def open(self, placement: Placement, /) -> Opened:
        """Raises whatever its library does for a file that it cannot read."""

    def operators(self, placement: Placement, images: NDArray[np.float32], /) -> list[Operator]:
        """As `Runtime.operators`; `images` are as the model takes them."""

    def structure(self, placement: Placement, images: NDArray[np.float32], /) -> Counters:
        """As `Counting.structure`; `images` are as the model takes them."""

    def loading_code(self, placement: Placement, /) -> str:
        """Python that loads the file without vitbench, at most ten lines, ending in `model`."""

    def calling_code(self, placement: Placement, output: Output, /) -> list[str]:
        """Lines of Python that set `logits` to that output of `model`, float32. `images` is what
        the file takes."""
