"""A recipe with few layers in float, found greedily on images that it is not judged on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitbench.blame.asking import Asking
from vitbench.blame.costs import costs
from vitbench.blame.layers import PlacedLayer
from vitbench.blame.search import RANKED_ON, spread_over
from vitbench.blame.trial import Refusal, Trial

KEPT_FOR_ADDING = 0.5  # of the time, at most
WIDTH = 3  # layers that are compared before one is added
CLEARLY = 4.0  # times as large a squared error: the layer is added without a comparison

Keeps = Callable[[Trial], bool]
"""Whether a recipe keeps its limits by so much that it should keep them on other images too."""


@dataclass(frozen=True)
class Mended:
    """The layers that stay in float, in the order in which they were added. `kept`: whether the
    limits are kept, with a margin, on the images of the search; else it is the best recipe that was
    found. `steps` has the recipe after each addition. `removed` were added and taken back.
    `in_time`: whether the search ended by itself."""

    floats: tuple[str, ...]
    trial: Trial
    kept: bool
    steps: tuple[Trial, ...]
    removed: tuple[str, ...]
    in_time: bool
    refusals: tuple[Refusal, ...]
    seconds: float
    asked: int


def mend(
    asking: Asking, layers: Sequence[PlacedLayer], rows: Sequence[int], most: int, keeps: Keeps
) -> Mended | None:
    """Adds the layer that wins most until `keeps`, at most `most` of them, then takes back each
    that is not needed. None where not even the recipe itself could be measured.

    Layers are ranked by what they cost alone. Of the dearest WIDTH ones that are left the one that
    wins most beside those in float already is added.
    """
    base = asking.try_floats(frozenset(), rows)
    if base is None:
        return None
    few = [rows[at] for at in spread_over(len(rows), RANKED_ON)]
    steps, added = [base], list[str]()
    removed: tuple[str, ...] = ()
    in_time = True
    if not keeps(base):
        reserve = (WIDTH * min(most, 4)) * asking.expected(len(rows))
        found = costs(asking, layers, few, min(KEPT_FOR_ADDING * asking.seconds, reserve))
        ranking = [*found.ranking, *found.late] if found else []
        while not keeps(steps[-1]) and len(added) < min(most, len(ranking), len(layers) - 1):
            left = [name for name in ranking if name not in added][:WIDTH]
            if found and found.share(left[0]) > CLEARLY * max(
                map(found.share, left[1:]), default=0
            ):
                left = left[:1]
            tried = {
                name: trial
                for name in left
                if (trial := asking.try_floats(frozenset({*added, name}), rows))
            }
            if not tried:
                in_time = False
                break
            best = min(tried, key=lambda name: _badness(tried[name]))
            added.append(best)
            steps.append(tried[best])
        if keeps(steps[-1]):
            added, removed, in_time = _without_needless(asking, added, rows, keeps)
    trial = asking.try_floats(frozenset(added), rows) or steps[-1]
    if not keeps(trial):
        trial = min(steps, key=_badness)
        added = [name for name in added if name in trial.floats]
    return Mended(
        floats=tuple(added),
        trial=trial,
        kept=keeps(trial),
        steps=tuple(steps),
        removed=removed,
        in_time=in_time,
        refusals=tuple(asking.refusals),
        seconds=asking.spent,
        asked=asking.asked,
    )


def _without_needless(
    asking: Asking, added: Sequence[str], rows: Sequence[int], keeps: Keeps
) -> tuple[list[str], tuple[str, ...], bool]:
    """The layers without those that are not needed, the last one added asked first; the others; and
    whether all were asked."""
    kept, removed, in_time = list(added), list[str](), True
    for name in reversed(added[:-1]):  # without the last one the limits were not kept
        trial = asking.try_floats(frozenset(kept) - {name}, rows)
        in_time = in_time and trial is not None
        if trial is not None and keeps(trial):
            kept.remove(name)
            removed.append(name)
    return kept, tuple(removed), in_time


def _badness(trial: Trial) -> tuple[float, int]:
    """By the relative error, which needs fewer images than agreement does to be known."""
    return trial.error, -trial.agreement.matched
