"""How far antialiased resizes, and one without antialiasing, are from Pillow's.

`python -m tests.fidelity.front_pixels`

Prints for each size of image and kernel the largest difference of each front half on the
photographs of scikit-image, as a multiple of what two kernels of Pillow are apart
(`vitbench/photo/pixels.py`, whose ROOM must lie between those that antialias and the one that does
not). Exit code 1 where it does not.
"""

import sys

from vitbench.errors import Unavailable
from vitbench.photo.backends import BACKENDS
from vitbench.photo.decoders import by_pillow as decoded
from vitbench.photo.pixels import LEAST, ROOM, PixelLimit
from vitbench.photo.resizers import by_pillow
from vitbench.photo.steps import Steps

SIZES = (160, 224, 256, 288, 384)
KERNELS = ("bilinear", "bicubic")
PLAIN = "opencv-plain"


def steps_of(size, kernel, share=0.875):
    """ImageNet's preprocessing for images of so many pixels."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    crop, shape = (size, size), (3, size, size)
    return Steps(round(size / share), kernel, crop, "round", 255.0, mean, std, "RGB", shape)


def multiples(steps):
    """Of each front half outside a graph that is installed here."""
    own = by_pillow(steps)
    limit = PixelLimit.of(lambda jpeg: own(decoded(jpeg)), steps)
    assert limit.most > LEAST
    found = {}
    for name, each in BACKENDS.items():
        try:
            found[name] = limit.difference(each.front_half(steps)) / (limit.most / ROOM)
        except Unavailable:
            continue
    return found


def main():
    wrong = False
    for size in SIZES:
        for kernel in KERNELS:
            found = multiples(steps_of(size, kernel))
            words = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"{size} pixels, {kernel}: {words}", flush=True)
            plain = found.pop(PLAIN, ROOM + 1)
            wrong = wrong or plain <= ROOM or max(found.values()) > ROOM
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
