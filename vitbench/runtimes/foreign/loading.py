"""The one place where files of other tools are opened: once to be admitted, then to be called."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from vitbench.errors import Unavailable, UserError
from vitbench.runtimes.base import Deployment, Placement
from vitbench.runtimes.foreign.description import Description, described
from vitbench.runtimes.foreign.feed import code, feed
from vitbench.runtimes.foreign.fit import Answers, fitted, probed
from vitbench.runtimes.foreign.kinds import names_cuda, require_content
from vitbench.runtimes.foreign.opened import Opened, Reader

CHECKS = "AOTI_RUNTIME_CHECK_INPUTS"


def admit(
    reader: Reader, placement: Placement, outputs: int, undone: Mapping[str, Any]
) -> dict[str, Any]:
    """Open a file and call it. The completed `input`: with names and the batch where it is fixed.

    `outputs` is how many numbers the model answers an image with, and `undone` the mean and std of
    its preprocessing, for a sentence. Raises UserError where the file is damaged, of another kind
    or takes other images than described; Unavailable where this machine cannot run it.
    """
    variant = placement.variant
    where = f"{variant.name}: {placement.path.name}"
    try:
        require_content(reader.files(placement.path))
        reader.sniff(placement.path)
    except UserError as error:
        raise UserError(f"{variant.name}: {error}") from error
    with _checks():
        return {"input": _completed(reader, placement, outputs, undone, where).to_json()}


@contextmanager
def _checks() -> Iterator[None]:
    """Generated code of AOTInductor looks at what it is given; else it would read beyond that."""
    before = os.environ.get(CHECKS)
    os.environ[CHECKS] = "1"
    try:
        yield
    finally:
        del os.environ[CHECKS]
        if before is not None:
            os.environ[CHECKS] = before


def _completed(
    reader: Reader, placement: Placement, outputs: int, undone: Mapping[str, Any], where: str
) -> Description:
    variant = placement.variant
    try:
        opened = reader.open(placement)
    except (UserError, Unavailable):
        raise
    except Exception as error:  # whatever a library does with a damaged file
        raise UserError(
            f"{where}: {variant.runtime} cannot read it ({_last_words(error, placement)}): it is "
            "damaged, or of another version: build it again"
        ) from error
    found = described(variant.input, variant.name)
    if opened.inputs is not None:
        found = fitted(found, opened.inputs, placement.image, undone, where)
    return _probed(found, opened, placement, outputs, where)


def _probed(
    found: Description, opened: Opened, placement: Placement, outputs: int, where: str
) -> Description:
    make = feed(found, placement.image, placement.path.name)

    def call(batch: int) -> Answers:
        return opened.answers(make(np.zeros((batch, *placement.image), np.float32)))

    def in_words(error: BaseException) -> str:
        scripted = placement.device == "cpu" and placement.path.suffix in (".pt", ".ptl")
        if scripted and names_cuda(placement.path):
            return "its code names a CUDA device: move the model to the CPU and trace it there"
        return _last_words(error, placement)

    return probed(found, call, outputs, where, in_words)


def load(reader: Reader, placement: Placement) -> Deployment:
    """The deployment of a file whose `input` was completed by `admit`."""
    found = described(placement.variant.input, placement.variant.name)
    opened = reader.open(placement)
    make = feed(found, placement.image, placement.path.name)
    return opened.deploy(make, 0 if found.output is None else found.output)


def calling_code(reader: Reader, placement: Placement, images: str) -> list[str]:
    """Lines of Python from images as the model takes them, an expression, to `logits`."""
    found = described(placement.variant.input, placement.variant.name)
    output = 0 if found.output is None else found.output
    return [*code(found, placement.image, images), *reader.calling_code(placement, output)]


def _last_words(error: BaseException, placement: Placement) -> str:
    """The last line of an error that says something: those of torch begin with a stack. Without
    the folder of the copy, which is one of this machine."""
    text = str(error).replace(f"{placement.path.parent}{os.sep}", "")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    words = lines[-1].removeprefix("RuntimeError: ") if lines else type(error).__name__
    return words if len(words) <= 200 else f"{words[:197]}..."
