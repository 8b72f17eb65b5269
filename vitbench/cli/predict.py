"""`vitbench predict`: images, each answered by each variant."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.options import PREDICT
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import session_of
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
from vitbench.heads import HEADS, SINGLE_LABEL, Spoken
from vitbench.runtimes.catalogue import strange

if TYPE_CHECKING:
    from PIL.Image import Image

    from vitbench.measure.session import Session
    from vitbench.models.base import Model, Weights
    from vitbench.runtimes import Variant


def register(commands: Any) -> None:
    predict = commands.add_parser(PREDICT, help="answer images, each variant side by side")
    predict.add_argument(
        "image", type=path_of, nargs="+", metavar="IMAGE", help="a file that Pillow reads"
    )
    add(predict, PREDICT)
    predict.add_argument(
        "--top", type=int, default=1, metavar="K", help="the K likeliest classes or labels"
    )
    predict.set_defaults(run=predict_image)


def predict_image(chosen: argparse.Namespace) -> int:
    """What the head makes of the outputs, by each variant. Returns 1 where a variant failed, or an
    image among others cannot be read: those are answered."""
    opened, code = _opened(chosen.image)
    session = session_of(PREDICT, chosen)
    names = [spec.name for spec in session.options.models]
    variants = session.catalogue.select(chosen.variant or ["fp32"], "fp32", names)
    for spec in session.options.models:
        model = session.model(spec.name)
        print(f"{spec.name} ({_outputs(model)}; {_about(model.weights)})")
        for note in model.notes:
            print(f"  {note}")
        fitting = [recipe for recipe in variants if not strange(recipe, [spec.name])]
        for path, image in opened:
            if len(chosen.image) > 1:
                print(f"  {path.name}")
            code = _answer(session, spec.name, fitting, image, chosen.top) or code
    return code


def _opened(paths: Sequence[Path]) -> "tuple[list[tuple[Path, Image]], int]":
    """The images that can be read, and BROKEN where one among several cannot, which is said.

    Raises UserError where none can be read.
    """
    from vitbench.measure.images import changes_of, read_image

    opened, problems = [], []
    for path in paths:
        try:
            image = read_image(path)
        except UserError as error:
            problems.append(str(error))
            continue
        opened.append((path, image))
        for change in changes_of(image):
            print(f"{path.name}: {change}")
    if not opened:
        raise UserError("; ".join(problems))
    for problem in problems:
        print(f"vitbench: error: {problem}", file=sys.stderr)
    return opened, BROKEN if problems else OK


def _answer(
    session: "Session", name: str, variants: "Sequence[Variant]", image: "Image", top: int
) -> int:
    """Prints what each variant of a model says of an image. Returns BROKEN where one failed."""
    from vitbench.case import Case
    from vitbench.show.foundations import partly_quantized

    model, code = session.model(name), OK
    head = HEADS[model.head]
    spoken = Spoken(head.names([label.name for label in model.labels]), model.threshold)
    images, first = model.preprocess(image)[None], None
    for recipe in variants:
        case = Case(name, recipe.name, "cpu", 1)
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
        for line in head.lines(outputs, spoken, top):
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
