"""The tutorial's preprocessing, for the bundled checkpoint and for torch.hub's DeiT."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Preprocess = Callable[[Image.Image], NDArray[np.float32]]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# As the config.json of a checkpoint of ours says it.
TUTORIAL = {
    "size": 224,
    "resize": 256,
    "interpolation": "bicubic",
    "mean": list(IMAGENET_MEAN),
    "std": list(IMAGENET_STD),
}


@dataclass(frozen=True)
class Described:
    """A preprocessing that says what it is: `made_of` is the torchvision transform or the image
    processor of transformers that it calls. `grey`: with an image that was made grey before."""

    apply: Preprocess
    made_of: Any
    grey: bool = False

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        return self.apply(image)


def as_array(transform: Any) -> Described:
    """A torchvision transform to a tensor (3, H, W), as a function to a float32 array."""

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        return np.ascontiguousarray(transform(image).numpy(), dtype=np.float32)

    return Described(preprocess, transform)


def tutorial() -> Preprocess:
    """Resize 256 bicubic, CenterCrop 224, ImageNet mean and std."""
    from torchvision import transforms

    return as_array(
        transforms.Compose(
            [
                transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )
    )
