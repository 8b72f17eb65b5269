"""What a team's factory returns, and its module as vitbench needs it: eval, float32, on the CPU."""

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vitbench import team_code
from vitbench.errors import UserError, with_kind
from vitbench.models.transformers_kinds import LOGITS
from vitbench.models.transformers_network import network

RETURNS = "a torch.nn.Module, or (module, preprocess), or (module, preprocess, labels)"

# Of torch.compile and of training on several GPUs: the kind, and where it keeps the plain module.
WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
}


@dataclass(frozen=True)
class Made:
    """A module in eval mode, in float32, on the CPU, images to outputs; what else the factory
    returned, or None; how many things it returned; and sentences on what was changed.

    `config` is that of a model of transformers, whose output object has the `logits`; else None.
    """

    module: Any
    preprocess: Any
    labels: Any
    returns: int
    notes: tuple[str, ...]
    config: Any = None


def make(architecture: Mapping[str, Any], where: str, seed: int) -> Made:
    """Calls the `factory` of an architecture with its `args`, random numbers seeded.

    Raises UserError, which begins with `where`.
    """
    import torch

    factory = team_code.imported(architecture["factory"], where)
    with _seeded(seed), _unchanged():
        made = team_code.called(factory, where, (), architecture.get("args", {}))
    parts = made if isinstance(made, tuple | list) else (made,)
    if not 1 <= len(parts) <= 3 or not isinstance(parts[0], torch.nn.Module):
        kinds = ", ".join(type(each).__name__ for each in parts)
        got = f"({kinds})" if isinstance(made, tuple | list) else type(made).__name__
        raise UserError(f"{where} returns {got}: expected {RETURNS}")
    module, notes = _plain(parts[0], where)
    preprocess, labels = (*parts[1:], None, None)[:2]
    config = None
    if is_of_transformers("modeling_utils", "PreTrainedModel", module):
        config, module = module.config, network(module, LOGITS).eval()
    return Made(module, preprocess, labels, len(parts), notes, config)


def is_of_transformers(module: str, name: str, value: Any) -> bool:
    """Whether a value is of a class of transformers, which is not imported for the question."""
    found = getattr(sys.modules.get(f"transformers.{module}"), name, None)
    return found is not None and isinstance(value, found)


def _plain(module: Any, where: str) -> tuple[Any, tuple[str, ...]]:
    """The module without wrappers, in eval mode, in float32, on the CPU, and what was changed."""
    import torch

    notes = []
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(
            f"{where} returns a ScriptModule: vitbench builds from the plain module; a file of "
            "TorchScript is a variant with an artifact"
        )
    while type(module).__name__ in WRAPPERS:
        notes.append(f"the factory's {type(module).__name__} is taken off its module")
        module = getattr(module, WRAPPERS[type(module).__name__])
    _require_tensors(module, where)
    tensors = [*module.parameters(), *module.buffers()]
    kinds = sorted({str(each.dtype).removeprefix("torch.") for each in tensors
                    if each.is_floating_point() and each.dtype != torch.float32})  # fmt: skip
    places = sorted({each.device.type for each in tensors} - {"cpu"})
    if "meta" in places:
        raise UserError(f"{where} returns a module on the meta device: it has no weights")
    try:
        module = module.to("cpu").float().eval()
    except Exception as error:  # whatever a module of their own does there
        raise UserError(
            f"{where}: its module does not become float32: {with_kind(error)}"
        ) from error
    if places:
        notes.append(
            f"the factory's module was on {', '.join(places)}: it is measured from the CPU"
        )
    if kinds:
        notes.append(f"the factory's weights in {', '.join(kinds)} are taken in float32")
    return module, tuple(notes)


def _require_tensors(module: Any, where: str) -> None:
    import torch

    for name, value in module.state_dict().items():
        if not isinstance(value, torch.Tensor) or value.is_quantized:
            kind = "quantized" if isinstance(value, torch.Tensor) else type(value).__name__
            raise UserError(
                f"{where}: {name} in its state dict is {kind} and no tensor of floats or whole "
                "numbers: return the float model; a recipe of your own quantizes it"
            )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of Python, NumPy and torch from the seed; afterwards the caller's own."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def _unchanged() -> Iterator[None]:
    """torch's number of threads, default type and gradients as they were: of this whole process."""
    import torch

    before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_default_dtype(before[1])
        torch.set_grad_enabled(before[2])
