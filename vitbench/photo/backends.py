"""The table of front halves: each takes JPEG bytes to the image of a model. A new one is a row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from vitbench.case import Limits
from vitbench.errors import Unavailable
from vitbench.photo import decoders, onnx_graph, openvino_graph, resizers
from vitbench.photo.chain import FrontHalf, Network, chained, in_graph
from vitbench.photo.decoders import Decoder
from vitbench.photo.resizers import Resizer
from vitbench.photo.steps import Steps
from vitbench.place import install
from vitbench.runtimes import Deployment, Placement

LIMITS = Limits(
    agreement=0.97,
    relative_error=0.01,
    cosine=0.999,
    reason="resizes with Pillow's kernel keep it, other kernels do not: docs/photo.md",
)

EXTRAS = {"cv2": "photo", "simplejpeg": "photo"}
"""The extra that has a module; others are in `runtimes`."""


@dataclass(frozen=True)
class Backend:
    """A front half: what decodes, and what resizes and normalizes, made for the steps of a model.

    `packages` are modules that must be there. Where there is no `resizer`, `network` does its work
    in the graph of a variant, which must be of `runtime`. `limits` are what the whole chain must
    keep against the chain whose front half is Pillow and the model's own preprocessing, on
    photographs of all kinds and at most so many `images` of the sample.
    """

    name: str
    about: str
    packages: tuple[str, ...]
    decoder: Callable[[Steps], Decoder]
    resizer: Callable[[Steps], Resizer] | None
    network: Callable[[Placement, Steps], Network] | None = None
    runtime: str = ""
    limits: Limits = LIMITS
    images: int = 128

    def front_half(self, steps: Steps) -> FrontHalf:
        """For the preprocessing of a model. Raises Unavailable, with the reason, where a package is
        missing, the library cannot do what the steps says, or a graph does it."""
        if self.resizer is None:
            raise Unavailable(f"{self.name} is a part of the graph of a variant of {self.runtime}")
        self._require()
        decode, make = self.decoder(steps), self.resizer(steps)
        return lambda jpeg: make(decode(jpeg))

    def chain(self, steps: Steps, placement: Placement, deployment: Deployment) -> Deployment:
        """With a variant behind it, as `photo.chain` has it; `deployment` is that of `placement`.
        Raises Unavailable as `front_half`, and where the graph is not the variant's."""
        if self.network is None:
            return chained(self.front_half(steps), deployment)
        variant = placement.variant
        if variant.runtime != self.runtime or variant.artifact or placement.device != "cpu":
            raise Unavailable(f"only a graph of {self.runtime} on the CPU takes it in")
        self._require()
        return in_graph(self.decoder(steps), self.network(placement, steps), deployment)

    def _require(self) -> None:
        if lacking := [each for each in self.packages if find_spec(each) is None]:
            extras = dict.fromkeys(EXTRAS.get(each, "runtimes") for each in lacking)
            are = "are" if len(lacking) > 1 else "is"
            raise Unavailable(
                f"{' and '.join(lacking)} {are} not installed: {install(','.join(extras))}"
            )


def _always(decode: Decoder) -> Callable[[Steps], Decoder]:
    return lambda _: decode


def _scaled(steps: Steps) -> Decoder:
    """At twice the size that the steps resizes to, at least."""
    if steps.resize is None:
        raise Unavailable("the model's preprocessing does not resize")
    size = steps.resize if isinstance(steps.resize, tuple) else (steps.resize, steps.resize)
    return decoders.scaled_by_simplejpeg(2 * size[0], 2 * size[1])


BACKENDS: Mapping[str, Backend] = {each.name: each for each in (
    Backend("pillow", "Pillow decodes and resizes", (),
            _always(decoders.by_pillow), resizers.by_pillow),
    Backend("torchvision", "torchvision v2: uint8, antialiased", ("torchvision",),
            _always(decoders.by_torchvision), resizers.by_torchvision),
    Backend("opencv", "OpenCV: areas where a photograph shrinks", ("cv2",),
            _always(decoders.by_opencv), resizers.by_opencv),
    Backend("opencv-plain", "OpenCV by the kernel's name, which does not antialias", ("cv2",),
            _always(decoders.by_opencv), resizers.by_opencv_plainly),
    Backend("simplejpeg", "simplejpeg decodes, torch resizes uint8", ("simplejpeg", "torch"),
            _always(decoders.by_simplejpeg), resizers.by_torch),
    Backend("simplejpeg-scaled", "simplejpeg decodes at a part of the size, torch resizes uint8",
            ("simplejpeg", "torch"), _scaled, resizers.by_torch),
    # OpenVINO makes its resize anew for each size of photograph, which takes half a second.
    Backend("openvino-graph", "simplejpeg-scaled decodes, the variant's own graph does the rest",
            ("simplejpeg", "openvino"), _scaled, None, openvino_graph.network, "openvino",
            images=16),
    Backend("onnx-graph", "simplejpeg-scaled decodes, the variant's own graph does the rest",
            ("simplejpeg", "onnx", "onnxruntime"), _scaled, None, onnx_graph.network,
            "onnxruntime"),
)}  # fmt: skip
"""By name."""
