"""A case from the photograph to the answer, as types of a report."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from vitbench.report.extra import Count, Extra, NotNegative, Number, Positive
from vitbench.report.timed import Ratio, Throttled


class FrontInfo(Struct, frozen=True):
    """A front half. `share`: of photographs with the reference's answer; `pixel_difference`: the
    largest on a photograph from the model's own preprocessing, in standard deviations of its
    pixels; `seconds`: of the front half by itself, by the name of the photograph; `over_own`: of
    the whole chain with it, as multiples of that with Pillow and the model's own preprocessing."""

    name: str
    state: Literal["REFERENCE", "KEPT", "BROKEN", "UNPROVEN", "unavailable"]
    sentence: str
    share: Number | None = None
    relative_error: Number | None = None
    pixel_difference: NotNegative | None = None
    seconds: dict[str, Number] = {}
    over_own: dict[str, Number] = {}


class PhotographInfo(Struct, frozen=True):
    """A JPEG through the chain with the fastest front half. `ratio`: against the chain of Pillow
    and the model's own preprocessing; `over_inference`: against inference alone; the shares are of
    either front half in its chain."""

    name: str
    width: Positive
    height: Positive
    bytes: Positive
    front: str
    seconds: Number
    ratio: Ratio
    over_inference: Ratio
    front_share: NotNegative
    own_share: NotNegative


class FrontReference(Struct, frozen=True):
    """Seconds of the chain of Pillow and the model's own preprocessing."""

    rounds: list[Number]


class PhotoInfo(Extra, frozen=True, kw_only=True):
    """From JPEG bytes to the answer. `front` is the front half of the row's rounds; the first of
    `photographs` is theirs; `judged` photographs decided on `fronts`, and so did `pixel_limit`."""

    front: str
    front_share: NotNegative
    ratio: Ratio
    reference: FrontReference
    judged: Count
    photographs: list[PhotographInfo]
    fronts: list[FrontInfo]
    pixel_limit: NotNegative | UnsetType = UNSET
    throttled: Throttled | None = None
