"""`--model [NAME=]SPEC`: from text to a ModelSpec. Of files it reads a folder's config alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.case import SLUG
from vitbench.environment import Find, as_named
from vitbench.errors import UserError
from vitbench.models.base import ModelSpec
from vitbench.models.preprocess import SETTINGS
from vitbench.models.timm_files import is_timm_folder

_NAMED = re.compile(r"(?P<name>[^=/@:,]*)=(?P<spec>.*)", re.DOTALL)

# A repository of the hub, by huggingface_hub's rule.
_HUB = re.compile(r"(?=.{,96}$)(?!.*(--|\.\.))\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
# A function of a team's own, which may be one of a class.
_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
PREFIX = "hf-hub:"  # of timm's repositories of the hub, as timm writes it


@dataclass(frozen=True)
class Place:
    """Where the paths of a SPEC lie: below `base`, unless `find` says otherwise."""

    base: Path
    find: Find

    def of(self, text: str, what: str) -> Path:
        return self.find((self.base / text).absolute(), what)


def parse_spec(text: str, base: Path, find: Find = as_named) -> ModelSpec:
    """The model that a SPEC names; relative paths are relative to `base`, and `find` says which
    file is taken for a path. Raises UserError."""
    place = Place(base, find)
    named = _NAMED.fullmatch(text)
    name, spec = (named["name"], named["spec"]) if named else (None, text)
    if name is not None and not SLUG.fullmatch(name):
        raise UserError(
            f"--model {text}: the name {name!r} may hold letters, digits, '_', '.' and '-' only"
        )
    if not spec:
        raise UserError(f"--model {text}: no model is named")
    spec, settings = _settings(spec, place)
    source, ident, path, slug, public = _parse(spec, place)
    given = _settings_of(settings, spec, source, path)
    if name is None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", slug + settings).strip("-") or "model"
    return ModelSpec(name, source, ident, path, public + settings, **given)


def parse_specs(texts: Sequence[str], base: Path) -> tuple[ModelSpec, ...]:
    """All models of a run. Raises UserError where two have one name."""
    return unique([parse_spec(text, base) for text in texts])


def unique(specs: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
    """The specs. Raises UserError where two have one name."""
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--model: two models are called {name!r}; set a name: NAME=SPEC")
    return tuple(specs)


def _settings(spec: str, place: Place) -> tuple[str, str]:
    """A spec without, and only, what follows a path as `,KEY=VALUE`; a file may be called so."""
    match = re.fullmatch(
        r"(?P<spec>.*?)(?P<settings>(,\w+=(\[[^\]]*\]|[^,/\[]*))+)", spec, re.DOTALL
    )
    if not match or place.of(spec.rpartition("@")[2], "checkpoint").exists():
        return spec, ""
    return match["spec"], match["settings"]


def _settings_of(text: str, spec: str, source: str, path: str | None) -> dict[str, Any]:
    """Fields of a ModelSpec, of `,KEY=VALUE` behind a spec: `ema`, head and threshold, what is set
    of the preprocessing, and the arguments of a timm model or of a factory. Raises UserError."""
    pairs = [each.split("=", 1) for each in re.split(r",(?=\w+=)", text)[1:]]
    given = {key: _value(value) for key, value in pairs}
    if len(given) < len(pairs):
        raise UserError(f"--model {spec}{text}: {text} sets one thing twice")
    preprocessing = {key: given.pop(key) for key in SETTINGS if key in given}
    ema, head, threshold = (given.pop(key, None) for key in ("ema", "head", "threshold"))
    if not isinstance(threshold, int | float | None) or isinstance(threshold, bool):
        raise UserError(f"--model {spec}{text}: threshold is a number between 0 and 1")
    if not isinstance(ema, bool | None):
        raise UserError(f"--model {spec}{text}: ema is true or false")
    if ema is not None and path is None:
        raise UserError(
            f"--model {spec}{text}: ema belongs behind a checkpoint: NAME@PATH,ema=true"
        )
    if given and source not in ("timm", "py"):
        raise UserError(
            f"--model {spec}{text}: only a timm model and a factory take arguments, such as "
            f"{next(iter(given))}; of another model the preprocessing can be set: "
            f"{', '.join(SETTINGS)}"
        )
    return {
        "ema": ema,
        "args": given,
        "preprocessing": preprocessing,
        "head": head,
        "threshold": threshold,
    }


def _value(text: str) -> Any:
    """A number, a list, true or false where it is one, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | list) else text


