"""Which layers are to blame: ranked by what they cost, and by what leaving them in float wins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vitbench.blame.asking import Asking
from vitbench.blame.costs import CHEAP, Costs, costs
from vitbench.blame.layers import PlacedLayer
from vitbench.blame.trial import Gain, Refusal, Trial, gain

LEAST_SHARE, TIMES_FAIR, MOST_NEEDED = 0.10, 5.0, 0.5
MOST_APART = 0.5  # of the layers: more of them do not stand out
LEAST_FREED, MOST_FREED = 4, 8
KEPT_FOR_FREED = 0.35  # of the time, at most
RANKED_ON = 32
"""Images that layers are ranked on: a relative error needs far fewer than an agreement does."""


@dataclass(frozen=True)
class Blame:
    """What is known when the search ends. `base` is the recipe as it is, on all images, or on fewer
    where all would take most of the time; `freed`, on the same ones, are
    the recipes with one layer in float, by its name, the dearest layer first, and `together` the
    one with all `blamed` layers in float, where there are several. `costs` are on `ranked_on`
    images. `refusals` were not measured."""

    layers: tuple[PlacedLayer, ...]
    base: Trial
    costs: Costs
    ranked_on: int
    blamed: tuple[str, ...]
    freed: dict[str, Trial]
    together: Trial | None
    refusals: tuple[Refusal, ...]
    seconds: float
    asked: int

    def gain(self, name: str) -> Gain | None:
        """What a layer in float wins; None where that was not tried."""
        return gain(self.base, self.freed[name]) if name in self.freed else None


def spread_over(images: int, most: int) -> list[int]:
    """Numbers of at most so many images, evenly over all."""
    if images <= most:
        return list(range(images))
    return [at * images // most for at in range(most)]


def outstanding(found: Costs, count: int, limit: float = math.inf) -> tuple[str, ...]:
    """The layers that cost much more than a layer does, the dearest first. Each makes a tenth of
    the squared error, and five times a fair share of `count` layers, or half of the error where
    there are few, or five times what the dearest of the others makes. Also each whose error alone
    exceeds the `limit` of the relative error."""
    needed = max(LEAST_SHARE, min(MOST_NEEDED, TIMES_FAIR / max(1, count)))
    apart = _apart(found, count)
    return tuple(
        name
        for at, name in enumerate(found.ranking)
        if found.share(name) >= needed or at < apart or found.own(name) > limit
    )


def _apart(found: Costs, count: int) -> int:
    """How many of the dearest layers make, each, LEAST_SHARE and TIMES_FAIR the share of the next
    one: in a sound network of few layers the dearest makes seven times the mean. What no layer
    explains may be that of one that was not tried."""
    shares = [min(1.0, found.share(name)) for name in found.ranking]
    unknown = any(why != CHEAP for why in found.untried.values())
    rest = max(0.0, 1.0 - sum(shares)) if unknown else 0.0
    shares.append(0.0)  # there may be no next one
    return max(
        (
            at
            for at in range(1, min(len(shares) - 1, int(MOST_APART * count)) + 1)
            if shares[at - 1] >= max(LEAST_SHARE, TIMES_FAIR * max(shares[at], rest))
        ),
        default=0,
    )


def blame(
    asking: Asking, layers: Sequence[PlacedLayer], images: int, limit: float = math.inf
) -> Blame | None:
    """Search until all is known or the time is up. `limit`: the most relative error of the recipe.
    None where not even the recipe itself could be measured: `asking.refusals` say why."""
    few = spread_over(images, RANKED_ON)
    if asking.try_floats(frozenset(), few) is None:
        return None
    keep = KEPT_FOR_FREED * asking.seconds
    fitting = asking.fitting(keep / (LEAST_FREED + 1))
    every = spread_over(images, max(len(few), min(images, fitting)))
    base = asking.try_floats(frozenset(), every)
    if base is None:
        return None
    keep = min(keep, LEAST_FREED * asking.expected(len(every)))
    found = costs(asking, layers, few, keep) or Costs(base.error, {}, {}, {}, {})
    blamed = outstanding(found, len(layers), limit)
    freed: dict[str, Trial] = {}
    together = None
    names = [layer.name for layer in layers]
    most = min(MOST_FREED, max(LEAST_FREED, len(blamed)))
    if 1 < len(blamed) < len(names):
        together = asking.try_floats(frozenset(blamed), every)
    for name in found.ranking[:most] if len(names) > 1 else ():
        trial = asking.try_floats(frozenset({name}), every)
        if trial is not None:
            freed[name] = trial
    return Blame(
        layers=tuple(layers),
        base=base,
        costs=found,
        ranked_on=len(few),
        blamed=blamed,
        freed=freed,
        together=together,
        refusals=tuple(asking.refusals),
        seconds=asking.spent,
        asked=asking.asked,
    )
