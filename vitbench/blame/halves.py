"""The images that choose a recipe, and the others, which judge it. Pure."""

import random
from collections import Counter
from collections.abc import Sequence

from vitbench.stats.intervals import ASSUMED_ICC, clustered_size


def halves(clusters: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the images that choose, and of those that judge: about half each, drawn by `seed`.
    Crops of one photograph (`clusters`) are all in the same half."""
    sizes = Counter(clusters)
    names = sorted(sizes)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda name: -sizes[name])  # the large ones first; as drawn among equals
    sides: tuple[set[str], set[str]] = (set(), set())
    counts = [0, 0]
    for name in names:
        side = 0 if counts[0] <= counts[1] else 1
        sides[side].add(name)
        counts[side] += sizes[name]
    choosing = [at for at, name in enumerate(clusters) if name in sides[0]]
    judging = [at for at, name in enumerate(clusters) if name in sides[1]]
    return choosing, judging


def worth(clusters: Sequence[str], rows: Sequence[int]) -> float:
    """How many independent images those of these numbers are worth, where answers differ little."""
    return clustered_size([clusters[at] for at in rows], ASSUMED_ICC)
