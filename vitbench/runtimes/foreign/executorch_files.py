"""Programs of ExecuTorch, `.pte`. One of a single image is called once for each image of a batch,
as the variants that vitbench builds; one of more images takes that many alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.runtimes import executorch
from vitbench.runtimes.base import Deployment, Placement
from vitbench.runtimes.foreign.description import described
from vitbench.runtimes.foreign.feed import Feed
from vitbench.runtimes.foreign.kinds import backends
from vitbench.runtimes.foreign.opened import Opened, Output, Port
from vitbench.structure import Counters

endings: tuple[str, ...] = (".pte",)
SCALAR_TYPES = {0: "uint8", 5: "float16", 6: "float32", 15: "bfloat16"}  # c10::ScalarType


def files(path: Path) -> list[Path]:
    return [path]


def sniff(path: Path) -> None:
    wanted = sorted(backends(path))
    from executorch.runtime import Runtime

    registry = Runtime.get().backend_registry
    missing = [name for name in wanted if not registry.is_available(name)]
    if missing:
        here = [n for n in registry.registered_backend_names if registry.is_available(n)]
        raise UserError(
            f"{path.name} was lowered to {', '.join(missing)}, and this build of executorch has "
            f"{', '.join(here)}"
        )


def open(placement: Placement) -> Opened:
    import torch

    method = executorch.method(placement)
    meta = method.metadata
    inputs = [_port(number, meta) for number in range(meta.num_inputs())]
    first = inputs[0].shape or (1,)
    a_call = first[0] or 1

    def answers(array: NDArray[Any]) -> Mapping[Output, NDArray[Any]]:
        found = [
            [each.clone() for each in method.execute([part])]
            for part in torch.from_numpy(array).split(a_call)
        ]
        return {
            number: torch.cat([each[number] for each in found]).float().numpy()
            for number in range(len(found[0]))
        }

    def deploy(make: Feed, output: Output) -> Deployment:
        return executorch.deployment(method, make, int(output), a_call)

    return Opened(inputs, answers, deploy)


def _port(number: int, meta: Any) -> Port:
    """A program of one image has a free batch here: it is called once for each image."""
    tensor = meta.input_tensor_meta(number)
    batch, *image = tensor.sizes()
    dtype = SCALAR_TYPES.get(tensor.dtype(), f"type {tensor.dtype()}")
    return Port(str(number), (None if batch == 1 else batch, *image), dtype)


operators = executorch.operators


def structure(placement: Placement, images: NDArray[np.float32]) -> Counters:
    a_call = described(placement.variant.input, placement.variant.name).batch or 1
    return executorch.counted(placement, len(images) // a_call)


def loading_code(placement: Placement) -> str:
    return f"""from executorch.runtime import Runtime
method = Runtime.get().load_program({str(placement.path)!r}).load_method("forward")
model = lambda images: method.execute([images])  # {_words(placement)}"""


def _words(placement: Placement) -> str:
    batch = described(placement.variant.input, "").batch
    return f"{batch} images a call" if batch else "one image a call"


def calling_code(_: Placement, output: Output) -> list[str]:
    return [
        "import torch",
        f"logits = model(torch.from_numpy(images))[{output}].float().numpy().copy()",
    ]
