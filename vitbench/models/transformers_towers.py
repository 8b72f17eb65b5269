"""Image towers of transformers, such as CLIP's, SigLIP's and DINOv2: images to embeddings.

Which part of its answer is the embedding of a tower, in this order: `image_embeds`, the projection
into the space that images and texts share (CLIP: Radford et al. 2021, figure 3); else
`pooler_output`, what the network itself makes of all tokens (DINOv2: the CLS token behind the last
norm, which its authors compare by cosine in retrieval, Oquab et al. 2023; SigLIP: its attention
pooling head, Zhai et al. 2023; convolutional networks: the mean over the image); else the CLS
token, `last_hidden_state[:, 0]` (as DINO is evaluated by nearest neighbours, Caron et al. 2021).
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from vitbench.errors import UserError
from vitbench.models.preprocess import Preprocess
from vitbench.models.transformers_files import CONFIG
from vitbench.models.transformers_kinds import Kind
from vitbench.models.transformers_network import (
    answers,
    architecture_of,
    files_text,
    left_out,
    loaded,
    network,
    require_whole,
)
from vitbench.models.weights import first_line

PROJECTED, POOLED, FIRST = "image_embeds", "pooler_output", "last_hidden_state[:, 0]"
TEXTS = ("text_", "logit_")  # what the other half of a model of images and texts is called


def tower(
    folder: Path, read: tuple[Path, ...], kind: Kind, preprocess: Preprocess
) -> tuple[dict[str, Any], Any, tuple[str, ...]]:
    """The architecture of a tower, its network, and sentences on what was taken.

    Raises UserError where the class gives no embedding of an image, where a tensor is missing, and
    where two answers to one image differ.
    """
    image = preprocess(Image.effect_noise((320, 240), 80).convert("RGB"))
    architecture = architecture_of(kind, _answer(folder, kind, image.shape))
    model, info = loaded(folder, read, architecture)
    notes: tuple[str, ...] = ()
    if _lacks_pooler(model, info):
        architecture = architecture_of(kind, FIRST, add_pooling_layer=False)
        model, info = loaded(folder, read, architecture)
        notes = (f"{files_text(folder, read)} has no pooler",)
    require_whole(files_text(folder, read), info, architecture, 0)
    module = network(model.eval(), architecture["answer"])
    size = _size(module, image, folder / CONFIG, kind.name)
    taken = f"the embedding is {architecture['answer']} of {kind.name}, {size} numbers"
    unused = [
        name
        for name in sorted(info["unexpected_keys"])
        if not (kind.half and name.startswith(TEXTS))
    ]
    return architecture, module, (*notes, taken, *left_out(unused))


def _answer(folder: Path, kind: Kind, shape: tuple[int, ...]) -> str:
    path = folder / CONFIG
    try:
        output: Mapping[str, Any] = answers(architecture_of(kind), shape)
    except Exception as error:  # whatever a network that takes more than images does
        raise UserError(
            f"{path}: {kind.name} gives no embedding of an image alone: {first_line(error)}"
        ) from error
    found = _embedding_of(output)
    if found is None:
        raise UserError(
            f"{path}: {kind.name} gives no embedding of an image, but {', '.join(output)}"
        )
    return found


def _embedding_of(output: Mapping[str, Any]) -> str | None:
    """By the order above; None where there is none of them."""
    if output.get(PROJECTED) is not None:
        return PROJECTED
    if (pooled := output.get(POOLED)) is not None:
        return POOLED if pooled.ndim == 2 else f"{POOLED}.flatten(1)"
    tokens = output.get("last_hidden_state")
    return FIRST if tokens is not None and tokens.ndim == 3 else None


def _lacks_pooler(model: Any, info: Mapping[str, Any]) -> bool:
    """Whether the files lack a layer of the pooler alone, without which the class can be made.

    Checkpoints of self-supervised ViTs have none (facebook/dino-vits16), and transformers would
    make a random one.
    """
    lacking = info["missing_keys"]
    makes = inspect.signature(type(model).__init__).parameters
    return (
        bool(lacking)
        and not info["mismatched_keys"]
        and all(name.startswith("pooler.") for name in lacking)
        and "add_pooling_layer" in makes
    )


def _size(module: Any, image: Any, path: Path, name: str) -> int:
    """Of an embedding. Raises UserError where it is another each time (ViTMAEModel hides parts of
    an image at random)."""
    import torch

    with torch.inference_mode():
        first, again = (module(torch.from_numpy(image)[None]) for _ in range(2))
    if not torch.equal(first, again):
        raise UserError(
            f"{path}: {name} answers one image with another embedding each time: random numbers "
            "are part of the network, and vitbench has nothing to compare with"
        )
    return int(first.shape[1])
