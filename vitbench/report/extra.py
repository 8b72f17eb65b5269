"""What every benchmark of vitbench has in a report, as types.

A field with a default is not in every report.
"""

import sys
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Number = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A number of JSON: neither NaN nor infinite."""
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Table = dict[str, Any]


class CaseInfo(Struct, frozen=True):
    id: str
    model: str
    variant: str
    device: str
    batch: Positive


class TransformInfo(Struct, frozen=True):
    """A recipe of the user's own: `package.module:function`, and the digest of the source files
    that it stands on."""

    function: str
    sha256: str


class ServerInfo(Struct, frozen=True):
    """A server that ran already. `tensors`: how they travel, `binary` or `JSON`."""

    url: str
    software: str
    platform: str
    tensors: str


class ArtifactInfo(Struct, frozen=True):
    """`server`: nothing was built, and the artifact is what the server says of its model."""

    bytes: Count | None  # None: a server has it
    sha256: str
    suffix: str
    build_seconds: Number | None  # None: another tool built it, or a server has it
    built: bool
    quantized_layers: Count = 0
    float_layers: Count = 0
    float_by_option: Count = 0  # of float_layers, those that the recipe's option names
    transform: TransformInfo | None = None
    server: ServerInfo | None = None


class Stats(Struct, frozen=True):
    """Seconds."""

    data: list[Number]
    median: Number


class AgreementInfo(Struct, frozen=True):
    """`share`, `lower` and `upper`: of images with the reference's answer, of heads that have one.
    `error`, of a regression, and `centred_cosine`, of an embedding, are off the reference's mean.
    """

    state: Literal["KEPT", "BROKEN", "UNPROVEN"]
    sentence: str
    matched: Count
    images: Count
    effective_images: NotNegative
    share: Number | None
    lower: Number
    upper: Number
    cosine: Number | None
    relative_error: Number | None
    top1: Number | None
    top5: Number | None
    reference_top1: Number | None
    claimed: bool
    head: Literal["single-label", "binary", "multi-label", "regression", "embedding"] = (
        "single-label"
    )
    error: Number | None = None
    error_upper: Number | None = None
    centred_cosine: Number | None = None

    @property
    def worth(self) -> float | None:
        """How many independent images one is worth, at most 1; None where nothing is claimed."""
        claimed = self.claimed and self.images
        return min(1.0, self.effective_images / self.images) if claimed else None

    @property
    def itself(self) -> bool:
        """Whether it is that of the reference with itself: no number of images bounds another's
        agreement by 1."""
        return self.lower >= 1


class PriceInfo(Struct, frozen=True):
    """What an hour of the machine costs, and how many images and requests a unit of money buys."""

    per_hour: NotNegative
    images_per_unit: NotNegative | None = None
    requests_per_unit: NotNegative | None = None


class Extra(Struct, frozen=True, kw_only=True):
    """What every benchmark of vitbench has in `extra_info`."""

    schema: int
    case: CaseInfo
    artifact: ArtifactInfo
    kind: Literal["latency", "throughput", "footprint", "load", "photo"] | UnsetType = UNSET
    waited_seconds: NotNegative | UnsetType = UNSET
    price: PriceInfo | UnsetType = UNSET
