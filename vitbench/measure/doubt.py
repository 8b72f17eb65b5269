"""Whether class folders were taken in another order than the model counts its classes in."""

import math
from collections.abc import Mapping, Sequence

from vitbench.measure.classes import FROM_ONE, NUMBERS, orders

SURE = 1e-4  # a chance below which another order is no accident


def doubt(
    top1: Sequence[int],
    folders: Sequence[str],
    taken: Mapping[str, int] | None,
    count: int,
    option: str = "--images",
) -> str | None:
    """A sentence where another order of the folders fits float32's predictions clearly better.

    `top1` and `folders` have an entry for each image; `taken` is the class index of each folder,
    None where the images count as unlabelled; `count` how many classes there are. The orders are
    compared by a sign test over the images that only one of the two has right; without a taken
    order, against chance.
    """
    tried: dict[str, list[bool]] = {
        name: _hits(top1, folders, order)
        for name, order in orders(folders, count).items()
        if order != taken
    }
    if not tried or count < 2:
        return None
    best = max(tried, key=lambda name: sum(tried[name]))
    if taken is None:
        won, of, odds = sum(tried[best]), len(top1), 1 / count
    else:
        pairs = list(zip(tried[best], _hits(top1, folders, taken), strict=True))
        won, of, odds = sum(a > b for a, b in pairs), sum(a != b for a, b in pairs), 0.5
    if not of or _tail(won, of, odds) > SURE:
        return None
    right = f"{sum(tried[best]) / len(top1):.1%} taken {best}"
    if taken is None:
        return (
            f"{option}: the names of the class folders are no classes of the model, but float32 "
            f"has {right} (chance: {1 / count:.1%}): name the folders by the model's classes to "
            "count them as labels"
        )
    numbers = orders(folders, count)
    how = next((name for name in (NUMBERS, FROM_ONE) if numbers.get(name) == taken), "by name")
    share = sum(_hits(top1, folders, taken)) / len(top1)
    return (
        f"{option}: WRONG ORDER of classes? Top-1 of float32 is {share:.1%} with the classes "
        f"taken {how} (chance: {1 / count:.1%}), but {right}: the accuracies of this run mean "
        "nothing. Name the folders by the model's classes, or give --labels=FILE"
    )


def _hits(top1: Sequence[int], folders: Sequence[str], order: Mapping[str, int]) -> list[bool]:
    return [order[folder] == found for folder, found in zip(folders, top1, strict=True)]


def _tail(won: int, of: int, odds: float) -> float:
    """The chance of `won` or more of `of`, each with these odds."""
    from scipy.special import bdtrc

    return float(bdtrc(won - 1, of, odds)) if won > odds * of else math.inf
