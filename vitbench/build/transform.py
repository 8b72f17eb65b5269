"""A project's own recipe: its transform is called here, in the process that builds, and nowhere
else."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench import team_code
from vitbench.errors import RecipeFailed, Unavailable, UserError, WorkerFailed, with_kind
from vitbench.models import Model
from vitbench.runtimes import Runtime, Variant


def source_of(recipe: Variant) -> dict[str, dict[str, str]]:
    """Which transform a recipe has, and the digest of the source that it stands on: `transform` of
    a manifest. Empty where the recipe has none."""
    if recipe.transform is None:
        return {}
    sha256 = team_code.digest(recipe.transform)
    return {"transform": {"function": recipe.transform, "sha256": sha256}}


def built(
    runtime: Runtime,
    model: Model,
    recipe: Variant,
    path: Path,
    calibration: NDArray[np.float32] | None,
) -> dict[str, Any] | None:
    """As `Runtime.build`, of what the recipe's transform makes where the recipe has one. Raises as
    `transformed`, and RecipeFailed for what the runtime cannot build of that."""
    if recipe.transform is None:
        return runtime.build(model, recipe, path, calibration)
    made = transformed(model, recipe.transform, calibration)
    try:
        return runtime.build(made, recipe, path, calibration)
    except (UserError, WorkerFailed, OSError):
        raise
    except Unavailable as error:  # of ours a reason to skip a model; here the recipe is wrong
        raise RecipeFailed(_cannot(recipe, str(error))) from error
    except Exception as error:  # a library's, on a network that it never saw
        raise RecipeFailed(_cannot(recipe, with_kind(error))) from error


def _cannot(recipe: Variant, why: str) -> str:
    return (
        f"the runtime {recipe.runtime} cannot build the module that the transform "
        f"{recipe.transform} returns: {why}"
    )


def transformed(model: Model, transform: str, calibration: NDArray[np.float32] | None) -> Model:
    """The model whose module is what a transform, `package.module:function`, returns.

    The transform gets the module, float32 and in eval mode on the CPU, which it may change in
    place, and the calibration images, a float32 tensor (N, 3, H, W) on the CPU, or None where its
    recipe is not calibrated. It returns a module that takes float32 images and answers with as many
    outputs as before. Raises RecipeFailed, one sentence, for all else, and for what it raises.
    """
    import torch

    where = f"the transform {transform}"
    image = torch.zeros(1, *model.architecture["image"])
    wanted = _answer(model.module, image)
    images = None if calibration is None else torch.from_numpy(calibration)
    try:
        function = team_code.imported(transform, where)
        made = team_code.called(function, where, (model.module, images))
    except UserError as error:  # of this variant alone: the others go on
        raise RecipeFailed(str(error)) from error
    if not isinstance(made, torch.nn.Module):
        raise RecipeFailed(
            f"{where} returns {type(made).__name__}: it should return a torch.nn.Module"
        )
    _settle(made)
    try:
        found = _answer(made, image)
    except Exception as error:  # whatever a module of theirs does
        raise RecipeFailed(
            f"{where} returns a module that does not take a float32 image {tuple(image.shape)}: "
            f"{with_kind(error)}"
        ) from error
    if found != wanted:
        raise RecipeFailed(
            f"{where} returns a module that answers an image with {found}, and the model answers "
            f"with {wanted}"
        )
    return replace(model, module=made)


def _settle(module: Any) -> None:
    """Eval mode, without gradients. What torch.export made has one mode alone, and says so."""
    if any(each.training for each in module.modules()):
        with suppress(NotImplementedError):
            module.eval()
    module.requires_grad_(False)


def _answer(module: Any, image: Any) -> Any:
    """The shape of what a module answers; the name of its type where it is no tensor."""
    import torch

    with torch.inference_mode():
        found = module(image)
    return tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
