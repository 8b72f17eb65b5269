"""From the model's images to what a file takes, as a function and as Python to hand over."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable
from vitbench.runtimes.foreign.description import Description

Feed = Callable[[NDArray[np.float32]], NDArray[np.generic]]
NUMPY = {"uint8": np.uint8, "float16": np.float16}


def feed(described: Description, image: tuple[int, int, int], file: str) -> Feed:
    """Takes float32 (N, C, H, W) of the model to the array that the file takes, contiguous.

    bfloat16, which NumPy does not have, stays float32. Raises Unavailable for another number of
    images than the file's.
    """
    _, *area = image
    mean, std = (
        np.array(values or default, np.float32).reshape(1, -1, 1, 1)
        for values, default in ((described.mean, (0.0,)), (described.std, (1.0,)))
    )
    undone, factor = bool(described.mean), described.factor

    def made(images: NDArray[np.float32]) -> NDArray[np.generic]:
        if described.batch and len(images) != described.batch:
            raise Unavailable(
                f"{file} takes {described.batch} image{'s' * (described.batch > 1)} a call, not "
                f"{len(images)}: export it with a free batch"
            )
        found = images
        if described.size and list(described.size) != area:
            found = resized(found, described.size)
        if undone or factor != 1.0:
            found = (found * std + mean) * np.float32(factor)
        if described.channels == "BGR":
            found = found[:, ::-1]
        if described.dtype == "uint8":
            found = np.rint(found).clip(0, 255)
        if described.layout == "NHWC":
            found = found.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(found, dtype=NUMPY.get(described.dtype, np.float32))

    return made


def resized(images: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bicubic with antialiasing, (N, C, H, W)."""
    import torch

    whole = torch.from_numpy(images)
    return np.asarray(
        torch.nn.functional.interpolate(
            whole, size=size, mode="bicubic", antialias=True, align_corners=False
        ).numpy()
    )


def code(described: Description, image: tuple[int, int, int], images: str) -> list[str]:
    """Lines of Python that set `images` to what `feed` makes of that expression."""
    lines = ["import numpy as np", f"images = {images}"]
    if described.size and list(described.size) != list(image[1:]):
        lines += [
            "import torch",
            "resize = torch.nn.functional.interpolate",
            f"images = resize(torch.from_numpy(images), size={list(described.size)}, "
            'mode="bicubic", antialias=True).numpy()',
        ]
    if described.mean:
        std, mean = (
            f"np.array({list(values)}, np.float32).reshape(1, -1, 1, 1)"
            for values in (described.std, described.mean)
        )
        lines.append(f"images = images * {std} + {mean}")
    if described.factor != 1.0:
        lines.append(f"images = images * np.float32({described.factor:.10g})")
    if described.channels == "BGR":
        lines.append("images = images[:, ::-1]")
    if described.dtype == "uint8":
        lines.append("images = np.rint(images).clip(0, 255)")
    if described.layout == "NHWC":
        lines.append("images = images.transpose(0, 2, 3, 1)")
    dtype = NUMPY.get(described.dtype, np.float32).__name__
    return [*lines, f"images = np.ascontiguousarray(images, dtype=np.{dtype})"]
