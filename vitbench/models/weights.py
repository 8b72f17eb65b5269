"""Weights: digested, found in the hub's cache, or seeded with a few outlier channels."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

SEED = 0
# Trained ViTs have a few residual channels far larger than the rest; random ones have none, and so
# hide what int8 does to them. The bias is in units of a fresh residual stream's spread.
OUTLIERS = 4
OUTLIER_BIAS = 6.0


def tensors_sha256(module: Any) -> str:
    """Digest of a module's tensors: name, dtype, shape and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """What `sha256sum` prints of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def seeded() -> Iterator[None]:
    """Torch's CPU random numbers from the seed; the caller's generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


def synthesize(make: Callable[[], Any]) -> Any:
    """A module with seeded weights and a few outlier channels in its residual stream. No linear
    layer has weights of nothing but 0.

    Outliers are a bias on the second linear layer of the MLP (four times as many inputs as
    outputs) of a block a third of the way in, so that every later layer sees them. They do not yet
    do what trained ones do: the logit error of int8 is about the same with and without them.
    """
    import torch

    with seeded():
        module = make()
        for layer in module.modules():
            # As timm's Hiera begins: logits that are all 0 would agree with any others.
            if isinstance(layer, torch.nn.Linear) and not layer.weight.any():
                torch.nn.init.trunc_normal_(layer.weight, std=0.02)
        mlps = [
            layer
            for layer in module.modules()
            if isinstance(layer, torch.nn.Linear) and layer.in_features == 4 * layer.out_features
        ]
        if mlps:
            layer = mlps[len(mlps) // 3]
            channels = torch.randperm(layer.out_features)[:OUTLIERS]
            with torch.no_grad():
                layer.bias[channels] += OUTLIER_BIAS * (1 - 2 * (torch.arange(len(channels)) % 2))
    return module


def first_line(error: Exception) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


@lru_cache
def hub_answers() -> bool:
    """Whether the Hugging Face hub can be reached: one probe of three seconds for the process."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=3).close()
    except HTTPError:
        return True  # it answered
    except OSError:
        return False
    return True


def cached_file(repo: str, names: tuple[str, ...], revision: str | None = None) -> Path | None:
    """The first of these files of a hub repository that lies in the local cache; of its main
    branch where no revision is given."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(found, str):
            return Path(found)
    return None
