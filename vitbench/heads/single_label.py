"""One label an image, softmax: two answers agree where the same class comes first."""

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Limits
from vitbench.heads.base import TINY, Findings, Head, Measured, Outputs, Pair, Spoken
from vitbench.heads.centred import centred_error, delta_square, flat, over
from vitbench.heads.classes import hits_of, top_flips
from vitbench.heads.shares import against, beneath, best_upper, mean, needed, share_of
from vitbench.heads.words import percent, round_down, rounded

CONSTANT = 0.99
"""A centred relative error above is that of one answer to all images, whose error is 1."""


class SingleLabel(Head):
    name = "single-label"
    noun = "top-1"
    labelled = True
    error_name = "relative logit error"

    def columns(self, pair: Pair) -> dict[str, list[Any]]:
        """`margin` is the reference's first logit less its second, `own_margin` the deployment's.
        The hits say whether the image's class is the first, or among the first five."""
        own, reference = pair.own, pair.reference
        order, reference_order = _order(own), _order(reference)
        norms = np.sqrt(np.square(own).sum(1) * np.square(reference).sum(1))
        cosine = np.divide((own * reference).sum(1), norms, out=np.zeros(len(own)), where=norms > 0)
        found = {
            "top1": order[:, 0].tolist(),
            "reference_top1": reference_order[:, 0].tolist(),
            "margin": rounded(_margin(reference, reference_order)),
            "own_margin": rounded(_margin(own, order)),
            "cosine": rounded(cosine),
            "delta_square": delta_square(pair),
        }
        if pair.labels is not None:
            truth = np.asarray(pair.labels)[:, None]
            for prefix, ranked in (("", order), ("reference_", reference_order)):
                for k in (1, 5):
                    found[f"{prefix}top{k}_hits"] = (ranked[:, :k] == truth).any(1).tolist()
        return found

    def mistaken(self, pair: Pair) -> str:
        """Of probabilities, and of their logarithms, beside logits."""
        for kind, odds in (("softmax", _as_they_are), ("log-softmax", np.exp)):
            with np.errstate(over="ignore"):
                own, reference = odds(pair.own), odds(pair.reference)
            if _sums_to_one(own) and not _sums_to_one(reference):
                return (
                    f"its outputs are those of a {kind}, and the reference's are logits: build it "
                    f"without the {kind}"
                )
        return ""

    def judged(self, measured: Measured, limits: Limits) -> Findings:
        """By the mean cosine, the relative error of all logits, and the bounds of the share.

        Where one class is the reference's on so many images that a constant would agree, equal
        classes alone prove nothing: the centred relative error has to keep the limit too, and
        CONSTANT breaks it.
        """
        hits = hits_of(measured)
        found, cosine = share_of(hits, measured), mean(measured["cosine"])
        error, sound = _relative_error(measured, len(hits)), not measured["problem"]
        flips = top_flips(measured, hits, found.size, self.noun)
        claimed, enough = not measured["synthetic"], found.lower >= limits.agreement
        alike = _alike(measured, limits.agreement) if enough else ""
        apart = centred_error(measured, len(hits)) if alike else 0.0
        empty = bool(alike) and (flat(measured) or bool(over(apart, limits)))
        broken = []
        if sound and not cosine >= limits.cosine:
            broken.append(f"mean cosine {round_down(cosine, 5)}, limit at least {limits.cosine:g}")
        if sound and not error <= limits.relative_error:
            at_most = f"limit at most {limits.relative_error:g}"
            broken.append(f"relative logit error {error:.4g}, {at_most}")
        if sound and claimed and found.upper < limits.agreement:
            broken.append(f"{flips}; {beneath(found, limits.agreement)}")
        if sound and claimed and apart > CONSTANT:
            broken.append(
                f"{alike}, and it tells them apart no better than one answer to all would (centred "
                f"relative error {apart:.4g})"
            )
        return Findings(
            broken=tuple(broken),
            proven=enough and not empty,
            words=f"{flips}; {against(found, limits.agreement)}",
            numbers=(
                f"cosine {round_down(cosine, 5)}, relative logit error {error:.4g}, limits "
                f"{limits.cosine:g} and {limits.relative_error:g}; synthetic weights, so that "
                f"agreement ({percent(found.share)} of {len(hits)} images) is not claimed"
            ),
            needed=f"{alike}: give others with --images=DIR" if alike else needed(limits.agreement),
            effective_images=found.size,
            matched=found.matched,
            share=found.share,
            lower=0.0 if empty else found.lower,
            upper=found.upper,
            cosine=cosine,
            relative_error=error,
        )

    def doomed(self, measured: Measured, limits: Limits) -> bool:
        left = measured["total"] - len(measured["cosine"])
        best_cosine = (sum(measured["cosine"]) + left) / measured["total"]
        if not best_cosine >= limits.cosine:
            return True
        if not _relative_error(measured, measured["total"]) <= limits.relative_error:
            return True
        claimed = not measured["synthetic"]
        return claimed and best_upper(hits_of(measured), measured) < limits.agreement

    def answers(self, measured: Measured) -> tuple[list[Any], list[Any]]:
        return measured["top1"], measured["reference_top1"]

    def errors(self, pair: Pair) -> Outputs:
        """Beside the length of the image's own logits."""
        norm = np.linalg.norm(pair.reference, axis=1)
        apart = np.linalg.norm(pair.own - pair.reference, axis=1)
        return np.asarray(apart / np.maximum(norm, TINY))

    def size(self, pair: Pair) -> float:
        return float(np.sqrt(np.square(pair.reference).mean()))

    def decided(self, pair: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first class."""
        return pair.own.argmax(axis=1)[:, None], pair.reference.argmax(axis=1)[:, None]

    def margins(self, pair: Pair) -> Outputs:
        return _margin(pair.reference, _order(pair.reference))[:, None]

    def lines(self, outputs: Outputs, model: Spoken, top: int) -> list[str]:
        """The likeliest classes, each with its index and probability."""
        odds = np.exp(outputs - outputs.max())
        odds /= odds.sum()
        likeliest = np.argsort(-odds)[: max(1, top)]
        return [f"{index:5d}  {odds[index]:6.1%}  {model.names[index]}" for index in likeliest]


def _alike(measured: Measured, share: float) -> str:
    """A phrase where one class is the reference's on that share of the images; else ""."""
    top: list[int] = measured["reference_top1"]
    ((place, count),) = Counter(top).most_common(1)
    if count < share * len(top):
        return ""
    name = measured["class_names"][place].split(",")[0]
    return f"the reference's top-1 is {name} on {count} of {len(top)} images"


def _as_they_are(outputs: Outputs) -> Outputs:
    return outputs


def _sums_to_one(odds: Outputs) -> bool:
    return bool(odds.min() >= 0 and (np.abs(odds.sum(1) - 1) < 0.01).all())


def _order(logits: Outputs) -> NDArray[np.intp]:
    return np.argsort(-logits, axis=1, kind="stable")


def _margin(logits: Outputs, order: NDArray[np.intp]) -> Outputs:
    """First less second logit, (n,)."""
    ranked = np.take_along_axis(logits, order[:, :2], axis=1)
    return np.asarray(ranked[:, 0] - ranked[:, -1])


def _relative_error(measured: Measured, images: int) -> float:
    """|delta| of what is measured over |reference| of the first `images`."""
    reference = sum(measured["reference_square"][:images])
    return math.sqrt(sum(measured["delta_square"]) / reference) if reference else math.nan
