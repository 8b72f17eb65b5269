"""What a server says of itself and of its model, before the model is called."""

import json
from typing import Any

from vitbench.errors import UserError
from vitbench.runtimes.endpoint.client import Client, Response

BAD = 400
"""From here on a status is an error."""


def server_facts(client: Client) -> dict[str, Any]:
    """The metadata of a server that is ready. Raises UserError where it is not."""
    root = client.address.path()
    ready = client.get(f"{root}/health/ready")
    if ready.status >= BAD:
        words = f"answered {ready.status}: the server is not ready, or no server of this protocol"
        raise UserError(client.said(words, f"{root}/health/ready"))
    answer, found = _json_of(client, root)
    return found if answer.status < BAD else {}


def model_facts(client: Client) -> dict[str, Any]:
    """The metadata of the model. Raises UserError where the server has none of that name, or its
    model is not ready."""
    path = client.address.path("")
    answer, found = _json_of(client, path)
    if answer.status >= BAD:
        words = f"answered {answer.status}: {answer.error}: is there a model of this name? "
        raise UserError(client.said(f"{words}Give its URL: http://HOST:PORT/v2/models/NAME", path))
    ready = client.get(client.address.path("ready"))
    if ready.status >= BAD:
        words = f"answered {ready.status}: the model is not ready: {ready.error}"
        raise UserError(client.said(words, client.address.path("ready")))
    return found


def _json_of(client: Client, path: str) -> tuple[Response, dict[str, Any]]:
    """An answer that is an object of JSON. Raises UserError where it is none."""
    found = client.get(path)
    try:
        value = json.loads(found.body) if found.body.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        words = "answered with no JSON: is it a server of the Open Inference Protocol v2?"
        raise UserError(client.said(words, path))
    return found, value
