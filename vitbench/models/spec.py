"""`--model [NAME=]SPEC`: from text to a ModelSpec. Reads no file but to see that it is there."""

import re
from collections.abc import Sequence
from pathlib import Path

from vitbench.case import SLUG
from vitbench.errors import UserError
from vitbench.models.base import ModelSpec

SETTINGS = {",ema=true": True, ",ema=false": False}
_NAMED = re.compile(r"(?P<name>[^=/@:,]*)=(?P<spec>.*)", re.DOTALL)


def parse_spec(text: str, base: Path) -> ModelSpec:
    """The model that a SPEC names; relative paths are relative to `base`. Raises UserError."""
    named = _NAMED.fullmatch(text)
    name, spec = (named["name"], named["spec"]) if named else (None, text)
    if name is not None and not SLUG.fullmatch(name):
        raise UserError(
            f"--model {text}: the name {name!r} may hold letters, digits, '_', '.' and '-' only"
        )
    if not spec:
        raise UserError(f"--model {text}: no model is named")
    spec, settings = _settings(spec, base)
    source, ident, path, slug, public = _parse(spec, base)
    if name is None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", slug).strip("-") or "model"
    return ModelSpec(name, source, ident, path, public + settings, _ema(settings, spec, path))


def parse_specs(texts: Sequence[str], base: Path) -> tuple[ModelSpec, ...]:
    """All models of a run. Raises UserError where two have one name."""
    specs = tuple(parse_spec(text, base) for text in texts)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--model: two models are called {name!r}; set a name: NAME=SPEC")
    return specs


def _settings(spec: str, base: Path) -> tuple[str, str]:
    """A spec without, and only, what follows a path as `,KEY=VALUE`; a file may be called so."""
    match = re.fullmatch(r"(?P<spec>.*?)(?P<settings>(,\w+=[^,/]*)+)", spec, re.DOTALL)
    if not match or (base / spec.rpartition("@")[2]).exists():
        return spec, ""
    return match["spec"], match["settings"]


def _ema(settings: str, spec: str, path: str | None) -> bool | None:
    """What `,ema=true` or `,ema=false` behind a checkpoint asks for. Raises UserError."""
    if not settings:
        return None
    if settings not in SETTINGS:
        raise UserError(f"--model {spec}{settings}: {settings!r} is not {' or '.join(SETTINGS)}")
    if path is None or not Path(path).is_file():
        raise UserError(f"--model {spec}{settings}: {settings} belongs behind a checkpoint file")
    return SETTINGS[settings]


def _parse(spec: str, base: Path) -> tuple[str, str, str | None, str, str]:
    """Source, identifier, path, default slug and public form of a spec."""
    if spec.startswith("hf:"):
        ident = spec.removeprefix("hf:")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", ident):
            raise UserError(f"--model {spec}: expected hf:ORG/NAME")
        return "hf", ident, None, ident, spec
    if spec.startswith("hub:"):
        repo, _, ident = spec.removeprefix("hub:").rpartition(":")
        if "/" not in repo or not ident:
            raise UserError(f"--model {spec}: expected hub:ORG/REPO[:BRANCH]:NAME")
        return "hub", f"{repo}:{ident}", None, f"hub-{ident}", spec
    architecture, at, file = spec.removeprefix("timm:").partition("@")
    if at and "/" not in architecture:
        path = _existing(file, base, spec)
        if not path.is_file():
            raise UserError(f"--model {spec}: {file} is a folder; name a checkpoint file")
        public = f"{architecture}@{path.name}"
        return "timm", architecture, str(path), f"{architecture}-{path.stem}", public
    looks_like_path = "/" in spec or spec.startswith(("~", ".")) or (base / spec).exists()
    if looks_like_path and not spec.startswith("timm:"):
        path = _existing(spec, base, spec)
        if path.is_file():
            raise UserError(
                f"--model {spec}: a checkpoint file does not say its architecture; "
                "write deit_base_patch16_224@PATH"
            )
        return "hf", path.name, str(path), path.name, f"folder:{path.name}"
    return "timm", architecture, None, architecture, architecture


def _existing(text: str, base: Path, spec: str) -> Path:
    try:
        path = (base / Path(text).expanduser()).resolve()
    except RuntimeError as error:
        raise UserError(f"--model {spec}: {error}") from error
    if not text or not path.exists():
        raise UserError(
            f"--model {spec}: {text or 'the path'} does not exist; name a file or folder"
        )
    return path
