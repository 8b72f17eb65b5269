"""Two rows of outputs that have each other's place: a swapped pair of images, or of outputs."""

import numpy as np

from vitbench.heads.base import Outputs

FAR = 10.0
"""So many times the usual (median) error is no rounding."""
FAR_OF_ONE = 20.0
"""The same of one output, where two large errors of opposite sign may look like a pair. Simulated
on 4000 samples of 256 images whose errors have 1 to 10 % of the spread: none has a pair by chance
where the errors are Laplace's, and one where they are Student's t with 3 degrees of freedom."""
NEAR = 0.25
"""Each of a pair is so many times nearer to the other's reference than to its own."""
MOST = 500  # rows whose pairs are looked at, the largest errors


def exchanged(own: Outputs, reference: Outputs) -> list[tuple[int, int]]:
    """Pairs of rows whose answers are each other's, both arrays (n, C).

    An error of each limit averages over all rows, so that two swapped ones of hundreds pass. A pair
    counts only where the two references differ by FAR more than rows usually err.
    """
    errors = np.linalg.norm(own - reference, axis=1)
    usual = max(float(np.median(errors)), 1e-6 * float(np.linalg.norm(reference, axis=1).mean()))
    far = np.argsort(-errors, kind="stable")[:MOST]
    least = FAR_OF_ONE if own.shape[1] == 1 else FAR
    far = np.sort(far[errors[far] > least * usual])
    a, b = own[far], reference[far]
    pairs = []
    for place, image in enumerate(far):
        to_others = np.linalg.norm(a[place] - b, axis=1)
        from_others = np.linalg.norm(a - b[place], axis=1)
        mutual = (to_others < NEAR * errors[image]) & (from_others < NEAR * errors[far])
        pairs += [(int(image), int(far[at])) for at in np.flatnonzero(mutual) if at > place]
    return pairs