def _parse(spec: str, place: Place) -> tuple[str, str, str | None, str, str]:
    """Source, identifier, path, default slug and public form of a spec."""
    if spec.startswith("hf:"):
        ident = spec.removeprefix("hf:")
        if not _HUB.fullmatch(ident):
            here = place.of(ident, "model").is_dir()
            folder = "; a folder here is written ./NAME" if here else ""
            raise UserError(f"--model {spec}: expected hf:ORG/NAME{folder}")
        return "hf", ident, None, ident, spec
    if spec.startswith("hub:"):
        repo, _, ident = spec.removeprefix("hub:").rpartition(":")
        if "/" not in repo or not ident:
            raise UserError(f"--model {spec}: expected hub:ORG/REPO[:BRANCH]:NAME")
        return "hub", f"{repo}:{ident}", None, f"hub-{ident}", spec
    if spec.startswith("py:"):
        ident, at, file = spec.removeprefix("py:").partition("@")
        if not _FACTORY.fullmatch(ident):
            raise UserError(f"--model {spec}: expected py:package.module:factory")
        path = _checkpoint(file, place, spec) if at else None
        slug = "-".join([ident.replace(":", "-"), *([path.stem] if path else [])])
        public = f"py:{ident}@{path.name}" if path else f"py:{ident}"
        return "py", ident, str(path) if path else None, slug, public
    if match := re.fullmatch(r"hf[-_]hub:(?P<repo>[^@]*)(?P<revision>@.+)?", spec):
        if not _HUB.fullmatch(match["repo"]):
            raise UserError(f"--model {spec}: expected hf-hub:ORG/NAME[@REVISION]")
        ident = f"{PREFIX}{match['repo']}{match['revision'] or ''}"
        return "timm", ident, None, ident.removeprefix(PREFIX), ident
    if spec.startswith("local-dir:"):
        path = _existing(spec.removeprefix("local-dir:"), place, spec, "model")
        if not path.is_dir():
            raise UserError(f"--model {spec}: {path.name} is a file; name the folder that has it")
        return "timm", path.name, str(path), path.name, f"folder:{path.name}"
    architecture, at, file = spec.removeprefix("timm:").partition("@")
    if at and "/" not in architecture:
        path = _checkpoint(file, place, spec)
        public = f"{architecture}@{path.name}"
        return "timm", architecture, str(path), f"{architecture}-{path.stem}", public
    looks_like_path = "/" in spec or spec.startswith(("~", ".")) or place.of(spec, "model").exists()
    if looks_like_path and not spec.startswith("timm:"):
        path = _existing(spec, place, spec, "model")
        if path.is_file():
            raise UserError(
                f"--model {spec}: a checkpoint file does not say its architecture; "
                "write deit_base_patch16_224@PATH"
            )
        source = "timm" if is_timm_folder(path) else "hf"
        return source, path.name, str(path), path.name, f"folder:{path.name}"
    return "timm", architecture, None, architecture, architecture


def _checkpoint(text: str, place: Place, spec: str) -> Path:
    path = _existing(text, place, spec, "checkpoint")
    if not path.is_file():
        raise UserError(f"--model {spec}: {text} is a folder; name a checkpoint file")
    return path


def _existing(text: str, place: Place, spec: str, what: str) -> Path:
    try:
        path = place.of(str(Path(text).expanduser()), what).resolve()
    except RuntimeError as error:
        raise UserError(f"--model {spec}: {error}") from error
    if not text or not path.exists():
        hub = f", or a model of the Hugging Face hub: hf:{text}" if _HUB.fullmatch(text) else ""
        raise UserError(
            f"--model {spec}: {text or 'the path'} does not exist; name a file or folder{hub}"
        )
    return path
