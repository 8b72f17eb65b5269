"""How a deployment's logits compare with the reference's: measured here, judged elsewhere."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.measure.sample import Sample
from vitbench.runtimes.base import Deployment

OnProgress = Callable[[int, int], None]
"""Called with how many images are done, and how many there are."""


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
) -> dict[str, Any]:
    """What a deployment's predictions are beside `reference_logits`, (N, C). The dict is JSON.

    `doomed` sees it after every batch; True stops the measuring. An output of the wrong shape or
    with values that are not finite stops it too, and is the `problem`. Lists have an entry for
    each image done, in the sample's order, except `clusters` and `reference_square`, which
    always have `total`. `margin` is the reference's first logit less its second, `own_margin` the
    deployment's; `delta_square` is |logits - reference|^2, `reference_square` |reference|^2. The
    hits are None where the sample has no labels. `first_output` is that of the whole first batch,
    `packed`.
    """
    total = len(sample.ids)
    square = np.square(np.nan_to_num(reference_logits).astype(np.float64)).sum(1)  # JSON has no inf
    measured: dict[str, Any] = {
        "total": total,
        "clusters": list(sample.clusters),
        "synthetic": synthetic,
        "problem": None,
        "first_output": None,
        "reference_square": _rounded(square),
        "class_names": list(class_names),
    }
    columns = ("top1", "reference_top1", "margin", "own_margin", "cosine", "delta_square")
    hits = ("top1_hits", "top5_hits", "reference_top1_hits", "reference_top5_hits")
    measured.update({key: [] for key in columns})
    measured.update({key: None if sample.labels is None else [] for key in hits})
    for span, output in _batches(deployment, sample.images, batch):
        reference = reference_logits[span]
        measured["first_output"] = measured["first_output"] or packed(output)
        measured["problem"] = _problem(output, (batch, *reference.shape[1:]), reference)
        if measured["problem"]:
            break
        labels = None if sample.labels is None else sample.labels[span]
        for key, values in _columns(output[: len(reference)], reference, labels).items():
            measured[key].extend(values)
        if progress:
            progress(span.stop, total)
        if doomed(measured):
            break
    return measured


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


def _columns(
    own: NDArray[np.float32], reference: NDArray[np.float32], labels: Sequence[int] | None
) -> dict[str, list[Any]]:
    """A batch's logits and the reference's, both (n, C), to entries of `measured`."""
    a, b = own.astype(np.float64), reference.astype(np.float64)
    order, reference_order = (np.argsort(-logits, axis=1, kind="stable") for logits in (a, b))
    norms = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    cosine = np.divide((a * b).sum(1), norms, out=np.zeros(len(a)), where=norms > 0)
    columns = {
        "top1": order[:, 0].tolist(),
        "reference_top1": reference_order[:, 0].tolist(),
        "margin": _rounded(_margin(b, reference_order)),
        "own_margin": _rounded(_margin(a, order)),
        "cosine": _rounded(cosine),
        "delta_square": _rounded(np.square(a - b).sum(1)),
    }
    if labels is not None:
        truth = np.asarray(labels)[:, None]
        for prefix, ranked in (("", order), ("reference_", reference_order)):
            for k in (1, 5):
                columns[f"{prefix}top{k}_hits"] = (ranked[:, :k] == truth).any(1).tolist()
    return columns


def _margin(logits: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    """First less second logit, (n,); 0 where there is one class only."""
    ranked = np.take_along_axis(logits, order[:, :2], axis=1)
    return np.asarray(ranked[:, 0] - ranked[:, -1])


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """Seven significant digits: what float32 has, and small in a file."""
    return [float(f"{value:.7g}") for value in values]


def repeatability(deployment: Deployment, images: NDArray[np.float32]) -> bool:
    """Whether two calls on the same staged images give bit-equal logits."""
    with deployment.active():
        staged, logits = deployment.stage(images), []
        for _ in range(2):
            output = deployment(staged)
            deployment.synchronize()
            logits.append(deployment.read(output))
    return logits[0].tobytes() == logits[1].tobytes()
