"""Heads: what a model's outputs mean, and so what agreement is. This front door only exports."""

from collections.abc import Mapping

from vitbench.heads.base import (
    BLOCK,
    Findings,
    Frame,
    Head,
    Measured,
    Outputs,
    Pair,
    Spoken,
    frame_of,
)
from vitbench.heads.binary import Binary
from vitbench.heads.embedding import Embedding
from vitbench.heads.exchanged import exchanged_images, exchanged_outputs
from vitbench.heads.multi_label import MultiLabel
from vitbench.heads.regression import Regression
from vitbench.heads.single_label import SingleLabel

__all__ = [
    "BLOCK",
    "HEADS",
    "SINGLE_LABEL",
    "Findings",
    "Frame",
    "Head",
    "Measured",
    "Outputs",
    "Pair",
    "Spoken",
    "exchanged_images",
    "exchanged_outputs",
    "frame_of",
]

SINGLE_LABEL = SingleLabel.name
_ALL: tuple[Head, ...] = (SingleLabel(), Binary(), MultiLabel(), Regression(), Embedding())
HEADS: Mapping[str, Head] = {head.name: head for head in _ALL}
"""By name. A new head is a module, and an entry here and in vitbench/models/heads.py."""
