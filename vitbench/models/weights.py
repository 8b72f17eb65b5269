"""Weights as data: read a checkpoint without running it, load it strictly, digest it."""

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitbench.errors import UserError

Origin = Callable[[], tuple[Any, str]]


class Missing(UserError):
    """Weights of this origin are not to be had here: `--weights=auto` goes on to the next."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state dict of a `.safetensors`, `.pth`, `.pt` or `.bin` file, floats as float32.

    A `model` or `state_dict` key is unwrapped. A checkpoint is data: a pickle that holds more
    than tensors and plain values is refused before any of it runs. Raises UserError.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            import torch

            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such checkpoint file") from error
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error) and "WeightsUnpickler" not in str(error):
            raise _damaged(path) from error
        raise UserError(
            f"{path} is refused: it is damaged, or would run code when loaded; save only the state "
            "dict, best as .safetensors"
        ) from error
    except Exception as error:  # noqa: BLE001 - torch and safetensors raise a dozen kinds
        raise _damaged(path) from error
    for key in ("model", "state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
            break
    return _tensors(state, path)


def _damaged(path: Path) -> UserError:
    why = "is empty" if path.is_file() and path.stat().st_size == 0 else "cannot be read"
    return UserError(f"{path} {why}: it is damaged, or not a checkpoint; get a fresh copy")


def _tensors(state: Any, path: Path) -> dict[str, Any]:
    import torch

    if not isinstance(state, Mapping) or not state:
        raise UserError(f"{path} holds no state dict: save model.state_dict()")
    other = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if other:
        raise UserError(
            f"{path} holds no state dict: its entry {other[0]!r} is not a tensor; "
            "save model.state_dict(), alone or under the key 'model'"
        )
    return {
        str(name): value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def load_strictly(module: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load a state dict. Raises UserError that names a few keys where it does not fit exactly."""
    own = module.state_dict()
    shapes = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    raise_mismatch(path, own.keys() - state.keys(), state.keys() - own.keys(), shapes)
    module.load_state_dict(dict(state))


def raise_mismatch(path: Path, missing: Any, unexpected: Any, shapes: Any) -> None:
    """Raise UserError where any of the three is not empty."""
    kinds = {"lacks": missing, "has an unexpected": unexpected, "has another shape:": shapes}
    faults = [f"it {kind} {_few(sorted(names))}" for kind, names in kinds.items() if names]
    if faults:
        raise UserError(
            f"{path} does not fit this architecture: {'; '.join(faults)}; name the architecture "
            "that it was trained with"
        )


def _few(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def tensors_sha256(module: Any) -> str:
    """A digest of the state dict: names in order, each with dtype, shape and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """What `sha256sum` prints."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def clean_slate() -> Iterator[None]:
    """Build float32 modules on the CPU, whatever the caller's torch is set to, and restore that.

    The random generators, the default dtype and the grad mode are as before afterwards.
    """
    import torch

    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.inference_mode(False):
        torch.set_default_dtype(torch.float32)
        try:
            with torch.no_grad():
                yield
        finally:
            torch.set_default_dtype(dtype)
