"""Where a deployed model is: `http://HOST[:PORT][/PREFIX][/v2/models/NAME[/versions/VERSION]]`."""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

from vitbench.errors import UserError

FORM = "http://HOST:PORT or http://HOST:PORT/v2/models/NAME"
_MODEL = re.compile(
    r"(?P<prefix>.*)/v2(/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?)?(/(infer|ready))?"
)


@dataclass(frozen=True)
class Address:
    """`root` is the path that `/v2` follows, without it; `model` is None where a URL names none."""

    scheme: str
    host: str
    port: int | None
    root: str = ""
    model: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.server}{self.root}{self.model_path}"

    @property
    def model_path(self) -> str:
        """What follows the root where a model is named, as a person writes it; else nothing."""
        version = f"/versions/{self.version}" if self.version else ""
        return f"/v2/models/{self.model}{version}" if self.model else ""

    @property
    def server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}"

    def with_model(self, name: str) -> "Address":
        """The address itself, which has the name of a model now: this one, where it had none."""
        return self if self.model else replace(self, model=name)

    def path(self, of_model: str | None = None) -> str:
        """The path of a request to the server; to its model where `of_model` says what of it."""
        if of_model is None:
            return f"{self.root}/v2"
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        model = f"{self.root}/v2/models/{quote(self.model or '', safe='')}{version}"
        return f"{model}/{of_model}" if of_model else model


def address_of(url: str) -> Address:
    """The address of a URL. Raises UserError for any other text."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # no label is empty, or over 63 letters
    except ValueError as error:
        raise UserError(f"{url}: no URL of a server ({error}): give {FORM}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UserError(f"{url}: no URL of a server: give {FORM}")
    if port == 0:
        raise UserError(f"{url}: no server listens on port 0: give {FORM}")
    if parts.username or parts.password:
        raise UserError(f"{host}: a URL with a password would stand in reports: leave it out")
    if parts.query or parts.fragment:
        raise UserError(f"{url}: a URL of a server has no '?' and no '#': give {FORM}")
    path = parts.path.rstrip("/")
    match = _MODEL.fullmatch(path)
    if match is None:
        if "/v2/" in f"{path}/":
            raise UserError(f"{url}: this path is none of the protocol: give {FORM}")
        return Address(parts.scheme, host, port, path)
    model, version = (each and unquote(each) for each in (match["model"], match["version"]))
    return Address(parts.scheme, host, port, match["prefix"], model, version)


def redirected(address: Address, path: str, location: str) -> str:
    """Where a server sends a request for `path`, and what to do, in words."""
    if not location:
        return "nowhere: give the URL of the server itself"
    target = urlsplit(urljoin(f"{address.server}{path}", location))
    host = target.netloc.rpartition("@")[2]  # without a password, and so without a query
    found, asked = f"{target.scheme}://{host}{target.path}"[:300], path.removeprefix(address.root)
    if not found.endswith(asked):
        return f"{found}, which is no path of the protocol: give the URL of the server itself"
    return f"{found.removesuffix(asked)}{address.model_path}: give that URL"
