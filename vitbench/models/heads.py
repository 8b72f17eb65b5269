"""Which outputs and labels each head takes (what heads mean: vitbench/heads)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Label, Model

SIDES = (Label("0", "no"), Label("1", "yes"))
THRESHOLDED = ("binary", "multi-label")


def settled(model: Model) -> Model:
    """The model with the head, the threshold and the labels that its spec asks for.

    Labels that only count the outputs go where a head has none: an embedding and a regression.
    Raises UserError for what does not go together.
    """
    spec, where = model.spec, model.spec.where
    head, threshold = spec.head or model.head, model.threshold
    if head not in FITS:
        raise UserError(f"{where}: there is no head {head!r}: choose of {', '.join(FITS)}")
    if spec.threshold is not None:
        threshold = spec.threshold
        if head not in THRESHOLDED:
            raise UserError(
                f"{where}: threshold belongs to the heads {' and '.join(THRESHOLDED)}, and the "
                f"head is {head}"
            )
        if not 0 < threshold < 1:
            raise UserError(f"{where}: threshold = {threshold:g} is no probability between 0 and 1")
    names = model.labels
    if spec.labels is not None:
        if head == "embedding":
            raise UserError(f"{where}: labels name outputs, and an embedding has no such names")
        names = labels.given(spec.labels, counts(head, len(names)), where)
    elif names == labels.numbered(len(names)):
        names = {"binary": SIDES, "regression": (), "embedding": ()}.get(head, names)
    return replace(model, head=head, threshold=threshold, labels=names)


def misfit(head: str, outputs: int, labels: int) -> str | None:
    """What is wrong with a model of so many outputs and labels for a head, in words that follow
    "the model"; None where the head fits."""
    return FITS[head](outputs, labels)


def _single_label(outputs: int, labels: int) -> str | None:
    if outputs == 1:
        return (
            "has one output, of which no class is the likeliest: say what the output is with "
            'head = "binary" (the logit of yes) or head = "regression" (a value)'
        )
    return _labelled("single-label", outputs, labels)


def _binary(outputs: int, labels: int) -> str | None:
    if outputs != 1:
        two = ": two logits of a softmax are single-label" if outputs == 2 else ""
        return f"has {outputs} outputs, and the head binary takes one logit{two}"
    if labels not in (1, 2):
        return f"has {labels} labels, and the head binary takes one (yes) or two (no, then yes)"
    return None


def _multi_label(outputs: int, labels: int) -> str | None:
    if outputs == 1:
        return 'has one output: one logit of yes is head = "binary", not multi-label'
    return _labelled("multi-label", outputs, labels)


def _regression(outputs: int, labels: int) -> str | None:
    if labels in (0, outputs):
        return None
    return (
        f"has {outputs} outputs and {labels} labels, and the head regression takes a label for "
        "each output, or none"
    )


def _embedding(outputs: int, labels: int) -> str | None:
    if outputs < 2:
        return "has one output, and an embedding is a vector"
    return f"has {labels} labels, and an embedding has none" if labels else None


def _labelled(head: str, outputs: int, labels: int) -> str | None:
    if outputs == labels:
        return None
    return (
        f"has {outputs} outputs and {labels} labels, and the head {head} takes as many as outputs"
    )


def counts(head: str | None, outputs: int) -> tuple[int, ...]:
    """How many labels a model of so many outputs may have."""
    return (1, 2) if head == "binary" else (outputs,)


FITS: Mapping[str, Callable[[int, int], str | None]] = {
    "single-label": _single_label,
    "binary": _binary,
    "multi-label": _multi_label,
    "regression": _regression,
    "embedding": _embedding,
}
"""By head: the rule of `misfit`."""
