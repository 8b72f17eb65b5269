"""An oracle for searches: squared errors of int8 layers add up, and each costs some images."""

import math

from vitbench.blame.trial import Refusal, Trial
from vitbench.case import Limits
from vitbench.judge.agreement import Agreement

LIMITS = Limits(agreement=0.9, relative_error=0.5, cosine=0.5, reason="planted")


class FakeOracle:
    """`costs`: the squared error of each layer, by its name. Image k is answered otherwise where
    the error is above k / 100. A broken layer, of infinite cost, hides all others. `seconds` of a
    recipe pass on the clock `now`."""

    def __init__(self, costs, seconds=1.0, refused=()):
        self.costs, self.seconds, self.refused = costs, seconds, set(refused)
        self.time, self.asked = 0.0, []

    def now(self):
        return self.time

    def __call__(self, floats, rows):
        self.time += self.seconds
        self.asked.append((floats, len(rows)))
        if floats & self.refused:
            return Refusal(floats, "planted")
        error = min(1.0, math.sqrt(sum(c for name, c in self.costs.items() if name not in floats)))
        hits = tuple(error <= at / 100 for at in rows)
        share = sum(hits) / len(hits)
        found = Agreement(
            state="KEPT" if error <= LIMITS.relative_error else "BROKEN", sentence="",
            matched=sum(hits), images=len(rows), effective_images=float(len(rows)), share=share,
            lower=share, upper=share, cosine=1.0, relative_error=error, top1=None, top5=None,
            reference_top1=None, claimed=True,
        )  # fmt: skip
        squares = tuple(error**2 for _ in rows)
        return Trial(floats, found, squares, hits, tuple(map(str, rows)), self.seconds)
