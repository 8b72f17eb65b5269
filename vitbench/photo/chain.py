"""A front half and a deployment as one: JPEG bytes in, outputs and the likeliest classes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vitbench.photo.decoders import Decoder, Pixels
from vitbench.runtimes import Deployment

FrontHalf: TypeAlias = Callable[[bytes], NDArray[np.float32]]
"""JPEG bytes to float32 (C, H, W). Raises UserError for bytes that Pillow cannot read."""
Network: TypeAlias = Callable[[Pixels], NDArray[np.float32]]
"""Pixels of any size to outputs (1, C): a network whose graph resizes them itself."""
BEST = 5


@dataclass(frozen=True)
class Answer:
    """Of each photograph of a call: `outputs` (N, C), and the indices of its largest outputs, at
    most BEST, the largest first."""

    outputs: NDArray[np.float32]
    best: NDArray[np.int64]

    @classmethod
    def of(cls, outputs: NDArray[np.float32]) -> "Answer":
        count = min(BEST, outputs.shape[1])
        return cls(outputs, np.argsort(-outputs, axis=1, kind="stable")[:, :count])


def chained(front: FrontHalf, deployment: Deployment) -> Deployment:
    """A deployment that is called on a list of JPEG bytes, and whose output is an Answer.

    The call is all of it: decode, resize, normalize, stage, infer, read, and the largest outputs.
    """

    def call(jpegs: Sequence[bytes]) -> Answer:
        made = [front(jpeg) for jpeg in jpegs]
        images = made[0][None] if len(made) == 1 else np.stack(made)
        output = deployment.call(deployment.stage(images))
        deployment.synchronize()
        return Answer.of(deployment.read(output))

    return _of(call, deployment)


def in_graph(decode: Decoder, network: Network, deployment: Deployment) -> Deployment:
    """As `chained`, where the network resizes the pixels of one photograph after another itself.
    `deployment` is the network's without that."""

    def call(jpegs: Sequence[bytes]) -> Answer:
        return Answer.of(np.concatenate([network(decode(jpeg)) for jpeg in jpegs]))

    return _of(call, deployment)


def _of(call: Callable[[Sequence[bytes]], Answer], deployment: Deployment) -> Deployment:
    return replace(
        deployment, stage=list, call=call, read=lambda answer: answer.outputs, device_seconds=None
    )
