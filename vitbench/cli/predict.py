"""`vitbench predict`: one image, answered by each variant."""

import argparse
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.options import PREDICT
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import session_of
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
from vitbench.heads import HEADS, SINGLE_LABEL, Spoken
from vitbench.runtimes.catalogue import strange

if TYPE_CHECKING:
    from vitbench.models.base import Model, Weights


def register(commands: Any) -> None:
    predict = commands.add_parser(PREDICT, help="answer one image, each variant side by side")
    predict.add_argument("image", type=path_of, metavar="IMAGE", help="a file that Pillow reads")
    add(predict, PREDICT)
    predict.add_argument(
        "--top", type=int, default=1, metavar="K", help="the K likeliest classes or labels"
    )
    predict.set_defaults(run=predict_image)


def predict_image(chosen: argparse.Namespace) -> int:
    """What the head makes of the outputs, by each variant. Returns 1 where a variant failed."""
    from vitbench.case import Case
    from vitbench.measure.images import changes_of, read_image
    from vitbench.show.foundations import partly_quantized

    image = read_image(chosen.image)
    for change in changes_of(image):
        print(f"{chosen.image.name}: {change}")
    session, code = session_of(PREDICT, chosen), OK
    names = [spec.name for spec in session.options.models]
    variants = session.catalogue.select(chosen.variant or ["fp32"], "fp32", names)
    for spec in session.options.models:
        model = session.model(spec.name)
        head = HEADS[model.head]
        spoken = Spoken(head.names([label.name for label in model.labels]), model.threshold)
        print(f"{spec.name} ({_outputs(model)}; {_about(model.weights)})")
        for note in model.notes:
            print(f"  {note}")
        images, first = model.preprocess(image)[None], None
        for recipe in variants:
            if strange(recipe, [spec.name]):
                continue
            case = Case(spec.name, recipe.name, "cpu", 1)
            try:
                outputs = session.deployment(case).logits(images)[0].astype(float)
            except Unavailable as reason:
                print(f"  {recipe.name:22} unavailable: {reason}")
                continue
            except UserError:
                raise
            except Exception as failure:  # of one variant: the others go on
                words = str(failure) if isinstance(failure, WorkerFailed) else with_kind(failure)
                print(f"  {recipe.name:22} failed: {words}")
                code = BROKEN
                continue
            first = outputs if first is None else first
            for line in head.lines(outputs, spoken, chosen.top):
                print(f"  {recipe.name:22} {line}")
            if outputs is not first and (beside := head.beside(outputs, first)):
                print(f"  {'':22} {beside}")
            if said := partly_quantized(**session.artifact(case).layers):
                print(f"  {'':22} {said}")
    return code


def _outputs(model: "Model") -> str:
    """What the outputs are."""
    if model.head == SINGLE_LABEL:
        return f"{len(model.labels)} classes"
    return f"{model.head}, {len(model.labels)} labels" if model.labels else model.head


def _about(weights: "Weights") -> str:
    """Their origin, digest and note, and what an answer of such weights is worth."""
    words = f"{weights.origin} weights {weights.sha256[:12]}, {weights.note}"
    if weights.synthetic:
        return f"{words}; SYNTHETIC: the answer means nothing"
    if weights.origin == "bundled":
        return f"{words}; they know these classes alone, whatever the image shows"
    return words
