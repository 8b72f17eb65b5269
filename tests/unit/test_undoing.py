"""The mean and standard deviation of a preprocessing, found by what black and white become."""

import numpy as np
import pytest
from torchvision import transforms

from vitbench.models.preprocess import as_array, tutorial
from vitbench.models.undoing import undone

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def of(*steps):
    return as_array(transforms.Compose(steps))


def test_those_of_the_tutorial():
    assert undone(tutorial()) == IMAGENET


@pytest.mark.parametrize("first", [True, False])
def test_whenever_images_are_resized(first):
    """In floating point too, of which no description has the numbers."""
    size, tensor = transforms.Resize((24, 24), antialias=True), transforms.ToTensor()
    steps = [size, tensor] if first else [tensor, size]
    assert undone(of(*steps, transforms.Normalize(*IMAGENET.values()))) == IMAGENET


def test_without_any_they_are_none_and_one():
    assert undone(of(transforms.ToTensor())) == {"mean": [0.0] * 3, "std": [1.0] * 3}


def test_of_pixels_that_were_not_divided_by_255():
    def levels(image):
        return (np.asarray(image, np.float32).transpose(2, 0, 1) - 127.5) / 127.5

    assert undone(levels) == {"mean": [0.5] * 3, "std": [0.5] * 3}


def test_what_turns_black_and_white_round_is_no_normalization():
    assert undone(of(transforms.RandomInvert(1.0), transforms.ToTensor())) == {}
