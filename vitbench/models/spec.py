"""`--model [NAME=]SPEC`, parsed: names and paths only, without importing anything heavy."""

import re
from collections.abc import Sequence
from pathlib import Path

from vitbench.case import SLUG
from vitbench.errors import UserError
from vitbench.models.base import ModelSpec

CHECKPOINT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_NAME = re.compile(r"(?P<name>[^=/\\@:]*)=(?P<rest>.+)", re.DOTALL)
_TIMM = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_HF = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+(:[\w./-]+)?):(?P<name>\w+)", re.ASCII)
_FORMS = (
    "deit_tiny_patch16_224, deit_tiny_patch16_224@FILE, hf:ORG/NAME, "
    "hub:OWNER/REPO:BRANCH:NAME or a folder"
)


def parse_specs(texts: Sequence[str], base: Path) -> tuple[ModelSpec, ...]:
    """Every `--model`, in order. Raises UserError where two of them have one name."""
    specs = tuple(parse_spec(text, base) for text in texts)
    seen: dict[str, ModelSpec] = {}
    for spec in specs:
        if spec.name in seen:
            raise UserError(
                f"--model: {seen[spec.name].public} and {spec.public} are both named {spec.name}: "
                "tell them apart with --model=NAME=SPEC"
            )
        seen[spec.name] = spec
    return specs


def parse_spec(text: str, base: Path) -> ModelSpec:
    """One `[NAME=]SPEC`; relative paths are relative to `base`.

    SPEC is a timm name (`timm:` is optional), `TIMM_NAME@FILE`, `hf:ORG/NAME`, `hub:REPO:NAME`
    or a Hugging Face folder. What exists under the whole text is a path, whatever its signs.
    Raises UserError where it is none of these, or where the file or folder is missing.
    """
    name, rest = None, text
    match = _NAME.fullmatch(text)
    if match is not None and not _resolve(text, base).exists():
        name, rest = match["name"], match["rest"]
        if SLUG.fullmatch(name) is None:
            raise UserError(
                f"--model={text}: the name {name!r} may only have letters, digits, '_', '.' and '-'"
            )
    spec = _unnamed(rest, text, base)
    if name is None:
        return spec
    return ModelSpec(name, spec.source, spec.ident, spec.path, spec.public)


def _unnamed(rest: str, text: str, base: Path) -> ModelSpec:
    source, colon, ident = rest.partition(":")
    if colon and source in _PREFIXED:
        return _PREFIXED[source](ident, text, base)
    if _resolve(rest, base).is_dir():
        return _folder(rest, base)
    return _timm(rest, text, base)


def _timm(ident: str, text: str, base: Path) -> ModelSpec:
    architecture, at, file = ident.partition("@")
    if at and _TIMM.fullmatch(architecture):
        path = _resolve(file, base)
        if not file or not path.is_file():
            what = "is a folder, not a checkpoint file" if path.is_dir() else "does not exist"
            raise UserError(f"--model={text}: {path if file else 'the file after @'} {what}")
        if path.suffix not in CHECKPOINT_SUFFIXES:
            raise UserError(
                f"--model={text}: {path.name} is not a checkpoint file "
                f"({', '.join(CHECKPOINT_SUFFIXES)})"
            )
        name = _slug(f"{architecture}-{path.stem}")
        return ModelSpec(name, "timm", architecture, str(path), f"{architecture}@{path.name}")
    if _TIMM.fullmatch(ident) and not _resolve(ident, base).is_file():
        return ModelSpec(_slug(ident), "timm", ident, None, ident)
    path = _resolve(ident, base)
    if path.is_file():
        raise UserError(
            f"--model={text}: a checkpoint file needs its architecture: "
            f"write deit_base_patch16_224@{ident}"
        )
    if _looks_like_a_path(ident):
        raise UserError(f"--model={text}: there is no folder {path}")
    raise UserError(f"--model={text}: not a model: expected {_FORMS}")


def _hf(ident: str, text: str, base: Path) -> ModelSpec:
    if _HF.fullmatch(ident) is None:
        raise UserError(
            f"--model={text}: expected hf:ORG/NAME, such as hf:google/vit-base-patch16-224 "
            "(a folder is written as its path, without hf:)"
        )
    return ModelSpec(_slug(ident.replace("/", "-")), "hf", ident, None, f"hf:{ident}")


def _hub(ident: str, text: str, base: Path) -> ModelSpec:
    match = _HUB.fullmatch(ident)
    if match is None:
        raise UserError(
            f"--model={text}: expected hub:REPO:NAME, "
            "such as hub:facebookresearch/deit:main:deit_base_patch16_224"
        )
    return ModelSpec(_slug(f"hub-{match['name']}"), "hub", ident, None, f"hub:{ident}")


_PREFIXED = {"timm": _timm, "hf": _hf, "hub": _hub}


def _folder(text: str, base: Path) -> ModelSpec:
    path = _resolve(text, base)
    name = path.resolve().name
    return ModelSpec(_slug(name), "hf", name, str(path), f"folder:{name}")


def _resolve(text: str, base: Path) -> Path:
    path = Path(text)
    if text.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError as error:
            raise UserError(f"--model={text}: {error}") from error
    return Path(base) / path


def _looks_like_a_path(text: str) -> bool:
    return text.startswith((".", "~")) or "/" in text or "\\" in text


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-") or "model"
