"""Models of a team's own Python, `py:package.module:factory`, which runs because it was named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench import team_code
from vitbench.errors import UserError, with_kind
from vitbench.models import labels
from vitbench.models.base import Label, Model, ModelSpec, Weights
from vitbench.models.checkpoint import load_strictly, matched, read_checkpoint
from vitbench.models.heads import counts
from vitbench.models.preprocess import Preprocess
from vitbench.models.python_images import preprocess_of
from vitbench.models.python_module import Made, make
from vitbench.models.transformers_kinds import LOGITS
from vitbench.models.weights import SEED, file_sha256, tensors_sha256

__all__ = ["creation_code", "load", "skeleton"]


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The module that the factory returns, with the weights that it gives it."""
    return make(architecture, f"py:{architecture['factory']}", SEED).module


def creation_code(architecture: Mapping[str, Any]) -> str:
    """It needs the team's own package: nothing else knows how to make the module."""
    module, _, name = architecture["factory"].partition(":")
    given = ", ".join(f"{key}={value!r}" for key, value in architecture.get("args", {}).items())
    first = "[0]" if architecture["returns"] > 1 else ""
    lines = [f"import {module}  # the project's own package, with the code that made this model"]
    if "answer" not in architecture:
        return "\n".join([*lines, f"model = {module}.{name}({given}){first}.float()"])
    lines += [
        "import torch",
        f"net = {module}.{name}({given}){first}.float()",
        "model = torch.nn.ModuleDict({'model': net})",
        f"model.forward = lambda images: net(pixel_values=images).{architecture['answer']}",
    ]
    return "\n".join(lines)


def load(spec: ModelSpec, _: str | None) -> Model:
    """The model of a factory: it says which weights, whatever --weights is.

    Raises UserError, one sentence, for whatever is wrong with the factory or what it returns.
    """
    where = spec.where
    architecture: dict[str, Any] = {"source": "py", "factory": spec.ident}
    if spec.args:
        architecture["args"] = dict(spec.args)
    made = make(architecture, where, SEED)
    architecture |= {"code": team_code.digest(spec.ident), "returns": made.returns}
    if made.config is not None:
        architecture["answer"] = LOGITS
    notes, weights = _weights(spec, architecture, made, where)
    preprocess, how = preprocess_of(made, spec, where)
    names = _labels(made, preprocess, spec, where)
    notes = (*made.notes, *notes, *how)
    return Model(spec, made.module, architecture, preprocess, names, weights, True, notes)


def _weights(
    spec: ModelSpec, architecture: Mapping[str, Any], made: Made, where: str
) -> tuple[tuple[str, ...], Weights]:
    """Of a checkpoint, which is loaded; else what the factory gives its module.

    Weights that another seed changes are random numbers. Raises UserError where the same seed
    gives others: every process would have another model.
    """
    if spec.path:
        notes = _fill(spec, made, Path(spec.path))
        file = Path(spec.path)
        about = ("checkpoint", tensors_sha256(made.module), file_sha256(file), False, file.name)
        return notes, Weights(*about)
    sha256 = tensors_sha256(made.module)
    other = make(architecture, where, SEED + 1).module
    if tensors_sha256(other) == sha256:
        return (), Weights("factory", sha256, None, False, f"py:{spec.ident}")
    random = _differing(made.module, other)
    if tensors_sha256(make(architecture, where, SEED).module) != sha256:
        raise UserError(
            f"{where} returns other weights in each call, such as {random[0]}, although the random "
            "numbers of Python, NumPy and torch are seeded: seed its own generator, or load a "
            "checkpoint"
        )
    note = f"synthetic: {len(random)} tensors are random numbers, such as {random[0]}"
    return (), Weights("factory", sha256, None, True, note)


def _differing(one: Any, other: Any) -> list[str]:
    theirs = other.state_dict()
    return [
        name
        for name, tensor in one.state_dict().items()
        if name not in theirs or not tensor.equal(theirs[name])
    ] or ["its set of tensors"]


def _fill(spec: ModelSpec, made: Made, file: Path) -> tuple[str, ...]:
    try:
        checkpoint = read_checkpoint(file, spec.ema)
        checkpoint = matched(checkpoint, made.module.state_dict(), file)
        load_strictly(made.module, checkpoint.state, file)
    except UserError as error:
        words = str(error).partition(". Name the architecture")[0]
        raise UserError(f"{spec.where}: {words}") from error
    return checkpoint.notes


def _labels(made: Made, preprocess: Preprocess, spec: ModelSpec, where: str) -> tuple[Label, ...]:
    """The factory's, else those of its config or numbered, as many as there are outputs."""
    outputs = _outputs(made.module, preprocess(Image.new("RGB", (320, 240))), where)
    wanted = made.labels
    if wanted is None or spec.labels is not None:
        return labels.of_config(made.config.to_dict() if made.config else {}, outputs)
    if isinstance(wanted, str | Path):
        wanted = str(team_code.folder(spec.ident) / wanted)
    elif not isinstance(wanted, list | tuple) or not all(isinstance(x, str) for x in wanted):
        raise UserError(
            f"{where} returns labels of type {type(wanted).__name__}: expected a list of texts, or "
            "the path of a file with a label a line"
        )
    names = wanted if isinstance(wanted, str) else tuple(wanted)
    return labels.given(names, counts(spec.head, outputs), where)


def _outputs(module: Any, image: NDArray[np.float32], where: str) -> int:
    """How many outputs the module has for an image. Raises UserError where it gives no row."""
    import torch

    try:
        with torch.inference_mode():
            answer = module(torch.from_numpy(image)[None])
    except Exception as error:  # whatever a network does
        raise UserError(
            f"{where}: the model does not take the images of its preprocessing, "
            f"{tuple(image.shape)}: {with_kind(error)}{team_code.line(error)}"
        ) from error
    shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != 1:
        raise UserError(
            f"{where}: the model answers an image with {shape} and not with one row of outputs"
        )
    return int(shape[1])
