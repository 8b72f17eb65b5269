"""A server that runs already, by the Open Inference Protocol v2 (KServe's; HTTP with JSON, and with
binary tensors where the server offers them): Triton, OpenVINO Model Server, MLServer and others.

Nothing is built. The artifact is what the server says of itself and of its model, and how the model
takes images: it holds for one run, since another model may be deployed tomorrow.
Source of the protocol: https://github.com/kserve/open-inference-protocol, `inference_rest.yaml`,
and its extension `binary_tensor_data`, as Triton describes it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import Unavailable, UserError
from vitbench.models import Model
from vitbench.models.undoing import undone
from vitbench.runtimes.base import Deployment, Operator, Placement, Variant
from vitbench.runtimes.endpoint.address import address_of
from vitbench.runtimes.endpoint.client import SECONDS, Client, Refused
from vitbench.runtimes.endpoint.facts import model_facts, server_facts
from vitbench.runtimes.endpoint.protocol import (
    DATATYPES,
    Staged,
    Tensors,
    decoded,
    encoded,
    numbers,
    port_of,
)
from vitbench.runtimes.foreign.description import Description, described
from vitbench.runtimes.foreign.feed import feed
from vitbench.runtimes.foreign.fit import fitted, probed

THIS_RUN_ALONE = True
"""An artifact of an earlier run is not taken: what was deployed then may be gone."""


def version() -> str:
    return "Open Inference Protocol 2"


def supports(variant: Variant, device: str) -> None:
    """A server chooses its device itself; a case of it is one of the CPU here."""
    if device != "cpu":
        raise Unavailable(f"{variant.name} is a running server: its device is its own")


def suffix(_: Variant) -> str:
    return ".json"


def build(
    model: Model, variant: Variant, path: Path, _: NDArray[np.float32] | None
) -> dict[str, Any]:
    """Ask the server for its model, and call that once. Writes what was learned, and returns
    `server`: where the model is, and what serves it. Raises UserError where there is no such
    server or model, or it takes other images than the variant's `input` says."""
    options = variant.options
    address = address_of(options["url"]).with_model(model.spec.name)
    outputs = _outputs(model)
    client = Client(address, options.get("seconds", SECONDS), variant.name, outputs)
    server = server_facts(client)
    about = model_facts(client)
    binary = "binary_tensor_data" in server.get("extensions", ())
    where = f"{variant.name}: {address}"
    found = _completed(model, variant, client, about, binary, where)
    facts = {
        "url": str(address),
        "software": f"{server.get('name', 'unnamed')} {server.get('version', '')}".strip(),
        "platform": str(about.get("platform") or ""),
        "tensors": "binary" if binary else "JSON",
    }
    artifact = {"server": facts, "input": found.to_json(), "outputs": outputs, "asked": uuid4().hex}
    path.write_text(json.dumps(artifact, indent=1), encoding="utf-8")
    return {"server": facts}


def _completed(
    model: Model,
    variant: Variant,
    client: Client,
    about: Mapping[str, Any],
    binary: bool,
    where: str,
) -> Description:
    """The description of the images that the model takes, with its names and its fixed batch."""
    image = model.architecture["image"]
    found = described(variant.input, variant.name)
    if inputs := [port_of(each) for each in about.get("inputs") or ()]:
        found = fitted(found, inputs, image, undone(model.preprocess), where)
    elif found.name is None:
        raise UserError(
            f"{where}: the server declares no inputs of its model: write input = {{ name = NAME }}"
        )
    make = feed(found, image, where)

    def call(batch: int) -> Tensors:
        staged = _staged(make(np.zeros((batch, *image), np.float32)), found, binary)
        return numbers(decoded(client.infer(staged), where), found.output, where)

    return probed(found, call, client.outputs, where, str)


def _outputs(model: Model) -> int:
    """How many numbers the model answers an image with."""
    import torch

    with torch.inference_mode():
        return int(model.module(torch.zeros(1, *model.architecture["image"])).shape[-1])


def _staged(
    array: NDArray[np.generic], found: Description, binary: bool, output: str | None = None
) -> Staged:
    return encoded(array, str(found.name), DATATYPES[found.dtype], binary, output)


def load(placement: Placement) -> Deployment:
    """The client of a server. `stage` makes the body of a request and `read` reads the body of an
    answer, so a call is what the network and the server take."""
    known = json.loads(placement.path.read_text(encoding="utf-8"))
    variant, address = placement.variant, address_of(known["server"]["url"])
    seconds = variant.options.get("seconds", SECONDS)
    client = Client(address, seconds, variant.name, known["outputs"])
    found = described(known["input"], variant.name)
    binary, output = known["server"]["tensors"] == "binary", str(found.output)
    where = f"{variant.name}: {address}"
    make = feed(found, placement.image, where)

    def stage(images: NDArray[np.float32]) -> Staged:
        return _staged(make(images), found, binary, output)

    def call(staged: Staged) -> Any:
        try:
            return client.infer(staged)
        except Refused as error:
            if staged.batch > 1 and error.of_the_request:  # it takes one image, or took two
                raise Unavailable(f"{error} (a batch of {staged.batch})") from error
            raise UserError(str(error)) from error

    def read(answer: Any) -> NDArray[np.float32]:
        tensors = numbers(decoded(answer, where), output, where)
        if output not in tensors:
            raise UserError(f"{where}: its answer has no output {output!r} any more")
        return np.array(tensors[output], np.float32)

    return Deployment(stage, call, read)


def operators(placement: Placement, _: NDArray[np.float32]) -> list[Operator]:
    raise Unavailable(f"{placement.variant.name} is a running server: it does not say")


def loading_code(placement: Placement) -> str:
    raise UserError(f"{placement.variant.name} is a running server: there is no file to hand over")


def calling_code(variant: Variant, _: str) -> list[str]:
    raise UserError(f"{variant.name} is a running server: there is no file to hand over")
