"""One block of a duet: the seconds of every call, by arm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """One block of a case: seconds of base, head and the second base, each (rounds,), in turns."""

    base: Sequence[float]
    head: Sequence[float]
    null: Sequence[float]

    @property
    def rounds(self) -> NDArray[np.float64]:
        """Log of head over the geometric mean of both bases, (rounds,).

        Both bases run the same code, so their mean has half the variance of one: a quarter of the
        variance of the ratio goes, at no cost.
        """
        base, head, null = (np.log(np.asarray(s, float)) for s in (self.base, self.head, self.null))
        return np.asarray(head - (base + null) / 2)

    @property
    def medians(self) -> tuple[float, float]:
        """Seconds of base, the median of what `rounds` holds head against, and those of head."""
        base = np.sqrt(np.multiply(self.base, self.null))
        return float(np.median(base)), float(np.median(self.head))

    @property
    def change(self) -> float:
        """Median of `rounds`."""
        return float(np.median(self.rounds))

    @property
    def null_change(self) -> float:
        """Median log of the second base over the first: 0 but for noise."""
        return float(np.median(np.log(np.divide(self.null, self.base))))
