"""How a deployment's logits compare with the reference's: measured here, judged elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.heads import SINGLE_LABEL
from vitbench.measure.gathered import ComparisonTerms, Gathered, ReferenceLogits, answer_of
from vitbench.measure.preprocessed import Images, wrapped
from vitbench.measure.sample import Sample
from vitbench.measure.spool import Spool
from vitbench.runtimes.base import Deployment

OnProgress = Callable[[int, int], None]
"""Called with how many images are done, and how many there are."""


def logits_of(deployment: Deployment, images: Images, batch: int) -> NDArray[np.float32]:
    """Images (N, 3, H, W) to logits (N, C), in batches of exactly `batch` images."""
    return np.concatenate([*logits_by_batch(deployment, images, batch)])


def logits_by_batch(
    deployment: Deployment, images: Images, batch: int
) -> Iterator[NDArray[np.float32]]:
    """As `logits_of`, batch by batch."""
    for span, logits in batches(deployment, images, batch, range(len(images))):
        yield logits[: len(span)]


def batches(
    deployment: Deployment, images: Images, batch: int, part: range
) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """The numbers of each batch's images, and its output, of a part that begins with a batch. The
    last batch of all wraps round to the first image."""
    for start in range(part.start, part.stop, batch):
        output = deployment.logits(wrapped(images, start, batch))
        yield range(start, min(start + batch, part.stop)), output


def compare(
    deployment: Deployment,
    sample: Sample,
    reference_logits: NDArray[np.float32],
    batch: int,
    class_names: Sequence[str],
    synthetic: bool,
    doomed: Callable[[dict[str, Any]], bool],
    progress: OnProgress | None = None,
    head: str = SINGLE_LABEL,
    threshold: float = 0.5,
    folder: Path | None = None,
) -> dict[str, Any]:
    """What a deployment's predictions are beside `reference_logits`, (N, C). The dict is JSON.

    `doomed` sees it after every batch; True stops the measuring (of large samples it looks less
    often, and finds the same batch: measure/gathered.py). An output of the wrong shape or
    with values that are not finite stops it too, and is the `problem`. Lists have an entry for
    each image done, in the sample's order, except `clusters` and what the head knows of the
    reference, which always have `total`; vitbench/heads has the lists of each head.
    `delta_square` is |logits - reference|^2, `reference_square` |reference|^2. The
    hits are None where the sample has no labels. `first_output` is that of the whole first batch,
    `packed`. `spread` is the standard deviation of each of the reference's outputs. `exchanged` has
    a phrase for each pair of images, or of outputs, with each other's answers; it is empty where
    the measuring stopped early. `mistaken` is `Head.mistaken` of the first batch. Many outputs lie
    on the disk of `folder` meanwhile.
    """
    names = (class_names, synthetic, head, threshold)
    terms = ComparisonTerms(sample.ids, sample.clusters, sample.labels, *names)
    reference, total = ReferenceLogits(reference_logits, threshold), len(sample.ids)
    gathered = Gathered(terms, reference, doomed, Spool(folder))
    for span, output in batches(deployment, sample.images, batch, range(total)):
        answer = answer_of(output, batch, span, terms, reference)
        if progress and not answer.problem:
            progress(span.stop, total)
        if gathered.add(answer):
            break
    return gathered.measured()


def repeatability(deployment: Deployment, images: NDArray[np.float32]) -> bool:
    """Whether two calls on the same staged images give bit-equal logits."""
    with deployment.active():
        staged, logits = deployment.stage(images), []
        for _ in range(2):
            output = deployment(staged)
            deployment.synchronize()
            logits.append(deployment.read(output))
    return logits[0].tobytes() == logits[1].tobytes()
