"""What is measured: a case, and the limits that its variant must keep."""

import re
from dataclasses import dataclass

from vitbench.errors import UserError

AGREEMENT_REFERENCE = "fp32"
"""The variant that predictions are compared with, on the CPU, whatever times are compared with."""
SLUG = re.compile(r"[A-Za-z0-9_.-]+")
_ID = re.compile(
    rf"(?P<model>{SLUG.pattern})/(?P<variant>{SLUG.pattern})"
    r"/(?P<device>cpu|cuda:\d+)/b(?P<batch>[1-9]\d*)"
)


@dataclass(frozen=True, order=True)
class Case:
    """Model x variant x device x batch: names only.

    `id` has exactly three slashes. It is the pytest id, the JSON key, the join with a
    baseline and the row in a table.
    """

    model: str
    variant: str
    device: str
    batch: int

    @property
    def id(self) -> str:
        return f"{self.model}/{self.variant}/{self.device}/b{self.batch}"

    @property
    def agreement_reference(self) -> "Case":
        """The case whose predictions this one's are compared with."""
        return Case(self.model, AGREEMENT_REFERENCE, "cpu", self.batch)

    def __str__(self) -> str:
        return self.id

    @classmethod
    def parse(cls, text: str) -> "Case":
        """The case of an id. Raises UserError where the text is not one."""
        match = _ID.fullmatch(text)
        if match is None:
            numbered = text.replace("/cuda/", "/cuda:0/")
            meant = numbered if _ID.fullmatch(numbered) else ""
            raise UserError(
                f"{text!r} is not a case id: "
                + (
                    f"a CUDA device has a number: {meant}"
                    if meant
                    else "expected MODEL/VARIANT/DEVICE/bN, "
                    "such as deit_tiny_patch16_224/int8-dynamic/cpu/b1"
                )
            )
        return cls(match["model"], match["variant"], match["device"], int(match["batch"]))


@dataclass(frozen=True)
class Limits:
    """What a variant's predictions must keep, and why that much.

    `agreement`: least share of images whose answer equals the fp32 reference's.
    `relative_error`: most |delta| / |reference| over the logits of the whole sample.
    `cosine`: least mean cosine between an image's logits and the reference's.
    `neighbours`: of an embedding instead of `agreement`, the least share of images with the same
    nearest neighbour; None: as `agreement`.
    What counts as an answer, and that heads other than `single-label` take error and cosine off the
    reference's mean: vitbench/heads.
    """

    agreement: float
    relative_error: float
    cosine: float
    reason: str
    neighbours: float | None = None

    @property
    def least_neighbours(self) -> float:
        return self.agreement if self.neighbours is None else self.neighbours
