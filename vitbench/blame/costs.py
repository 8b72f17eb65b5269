"""What each int8 layer costs: the error of the recipe in which that layer alone is int8.

Why not the other way, all int8 but one layer: where two layers are broken, freeing either of them
wins nothing, since the other one still breaks the answers. Alone, each shows its own error, on a
float network that is otherwise right. Errors of layers are nearly independent, so their squares add
up (`share`), and what a group costs bounds what each of its layers costs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitbench.blame.asking import Asking
from vitbench.blame.layers import LayerGroup, PlacedLayer, blocks, kinds

LATE = "the time was up"
CHEAP = "its kind or block costs next to nothing"
NEGLIGIBLE = 0.01  # of the squared error: a group that costs less is not looked into
FEW_FOR_FLOOR = 4  # recipes: of fewer, the cheapest one says nothing of what no layer costs


@dataclass(frozen=True)
class Costs:
    """Relative errors with one group or one layer alone in int8, by its name. `whole` is that of
    all in int8, on the same images. `untried` are layers and why they were not tried."""

    whole: float
    kinds: dict[str, float]
    blocks: dict[str, float]
    layers: dict[str, float]
    untried: dict[str, str]

    @property
    def floor(self) -> float:
        """What no layer costs: the rest of the recipe, such as attention in bfloat16. It is in each
        recipe: the cheapest one bounds it, and so does what all layers cost more, in squares, than
        all together, where all were tried."""
        tried = [*self.layers.values(), *self.kinds.values(), *self.blocks.values()]
        finite = [each for each in tried if math.isfinite(each)]
        if len(finite) < FEW_FOR_FLOOR:
            return 0.0
        if self.untried or not math.isfinite(self.whole):
            return min(finite)
        excess = sum(each**2 for each in self.layers.values()) - self.whole**2
        return min(*finite, math.sqrt(max(0.0, excess) / (len(self.layers) - 1)))

    def own(self, name: str) -> float:
        """The error of a layer without the floor; 0 of a layer that was not tried."""
        cost = self.layers.get(name, 0.0)
        if not math.isfinite(cost):
            return math.inf
        return math.sqrt(max(0.0, cost**2 - self.floor**2))

    def share(self, name: str) -> float:
        """The share of a layer in the squared error of all in int8; above 1 where errors cancel, 0
        of a layer that was not tried."""
        own = self.own(name)
        if not math.isfinite(own):
            return math.inf
        if not math.isfinite(self.whole) or not self.whole:
            return 0.0
        return own**2 / self.whole**2

    @property
    def ranking(self) -> list[str]:
        """The layers that were tried, the dearest first."""
        return sorted(self.layers, key=lambda name: -self.layers[name])

    @property
    def late(self) -> list[str]:
        """The layers that there was no time for, the most promising first."""
        return [name for name, why in self.untried.items() if why == LATE]


def costs(
    asking: Asking, layers: Sequence[PlacedLayer], rows: Sequence[int], keep: float
) -> Costs | None:
    """Whole kinds and whole blocks first, where that is cheaper than all layers; then layers, by
    promise. `keep`: seconds that are to be left. None where not even all in int8 was measured."""
    names = frozenset(layer.name for layer in layers)
    base = asking.try_floats(frozenset(), rows)
    if base is None:
        return None
    found = Costs(base.error, {}, {}, {}, {})
    groups = {"kinds": kinds(layers), "blocks": blocks(layers)}
    if 2 * sum(map(len, groups.values())) <= len(layers):
        for group in groups["kinds"]:
            _try_group(asking, group, names, rows, keep, found.kinds)
        for group in groups["blocks"]:
            _try_group(asking, group, names, rows, keep, found.blocks)
    for layer in sorted(layers, key=lambda each: -_promise(each, found)):
        bound = _bound(layer, found)
        if bound**2 < NEGLIGIBLE * found.whole**2:
            found.untried[layer.name] = CHEAP
            continue
        trial = asking.try_floats(names - {layer.name}, rows, keep)
        if trial is not None:
            found.layers[layer.name] = trial.error
        else:
            refused = [r.reason for r in asking.refusals if r.floats == names - {layer.name}]
            found.untried[layer.name] = refused[0] if refused else LATE
    return found


def _try_group(
    asking: Asking,
    group: LayerGroup,
    names: frozenset[str],
    rows: Sequence[int],
    keep: float,
    into: dict[str, float],
) -> None:
    members = {layer.name for layer in group.layers}
    trial = asking.try_floats(names - members, rows, keep)
    if trial is not None:
        into[group.name] = trial.error


def _bound(layer: PlacedLayer, found: Costs) -> float:
    """What a layer costs at most: as much as the cheaper of its groups."""
    known = found.kinds.get(layer.kind), found.blocks.get(layer.block or layer.name)
    return min((each for each in known if each is not None), default=math.inf)


def _promise(layer: PlacedLayer, found: Costs) -> float:
    """How much a layer may cost: as if kind and block were independent of each other. A group that
    was not tried counts as one of the middle."""
    return math.prod(
        min(groups.get(name, _mean(groups)), 1e6)
        for groups, name in ((found.kinds, layer.kind), (found.blocks, layer.block or layer.name))
    )


def _mean(groups: Mapping[str, float]) -> float:
    return sum(groups.values()) / len(groups) if groups else 1.0
