"""TorchScript, the lite interpreter's programs and packages of AOTInductor.

These formats declare neither shapes nor types: a call shows what a file takes. An output is a key
of a dict, or a number from 0.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable, UserError
from vitbench.runtimes import aot_counts, torch_common, torch_counts, torch_profile
from vitbench.runtimes.base import Deployment, Operator, Placement
from vitbench.runtimes.foreign.description import described
from vitbench.runtimes.foreign.feed import Feed, feed
from vitbench.runtimes.foreign.kinds import require_torch
from vitbench.runtimes.foreign.opened import Opened, Output
from vitbench.structure import Counters

# Names of what a CPU can do: AOTInductor's, and torch.cpu's where they differ.
CAPABILITIES = {"avx512": "avx512_f"}


class TorchFiles:
    """The Reader of one format of torch. `load` makes the callable of a placement; `kind` is what
    `require_torch` asks for; `code` is an expression that loads a file, with `{}` for its name."""

    def __init__(self, ending: str, kind: str, load: Callable[[Placement], Any], code: str) -> None:
        self.__name__ = __name__
        self.endings: tuple[str, ...] = (ending,)
        self._kind, self._load, self._code = kind, load, code

    def files(self, path: Path) -> list[Path]:
        return [path]

    def sniff(self, path: Path) -> None:
        require_torch(path, self._kind)

    def open(self, placement: Placement) -> Opened:
        import torch

        torch.set_num_threads(placement.threads)
        with torch_common.quantized_engine(torch_common.engine(placement.variant)):
            call = self._load(placement)
        dtype = getattr(torch, described(placement.variant.input, placement.variant.name).dtype)

        def answers(array: NDArray[Any]) -> Mapping[Output, NDArray[Any]]:
            with torch_common.inference(placement.variant, placement.device):
                found = _named(call(torch.from_numpy(array).to(placement.device, dtype)))
                return {name: _plain(each) for name, each in found.items()}

        return Opened(None, answers, lambda make, output: _deployed(call, placement, make, output))

    def operators(self, placement: Placement, images: NDArray[np.float32]) -> list[Operator]:
        return torch_profile.operators(self._deployment(placement), placement.device, images)

    def structure(self, placement: Placement, images: NDArray[np.float32]) -> Counters:
        if self._kind == "AOTInductor":
            return aot_counts.counted(placement.path)
        return torch_counts.counters(lambda: self._deployment(placement), placement.device, images)

    def _deployment(self, placement: Placement) -> Deployment:
        found = described(placement.variant.input, placement.variant.name)
        make = feed(found, placement.image, placement.path.name)
        return self.open(placement).deploy(make, found.output or 0)

    def loading_code(self, placement: Placement) -> str:
        lines = ["import torch"]
        if name := torch_common.engine(placement.variant):
            lines.append(f"torch.backends.quantized.engine = {name!r}")
        if self._kind == "lite":
            lines.append("from torch.jit.mobile import _load_for_lite_interpreter")
        return "\n".join([*lines, f"model = {self._code.format(repr(str(placement.path)))}"])

    def calling_code(self, placement: Placement, output: Output) -> list[str]:
        dtype = described(placement.variant.input, placement.variant.name).dtype
        return [
            "import torch",
            "with torch.inference_mode():",
            f"    answer = model(torch.from_numpy(images).to(torch.{dtype}))",
            f"logits = (answer if isinstance(answer, torch.Tensor) else answer[{output!r}])"
            ".float().numpy()",
        ]


def _deployed(call: Any, placement: Placement, make: Feed, output: Output) -> Deployment:
    import torch

    dtype = getattr(torch, described(placement.variant.input, placement.variant.name).dtype)
    layout = torch_common.memory_format(placement.variant)
    plain = torch_common.deployment(call, placement)

    def stage(images: NDArray[np.float32]) -> Any:
        with torch.inference_mode():
            array = torch.from_numpy(make(images))
            return array.to(placement.device, dtype, memory_format=layout)

    def read(answer: Any) -> NDArray[np.float32]:
        return _plain(_named(answer)[output])

    return replace(plain, stage=stage, read=read)


def _named(answer: Any) -> dict[Output, Any]:
    """The tensors of what a program returns: a tensor, or a list, tuple or dict of them."""
    import torch

    if isinstance(answer, torch.Tensor):
        return {0: answer}
    pairs = answer.items() if isinstance(answer, Mapping) else enumerate(answer)
    return {name: each for name, each in pairs if isinstance(each, torch.Tensor)}


def _plain(tensor: Any) -> NDArray[np.float32]:
    import torch

    return np.array(tensor.detach().to("cpu", torch.float32).numpy())


def _torchscript(placement: Placement) -> Any:
    import torch

    return torch.jit.load(str(placement.path), map_location=placement.device).eval()


def _lite(placement: Placement) -> Any:
    from torch.jit.mobile import _load_for_lite_interpreter

    return _load_for_lite_interpreter(str(placement.path), map_location=placement.device)


def _package(placement: Placement) -> Any:
    import torch

    loader = torch._C._aoti.AOTIModelPackageLoader
    _require_machine(loader.load_metadata_from_package(str(placement.path), "model"), placement)
    return torch._inductor.aoti_load_package(str(placement.path))


def _require_machine(compiled: Mapping[str, str], placement: Placement) -> None:
    """Raises Unavailable for a package of another processor, whose instructions would end the
    process, and UserError for one of another device."""
    file, here = placement.path.name, platform.machine()
    device, kind = compiled.get("AOTI_DEVICE_KEY", "cpu"), placement.device.partition(":")[0]
    if device != kind:
        raise UserError(f"{file} was compiled for {device}, and this case is on {placement.device}")
    machine = compiled.get("AOTI_MACHINE") or here
    if machine.lower() != here.lower():
        raise Unavailable(f"{file} was compiled for {machine}, and this machine is {here}")
    names = compiled.get("AOTI_CPU_ISA", "").lower().split()
    known = {CAPABILITIES.get(name, name) for name in names if name.startswith("av")}
    torch_common.require_capabilities(known, placement.path)


TORCHSCRIPT = TorchFiles(
    ".pt", "TorchScript", _torchscript, "torch.jit.load({}, map_location='cpu').eval()"
)
LITE = TorchFiles(".ptl", "lite", _lite, "_load_for_lite_interpreter({})")
AOT_INDUCTOR = TorchFiles(".pt2", "AOTInductor", _package, "torch._inductor.aoti_load_package({})")
