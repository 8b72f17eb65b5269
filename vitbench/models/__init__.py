"""What is computed: models, their weights and preprocessing. This front door only exports."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.models import heads, hub, python, timm, transformers
from vitbench.models.base import Label, Model, ModelSpec, Weights
from vitbench.models.flops import flops, flops_of
from vitbench.models.spec import parse_spec, parse_specs, unique
from vitbench.models.weights import first_line

__all__ = [
    "Label",
    "Model",
    "ModelSpec",
    "Weights",
    "creation_code",
    "flops",
    "flops_of",
    "load_model",
    "parse_spec",
    "parse_specs",
    "skeleton",
    "unique",
]

SOURCES: Mapping[str, Any] = {"timm": timm, "hf": transformers, "hub": hub, "py": python}


def load_model(spec: ModelSpec, mode: str | None) -> Model:
    """The model of a spec; `mode` is the value of --weights, or None where it was not given.

    Raises UserError where its source cannot be read, or where it answers an image of its own
    preprocessing with anything but logits of its classes.
    """
    model: Model = SOURCES[spec.source].load(spec, mode)
    model = heads.settled(model)
    model.module.eval().requires_grad_(False)
    image = _prepared(model)
    _check_outputs(model, image)
    return replace(model, architecture={**model.architecture, "image": list(image.shape)})


def _prepared(model: Model) -> NDArray[np.float32]:
    """A photograph as the model takes it. Raises UserError where not all have one size then."""
    try:
        wide = model.preprocess(Image.new("RGB", (320, 240)))
        tall = model.preprocess(Image.new("RGB", (240, 320)))
    except UserError:
        raise
    except Exception as error:  # whatever a value of a config leads a library to
        raise UserError(
            f"{model.spec.where}: its preprocessing fails on a photograph "
            f"({first_line(error)}): repair its config"
        ) from error
    if wide.shape != tall.shape:
        raise UserError(
            f"{model.spec.where}: its preprocessing leaves images of several sizes, such "
            f"as {wide.shape[1:]} and {tall.shape[1:]}, which make no batch: give it a crop, or "
            "height and width"
        )
    return wide


def _check_outputs(model: Model, image: NDArray[np.float32]) -> None:
    import torch

    name = model.spec.where
    try:
        with torch.inference_mode():
            logits = model.module(torch.from_numpy(image)[None])
    except Exception as error:  # whatever another size leads a model to
        raise UserError(
            f"{name}: the model does not take the images of its own preprocessing, "
            f"{tuple(image.shape)} ({first_line(error)}): one of the two has the wrong size"
        ) from error
    if not isinstance(logits, torch.Tensor):
        raise UserError(
            f"{name}: the model answers an image with {type(logits).__name__} and not with a tensor"
        )
    shape = tuple(logits.shape)
    if not logits.isfinite().all():
        raise UserError(
            f"{name}: the model answers a black photograph with values that are not finite: its "
            "weights are damaged, or its training has diverged"
        )
    if len(shape) != 2 or shape[0] != 1:
        raise UserError(
            f"{name}: the model answers an image with {shape} and not with one row of outputs"
        )
    if wrong := heads.misfit(model.head, shape[1], len(model.labels)):
        raise UserError(f"{name}: the model {wrong}")


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """A float32 module in eval mode on the CPU, images to logits, whose weights mean nothing.

    The caller's random numbers are left as they were.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        return SOURCES[architecture["source"]].skeleton(architecture).eval().requires_grad_(False)


def creation_code(architecture: Mapping[str, Any]) -> str:
    """Python lines that make the same bare module, as `model`, without vitbench."""
    return str(SOURCES[architecture["source"]].creation_code(architecture))
