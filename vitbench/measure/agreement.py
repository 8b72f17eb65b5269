"""How a deployment's logits compare with the reference's: measured here, judged elsewhere."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.heads import HEADS, SINGLE_LABEL, Pair, exchanged, frame_of
from vitbench.heads.words import rounded
from vitbench.measure.sample import Sample
from vitbench.runtimes.base import Deployment

OnProgress = Callable[[int, int], None]
"""Called with how many images are done, and how many there are."""
HITS = ("top1_hits", "top5_hits", "reference_top1_hits", "reference_top5_hits")


def logits_of(
    deployment: Deployment, images: NDArray[np.float32], batch: int
) -> NDArray[np.float32]:
    """Images (N, 3, H, W) to logits (N, C), in batches of exactly `batch` images."""
    found = _batches(deployment, images, batch)
    return np.concatenate([logits[: span.stop - span.start] for span, logits in found])


def _batches(
    deployment: Deployment, images: NDArray[np.float32], batch: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """The slice of each batch's images, and its output. The last batch wraps round to the first."""
    for start in range(0, len(images), batch):
        taken = np.take(images, range(start, start + batch), axis=0, mode="wrap")
        yield slice(start, min(start + batch, len(images))), deployment.logits(taken)


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
) -> dict[str, Any]:
    """What a deployment's predictions are beside `reference_logits`, (N, C). The dict is JSON.

    `doomed` sees it after every batch; True stops the measuring. An output of the wrong shape or
    with values that are not finite stops it too, and is the `problem`. Lists have an entry for
    each image done, in the sample's order, except `clusters` and what the head knows of the
    reference, which always have `total`; vitbench/heads has the lists of each head.
    `delta_square` is |logits - reference|^2, `reference_square` |reference|^2. The
    hits are None where the sample has no labels. `first_output` is that of the whole first batch,
    `packed`. `spread` is the standard deviation of each of the reference's outputs. `exchanged` has
    a phrase for each pair of images, or of outputs, with each other's answers; it is empty where
    the measuring stopped early. `mistaken` is `Head.mistaken` of the first batch.
    """
    kind, frame = HEADS[head], frame_of(reference_logits, threshold)
    total, known = len(sample.ids), np.nan_to_num(reference_logits).astype(np.float64)
    measured: dict[str, Any] = {
        "total": total,
        "clusters": list(sample.clusters),
        "synthetic": synthetic,
        "problem": None,
        "first_output": None,
        "reference_square": rounded(np.square(known).sum(1)),  # JSON has no inf
        "class_names": kind.names(class_names),
        "head": head,
        "threshold": threshold,
        "spread": rounded(frame.spread),
        "exchanged": [],
        "mistaken": None,
        **kind.begin(Pair(known, known, frame)),
    }
    labelled = kind.labelled and sample.labels is not None
    nothing = np.zeros((0, *known.shape[1:]))
    measured.update(kind.columns(Pair(nothing, nothing, frame, [] if labelled else None)))
    for key in HITS:
        measured.setdefault(key, None)
    outputs: list[NDArray[np.float32]] = []
    for span, output in _batches(deployment, sample.images, batch):
        reference = reference_logits[span]
        measured["first_output"] = measured["first_output"] or packed(output)
        measured["problem"] = _problem(output, (batch, *reference.shape[1:]), reference)
        if measured["problem"]:
            break
        outputs.append(output[: len(reference)])
        labels = sample.labels[span] if labelled and sample.labels else None
        own, true = outputs[-1].astype(np.float64), reference.astype(np.float64)
        pair = Pair(own, true, frame, labels)
        if measured["mistaken"] is None:
            measured["mistaken"] = kind.mistaken(pair)
        columns = kind.columns(pair)
        for key, values in columns.items():
            measured[key].extend(values)
        if progress:
            progress(span.stop, total)
        if doomed(measured):
            break
    else:
        own = np.concatenate(outputs).astype(np.float64)
        measured.update(kind.finish(Pair(own, known, frame), sample.clusters))
        own, known = kind.scaled(own, frame), kind.scaled(known, frame)
        measured["exchanged"] = list(_exchanged(own, known, sample.ids, class_names))
    return measured


def _exchanged(
    own: NDArray[np.float64],
    reference: NDArray[np.float64],
    ids: Sequence[str],
    names: Sequence[str],
) -> Iterator[str]:
    """Phrases on the images, and on the outputs, that have each other's answers."""
    images = exchanged(own, reference)
    for one, other in images[:1]:
        more = f" (and {len(images) - 1} more pairs)" * (len(images) > 1)
        yield f"{ids[one]} and {ids[other]} have each other's outputs{more}"
    columns = exchanged(own.T, reference.T)
    for one, other in columns[:1]:
        named = [
            repr(names[at]) if len(names) == own.shape[1] else f"number {at}" for at in (one, other)
        ]
        more = f" (and {len(columns) - 1} more pairs)" * (len(columns) > 1)
        yield f"outputs {' and '.join(named)} have each other's values{more}"


def packed(logits: NDArray[np.float32]) -> dict[str, Any]:
    """Logits as JSON, to the bit."""
    plain = np.ascontiguousarray(logits, dtype="<f4")
    return {"shape": list(plain.shape), "float32": b64encode(plain.tobytes()).decode()}


def unpacked(found: dict[str, Any]) -> NDArray[np.float32]:
    """The logits that `packed` was given."""
    plain = np.frombuffer(b64decode(found["float32"]), dtype="<f4")
    return plain.reshape(found["shape"]).astype(np.float32)


def _problem(
    output: NDArray[np.float32], expected: tuple[int, ...], reference: NDArray[np.float32]
) -> str | None:
    if output.shape != expected:
        return f"output has shape {output.shape}, expected {expected}"
    kept = len(reference)
    for name, logits in (("", output[:kept]), (" of the reference", reference)):
        wrong = kept - int(np.isfinite(logits).all(axis=1).sum())
        if wrong:
            return f"{wrong} of {kept} outputs{name} are not finite"
    return None


def repeatability(deployment: Deployment, images: NDArray[np.float32]) -> bool:
    """Whether two calls on the same staged images give bit-equal logits."""
    with deployment.active():
        staged, logits = deployment.stage(images), []
        for _ in range(2):
            output = deployment(staged)
            deployment.synchronize()
            logits.append(deployment.read(output))
    return logits[0].tobytes() == logits[1].tobytes()
