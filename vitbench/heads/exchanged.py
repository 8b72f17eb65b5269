"""Two rows of outputs that have each other's place: a swapped pair of images, or of outputs."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from vitbench.heads.base import BLOCK, Outputs

FAR = 10.0
"""So many times the usual (median) error is no rounding."""
FAR_OF_ONE = 20.0
"""The same of one output, where two large errors of opposite sign may look like a pair. Simulated
on 4000 samples of 256 images whose errors have 1 to 10 % of the spread: none has a pair by chance
where the errors are Laplace's, and one where they are Student's t with 3 degrees of freedom."""
NEAR = 0.25
"""Each of a pair is so many times nearer to the other's reference than to its own."""
MOST = 500  # rows whose pairs are looked at, the largest errors

Logits = NDArray[np.float32]
Scaled = Callable[[Logits], Outputs]
"""Takes outputs (n, C) to units that can be compared with each other (`Head.scaled`)."""
Pairs = list[tuple[int, int]]


def exchanged_images(own: Logits, reference: Logits, scaled: Scaled) -> Pairs:
    """Pairs of images whose answers are each other's, both arrays (n, C), which may lie on disk.

    An error of each limit averages over all images, so that two swapped ones of hundreds pass. A
    pair counts only where the two references differ by FAR more than images usually err.
    """
    errors, sizes = (
        np.concatenate(each)
        for each in zip(
            *(
                (np.linalg.norm(a - b, axis=1), np.linalg.norm(b, axis=1))
                for a, b in _blocks(own, reference, scaled)
            ),
            strict=True,
        )
    )
    far = _far(errors, sizes, FAR_OF_ONE if own.shape[1] == 1 else FAR)
    a, b = scaled(own[far]), scaled(reference[far])
    apart = np.array([np.linalg.norm(row - b, axis=1) for row in a]).reshape(len(far), len(far))
    return _pairs(far, errors, apart)


def exchanged_outputs(own: Logits, reference: Logits, scaled: Scaled) -> Pairs:
    """Pairs of outputs whose values, over all images, are each other's. As `exchanged_images`."""
    squares, sizes = np.zeros((2, own.shape[1]))
    for a, b in _blocks(own, reference, scaled):
        squares, sizes = squares + np.square(a - b).sum(0), sizes + np.square(b).sum(0)
    errors = np.sqrt(squares)
    far = _far(errors, np.sqrt(sizes), FAR_OF_ONE if len(own) == 1 else FAR)
    apart = np.zeros((len(far), len(far)))
    for a, b in _blocks(own, reference, scaled) if len(far) > 1 else ():
        theirs = b[:, far]
        for place, output in enumerate(far):
            apart[place] += np.square(a[:, output, None] - theirs).sum(0)
    return _pairs(far, errors, np.sqrt(apart))


def _blocks(own: Logits, reference: Logits, scaled: Scaled) -> Iterator[tuple[Outputs, Outputs]]:
    for start in range(0, len(own), BLOCK):
        block = slice(start, start + BLOCK)
        yield scaled(own[block]), scaled(reference[block])


def _far(errors: Outputs, sizes: Outputs, least: float) -> NDArray[np.intp]:
    """The rows whose error is no rounding, in their order."""
    usual = max(float(np.median(errors)), 1e-6 * float(sizes.mean()))
    far = np.argsort(-errors, kind="stable")[:MOST]
    return np.sort(far[errors[far] > least * usual])


def _pairs(far: NDArray[np.intp], errors: Outputs, apart: Outputs) -> Pairs:
    """`apart`, (k, k), is how far each of the k far rows is from the reference of each."""
    limit = NEAR * errors[far]
    mutual = (apart < limit[:, None]) & (limit > apart.T)
    return [(int(far[i]), int(far[j])) for i, j in np.argwhere(mutual) if j > i]
