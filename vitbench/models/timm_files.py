"""Where the weights and the config of a timm model lie: a folder, a file, the hub, or nowhere."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models.checkpoint import Checkpoint, read_checkpoint
from vitbench.models.weights import cached_file, file_sha256, first_line, hub_answers
from vitbench.place import checkpoints

BUNDLED = {"deit_tiny_patch16_224": "deit_tiny_tin20"}
CHECKPOINTS = checkpoints()
# Of a folder: the first that is there, by timm's load_state_dict_from_path; else by ending.
FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
WRAPPER = "timm_wrapper"  # the model_type of a timm model that transformers has saved
ENDINGS = (".safetensors", ".pth", ".pth.tar", ".bin")


@dataclass(frozen=True)
class Found:
    """A checkpoint, or None where weights are to be seeded, and the file it came from.

    `about` has the fields of Weights that are known: origin, file_sha256, note. `config` is the
    bundled checkpoint's. timm itself adapts weights that are `adaptable`: a folder's and its own.
    """

    checkpoint: Checkpoint | None
    file: Path
    about: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    adaptable: bool = False


@dataclass(frozen=True)
class Config:
    """A config.json as timm reads it: the `architecture` that it names or None, the arguments of
    the model, and `pretrained`, timm's pretrained_cfg. `raw` is the file, `path` its place."""

    path: Path
    raw: Mapping[str, Any] = field(default_factory=dict)
    architecture: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    pretrained: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wrapped(self) -> bool:
        """Whether transformers saved it, which derives no size of images from `pretrained`."""
        return self.raw.get("model_type") == WRAPPER

    @property
    def labelled(self) -> Mapping[str, Any]:
        """With timm's names of classes, under whichever key they are."""
        return {**self.pretrained, **self.raw}


def is_timm_folder(folder: Path) -> bool:
    """Whether a folder's config.json is timm's: it names an architecture and no model_type but
    that of transformers' wrapper of timm."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # transformers' reader says why
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        return False
    return config.get("model_type") in (None, WRAPPER)


def config_at(place: Path | None) -> Config:
    """The config in a folder or beside a file; an empty one where there is none.

    Raises UserError for a damaged file.
    """
    if place is None:
        return Config(Path("config.json"))
    path = (place if place.is_dir() else place.parent) / "config.json"
    try:
        raw = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Config(path)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}, beside the checkpoint, cannot be read ({error}): repair it or move it away"
        ) from error
    return config_of(raw, path)


def config_of(raw: dict[str, Any], path: Path) -> Config:
    """What timm takes from a config: older ones have all in one table, newer ones `model_args`."""
    if not isinstance(raw.get("architecture"), str):
        return Config(path, raw, pretrained=raw.get("pretrained_cfg") or {})
    from timm.models._hub import _parse_model_cfg

    if raw.get("model_type") == WRAPPER and not raw.get("pretrained_cfg"):
        raise UserError(
            f"{path} has no pretrained_cfg: how images are prepared for the model is not known"
        )
    # transformers writes null where there is none; timm then expects no key.
    given = {key: value for key, value in raw.items() if key != "model_args" or value is not None}
    try:
        pretrained, architecture, args = _parse_model_cfg(deepcopy(given), {})
        return Config(path, raw, architecture, dict(args or {}), dict(pretrained))
    except Exception as error:  # whatever another layout leads timm to
        raise UserError(f"{path} is no config of timm's ({first_line(error)})") from error


def find(place: Path | None, ema: bool | None, mode: str | None, name: str) -> Found:
    """The weights of a timm model, current `name`: of a checkpoint file or a folder, `place`, where
    there is one. `ema` as of ModelSpec; `mode` is the value of --weights, or None."""
    if place:
        path, notes = _of_folder(place)
        about = {"origin": "checkpoint", "file_sha256": file_sha256(path), "note": path.name}
        return Found(read_checkpoint(path, ema), path, about, {}, notes, path != place)
    bundled = BUNDLED.get(name)
    if mode == "bundled" or (mode is None and bundled):
        return _bundled(name)
    why = "asked for"
    if mode in ("auto", "pretrained", None):
        file, why = _pretrained(name)
        if file:
            about = {"origin": "pretrained", "file_sha256": file_sha256(file), "note": why}
            return Found(read_checkpoint(file), file, about, adaptable=True)
        if mode == "pretrained":
            raise UserError(
                f"--weights pretrained: {name}: {why}; "
                "use --weights seeded, or a checkpoint: NAME@PATH"
            )
        if bundled:
            return _bundled(name)
    return seeded(why)


def seeded(why: str) -> Found:
    """No weights, and why."""
    about = {"origin": "seeded", "file_sha256": None, "note": f"synthetic: {why}"}
    return Found(None, Path(), about)


def _of_folder(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A file itself, or the one of a folder that timm takes, with a sentence where it has more."""
    files = weights_in(path) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no weights beside config.json, such as {' or '.join(FILES[:2])}")
    if len(files) == 1 or files[0].name in FILES:
        return files[0], ()
    others = ", ".join(file.name for file in files[1:])
    note = f"{path.name} has {len(files)} checkpoints: {files[0].name} is taken, as timm "
    return files[0], (f"{note}does, {others} left out",)


def weights_in(folder: Path) -> list[Path]:
    """The files that timm looks for in a folder: the first is taken."""
    named = [folder / name for name in FILES if (folder / name).exists()]
    groups = (sorted(folder.glob(f"*{ending}")) for ending in ENDINGS)
    return named or next((files for files in groups if files), [])


def _bundled(name: str) -> Found:
    if name not in BUNDLED:
        raise UserError(
            f"--weights bundled: there is no bundled checkpoint for {name}, "
            f"only for {', '.join(BUNDLED)}; use --weights auto"
        )
    folder = CHECKPOINTS / BUNDLED[name]
    path = folder / "model.safetensors"
    if not path.exists():
        raise UserError(
            f"the bundled checkpoint {path.name} is not there: it lies in a checkout of vitbench, "
            "not in an installed package; use --weights seeded or a checkout"
        )
    config = json.loads((folder / "config.json").read_text())
    digest = file_sha256(path)
    if digest != config["sha256"]:
        raise UserError(f"{path} is damaged: its sha256 is not that of config.json; restore it")
    about = {"origin": "bundled", "file_sha256": digest, "note": folder.name}
    return Found(read_checkpoint(path), path, about, config)


def _pretrained(name: str) -> tuple[Path | None, str]:
    """timm's own file from the hub's cache or the hub, and where it came from, or why not."""
    import timm

    config = timm.get_pretrained_cfg(name)
    repo = config.hf_hub_id if config else None
    if not repo:
        return None, "timm has no pretrained weights for it"
    files = FILES[:2]
    if found := cached_file(repo, files):
        return found, f"{repo}, cached"
    if not hub_answers():
        return None, f"{repo} is not in the cache and the hub does not answer"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for file in files:
        try:
            return Path(hf_hub_download(repo, file)), repo
        except Exception as error:  # whatever a broken connection leads the library to
            absent = isinstance(error, EntryNotFoundError)
            if absent and not isinstance(error, LocalEntryNotFoundError):
                continue
            return None, f"{repo} cannot be downloaded ({first_line(error)})"
    return None, f"{repo} has none of {', '.join(files)}"
