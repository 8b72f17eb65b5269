"""What a row of a report says of a case that a duet played."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitbench.duet.block import Block
from vitbench.judge.verdict import Verdict
from vitbench.measure.measurement import Subject


@dataclass(frozen=True)
class DuetMeasurement:
    """Head's case with the duet's verdict. `agreement` and `outputs` are those of head's arm."""

    subject: Subject
    verdict: Verdict
    blocks: Sequence[Block]
    agreement: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def seconds(self) -> list[float]:
        """Of head's calls, in the order of the blocks."""
        return [second for block in self.blocks for second in block.head]

    def to_json(self) -> dict[str, Any]:
        """The row; seconds of the blocks have six significant digits."""
        return {
            **self.subject.to_json(),
            "verdict": self.verdict.to_json(),
            "blocks": [_rounded(asdict(block)) for block in self.blocks],
            "agreement": dict(self.agreement),
            "outputs": dict(self.outputs),
        }


def _rounded(block: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {arm: [float(f"{second:.6g}") for second in block[arm]] for arm in block}
