"""Where the linear layers of a network are: in which block, and which kind of layer. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class PlacedLayer:
    """A layer by the name of its module. `block` is the repeated part of the network that it lies
    in, such as `blocks.3`, and `kind` its name there, such as `attn.qkv`. A layer outside of all
    blocks has an empty `block`."""

    name: str
    block: str
    kind: str


@dataclass(frozen=True)
class LayerGroup:
    """Layers that are tried together: all of one kind, or all of one block."""

    name: str
    layers: tuple[PlacedLayer, ...]


def placed(names: Iterable[str]) -> tuple[PlacedLayer, ...]:
    """The layers, in the order of their names here. The last number in a name, unless it ends the
    name, is that of the block: `layers.0.blocks.1.mlp.fc1` lies in `layers.0.blocks.1`."""
    return tuple(_placed(name) for name in dict.fromkeys(names))


def _placed(name: str) -> PlacedLayer:
    parts = name.split(".")
    ends = [at for at, part in enumerate(parts[:-1]) if part.isdigit()]
    if not ends:
        return PlacedLayer(name, "", name)
    cut = ends[-1] + 1
    return PlacedLayer(name, ".".join(parts[:cut]), ".".join(parts[cut:]))


def kinds(layers: Sequence[PlacedLayer]) -> tuple[LayerGroup, ...]:
    """The layers by kind, in the order in which kinds appear."""
    return _grouped(layers, [layer.kind for layer in layers])


def blocks(layers: Sequence[PlacedLayer]) -> tuple[LayerGroup, ...]:
    """The layers by block, in the order in which blocks appear. Layers outside of all blocks are a
    group each."""
    return _grouped(layers, [layer.block or layer.name for layer in layers])


def _grouped(layers: Sequence[PlacedLayer], names: Sequence[str]) -> tuple[LayerGroup, ...]:
    found: dict[str, list[PlacedLayer]] = {}
    for layer, name in zip(layers, names, strict=True):
        found.setdefault(name, []).append(layer)
    return tuple(LayerGroup(name, tuple(each)) for name, each in found.items())
