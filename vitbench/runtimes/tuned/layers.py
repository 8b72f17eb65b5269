"""The recipes of `tuned`: which layers of a model become ours. The C++ beside this computes them.

Nine tenths of a ViT's operations are linear layers. Ours are int8, weights with a scale per output
channel, activations with a scale and a zero point per token, taken in the call; or their products
are bfloat16, summed in float32. What lies around
one is part of it, so that nothing goes through memory in between: the LayerNorm before, the GELU
after, the residual. A block whose layers are all ours is one operator (`block.cpp`) where attention
is ours too. Attention is bfloat16 where the CPU multiplies that, else torch's float32.

A layer that the recipe leaves in float is torch's, with the same around it. The patch convolution
is a linear layer of patches. Where the logits depend on the class token alone, the last block
computes no other token: only its keys and values need all.
"""

import copy
import functools
from collections.abc import Collection, Mapping
from typing import Any, Optional

from vitbench.runtimes.tuned.blocks import Parts, is_plain_mlp, last_block, parts
from vitbench.runtimes.tuned.library import Isa
from vitbench.runtimes.tuned.packing import by_head, pack


@functools.cache
def layers(isa: Isa, operators: Any, precision: str) -> Mapping[str, Any]:
    """Classes of our layers, which torch.jit can script, on the library's operators."""
    import torch

    linear, attention = operators.linear, operators.attention
    block: Any = operators.block if isa.narrow else None

    class Linear(torch.nn.Module):  # type: ignore[misc]
        """A linear layer, (..., k) to (..., n), with a LayerNorm before, LayerScale and GELU after.

        `half`: the result is for another of our layers, in the narrowest type that it takes.
        """

        def __init__(
            self,
            layer: Any,
            norm: Any = None,
            scale: Any = None,
            gelu: bool = False,
            half: bool = False,
        ) -> None:
            super().__init__()
            gamma = getattr(scale, "gamma", torch.ones(()))[..., None].detach()
            weight = layer.weight.detach().flatten(1) * gamma
            bias = None if layer.bias is None else layer.bias.detach() * gamma[..., 0]
            packed, columns = pack(weight, bias, isa, precision)
            self.register_buffer("weight", packed)
            self.register_buffer("columns", columns)
            stacked = None if norm is None else torch.stack((norm.weight, norm.bias)).detach()
            self.register_buffer("norm", stacked)
            self.eps: float = 0.0 if norm is None else norm.eps
            self.n: int = len(weight)
            self.in_features, self.out_features = weight.shape[1], self.n
            self.gelu, self.narrow = gelu, half

        def forward(
            self,
            x: torch.Tensor,
            residual: Optional[torch.Tensor] = None,  # noqa: UP045 - as TorchScript reads it
        ) -> torch.Tensor:
            return linear(
                x,
                self.weight,
                self.columns,
                self.n,
                self.norm,
                self.eps,
                self.gelu,
                residual,
                self.narrow,
            )

    class Float(torch.nn.Module):  # type: ignore[misc]
        """As `Linear`, in torch's float32; only what attention takes is narrow."""

        def __init__(
            self,
            layer: Any,
            norm: Any = None,
            scale: Any = None,
            gelu: bool = False,
            half: bool = False,
        ) -> None:
            super().__init__()
            none = torch.nn.Identity()
            self.norm, self.layer, self.scale = norm or none, layer, scale or none
            self.act = torch.nn.GELU() if gelu else none
            self.narrow = torch.bfloat16 if half and isa.narrow else torch.float32

        def forward(
            self,
            x: torch.Tensor,
            residual: Optional[torch.Tensor] = None,  # noqa: UP045 - as TorchScript reads it
        ) -> torch.Tensor:
            x = self.scale(self.act(self.layer(self.norm(x.float()))))
            if residual is not None:
                x = x + residual
            return x.to(self.narrow)

    class Patches(torch.nn.Module):  # type: ignore[misc]
        """A convolution whose kernels do not overlap, (N, C, H, W) to (N, D, H / p, W / p)."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.linear = Linear(layer)
            self.kernel: tuple[int, int] = layer.kernel_size
            # What timm's and transformers' own code asks a convolution for.
            self.in_channels, self.out_channels = layer.in_channels, layer.out_channels
            self.kernel_size, self.stride = layer.kernel_size, layer.stride
            self.register_buffer("weight", torch.empty(0))  # transformers asks for its type

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            n, c, h, w = x.shape
            p, q = self.kernel
            x = x[:, :, : h // p * p, : w // q * q].reshape(n, c, h // p, p, w // q, q)
            x = x.permute(0, 2, 4, 1, 3, 5).reshape(n, h // p, w // q, -1)
            return self.linear(x).permute(0, 3, 1, 2)

    class Block(torch.nn.Module):  # type: ignore[misc]
        """A block, (N, T, D) to (N, tokens, D), the first ones; 0 means all. Those of its linear
        layers are ours that are in `replaced`."""

        __constants__ = ("whole",)  # what torch.jit then leaves out need not compile

        def __init__(self, parts: Parts, tokens: int, replaced: Collection[Any]) -> None:
            super().__init__()
            self.tokens, self.heads = tokens, parts.heads
            qkv, proj, fc1, fc2 = (
                Linear if layer in replaced else Float
                for layer in (parts.qkv_of[0], parts.proj, parts.fc1, parts.fc2)
            )
            self.qkv = qkv(by_head(parts.qkv, parts.heads), norm=parts.norm1, half=True)
            self.proj = proj(parts.proj, scale=parts.scale1)
            both = fc1 is fc2 is Linear
            self.fc1 = fc1(parts.fc1, norm=parts.norm2, gelu=True, half=both)
            self.fc2 = fc2(parts.fc2, scale=parts.scale2)
            self.whole = isa.narrow and {qkv, proj, fc1, fc2} == {Linear}

        def forward(
            self,
            x: torch.Tensor,
            attn_mask: Optional[torch.Tensor] = None,  # noqa: UP045 - as TorchScript reads it
            is_causal: bool = False,
        ) -> torch.Tensor:
            assert attn_mask is None, "this block attends to all tokens"
            assert not is_causal, "this block attends to all tokens"
            tokens = x.shape[1] if self.tokens == 0 else self.tokens
            if self.whole:
                return block(
                    x,
                    tokens,
                    self.heads,
                    self.fc1.n,
                    [self.qkv.weight, self.proj.weight, self.fc1.weight, self.fc2.weight],
                    [self.qkv.columns, self.proj.columns, self.fc1.columns, self.fc2.columns],
                    self.qkv.norm,
                    self.fc1.norm,
                    self.qkv.eps,
                    self.fc1.eps,
                )
            x = self.proj(attention(self.qkv(x), self.heads, tokens), x[:, :tokens])
            return self.fc2(self.fc1(x), x)

    class Traced(torch.nn.Module):  # type: ignore[misc]
        """A block as transformers calls it, which is traced: an image classifier masks no token."""

        def __init__(self, block: Any) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            return self.block(x)

    return {"Linear": Linear, "Float": Float, "Patches": Patches, "Block": Block, "Traced": Traced}


def tuned(module: Any, names: Collection[str], isa: Isa, operators: Any, precision: str) -> Any:
    """A copy of a module whose layers of these names are ours, linear ones and the convolution of
    patches, and its blocks, where `parts` knows them."""
    import torch

    ours = layers(isa, operators, precision)
    module = copy.deepcopy(module)
    replaced = {module.get_submodule(name) for name in names}
    last, tokens = last_block(module)

    def changed(child: Any) -> Any:
        found = parts(child)
        if found and len({each in replaced for each in found.qkv_of}) == 1:
            block = ours["Block"](found, tokens if child is last else 0, replaced)
            return ours["Traced"](block) if found.traced else block
        if child in replaced:
            return ours["Linear" if isinstance(child, torch.nn.Linear) else "Patches"](child)
        if is_plain_mlp(child) and child.fc1 in replaced:
            child.fc1, child.act = ours["Linear"](child.fc1, gelu=True), torch.nn.Identity()
        for name, each in child.named_children():
            setattr(child, name, changed(each))
        return child

    return changed(module)


def convolutions_of_patches(module: Any) -> list[str]:
    """The names of the convolutions whose kernels neither overlap nor leave out or add anything."""
    import torch

    every = module.named_modules()
    return [name for name, each in every if isinstance(each, torch.nn.Conv2d) and _of_patches(each)]


def _of_patches(layer: Any) -> bool:
    return (
        layer.kernel_size == layer.stride
        and layer.groups == 1
        and {*layer.padding} == {0}
        and {*layer.dilation} == {1}
    )
