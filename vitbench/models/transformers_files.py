"""The files of a transformers model: a folder, or the cache of the Hugging Face hub."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.lfs import require_content
from vitbench.models.base import ModelSpec
from vitbench.models.weights import cached_file, file_sha256, first_line, hub_answers

CONFIG = "config.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
# In the order in which transformers looks for them; an index names the files of a model in shards.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
ADAPTER = "adapter_config.json"


def find(spec: ModelSpec, mode: str | None) -> tuple[Path | None, str]:
    """Where the files lie and where they came from; or None and why they are not there."""
    if spec.path:
        return Path(spec.path), Path(spec.path).name
    if mode == "bundled":
        raise UserError(f"--weights bundled: there is no bundled checkpoint for hf:{spec.ident}")
    if mode == "seeded":
        return None, "asked for"
    cached = [cached_file(spec.ident, (name,)) for name in (CONFIG, *WEIGHTS)]
    snapshot = next((file.parent for file in cached if file), None)
    lacking = _lacking(snapshot) if snapshot else []
    if snapshot and not lacking:
        return snapshot, f"{spec.ident}, cached"
    why = f"hf:{spec.ident} is not in the cache and the hub does not answer"
    if hub_answers():
        try:
            return _downloaded(spec.ident), spec.ident
        except Exception as error:  # whatever a broken connection leads the library to
            why = f"hf:{spec.ident} cannot be downloaded ({first_line(error)})"
    if any(cached[1:]):
        part = "a part of " if not set(lacking) <= {CONFIG, *PROCESSORS} else ""
        raise UserError(
            f"{spec.where}: the cache has {part}its weights and lacks "
            f"{', '.join(lacking)}, and the hub does not answer: download it whole, or name its "
            "folder. Without all files it would be another model or see other images"
        )
    if mode == "pretrained":
        raise UserError(f"--weights pretrained: {why}; use --weights seeded or a local folder")
    return None, why


def _lacking(folder: Path) -> list[str]:
    """The files that a snapshot of the hub lacks of a whole model."""
    lacking = [] if (folder / CONFIG).exists() else [CONFIG]
    lacking += [] if processor(folder) else [PROCESSORS[0]]
    index = next((folder / name for name in WEIGHTS if (folder / name).exists()), None)
    if index is None:
        return [*lacking, WEIGHTS[0]]
    if index.suffix == ".json":
        lacking += [file.name for file in _shards(index) if not file.exists()]
    return lacking


def _downloaded(ident: str) -> Path:
    """A snapshot with safetensors, or where there are none, with torch's own files."""
    from huggingface_hub import snapshot_download

    for weights in (
        ("model.safetensors", "model-*.safetensors"),
        ("pytorch_model.bin", "pytorch_model-*.bin"),
    ):
        wanted = [CONFIG, *PROCESSORS, *weights, f"{weights[0]}.index.json"]
        folder = Path(snapshot_download(ident, allow_patterns=wanted))
        if any((folder / name).exists() for name in WEIGHTS):
            break
    return folder


def config_of(folder: Path) -> dict[str, Any]:
    """config.json as a dict. Raises UserError where it is missing or damaged."""
    path = folder / CONFIG
    inner = sorted(each.parent.name for each in folder.glob(f"*/{CONFIG}"))
    if inner and not path.exists():
        raise UserError(
            f"{folder} has no {CONFIG}, but {' and '.join(inner[:3])} in it "
            f"{'have' if len(inner) > 1 else 'has'}: name the model that you mean"
        )
    return json_of(path, "not a model folder")


def weights_of(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files that transformers reads the weights from, and sentences on what it passes over.

    Raises UserError where there are none, or a shard is missing.
    """
    if (folder / ADAPTER).exists():
        raise UserError(
            f"{folder} has adapters ({ADAPTER}), which are not applied: merge them into the "
            "model (merge_and_unload) and save that with save_pretrained"
        )
    there = [name for name in WEIGHTS if (folder / name).exists()]
    if not there:
        raise UserError(
            f"{folder}: {WEIGHTS[0]} is missing, and so are {', '.join(WEIGHTS[1:])}; save the "
            "model with save_pretrained"
        )
    first = folder / there[0]
    files = _shards(first) if first.suffix == ".json" else (first,)
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file} is missing, one of {len(files)} files that {first.name} names: copy it "
                "there, or save the model again"
            )
        require_content(file, "the weights")
    others = " and ".join(there[1:])
    notes = (f"{there[0]} is read, as transformers does, {others} left out",) if others else ()
    return files, notes


def _shards(index: Path) -> tuple[Path, ...]:
    """The files that an index names, in the order of their names. Raises UserError."""
    named = json_of(index, "it names the files of the weights").get("weight_map")
    names = list(named.values()) if isinstance(named, dict) else []
    strange = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if not names or strange:
        what = f"names {strange[0]!r}, which is no file beside it" if strange else "names no files"
        raise UserError(f"{index} {what}: save the model again with save_pretrained")
    return tuple(index.with_name(name) for name in sorted(set(names)))


def sha256(files: tuple[Path, ...]) -> str:
    """What `sha256sum` prints of a file; of several, of the lines that it prints of them."""
    digests = [file_sha256(file) for file in files]
    if len(files) == 1:
        return digests[0]
    lines = "".join(f"{each}  {file.name}\n" for each, file in zip(digests, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def processor(folder: Path) -> Path | None:
    """The file that says how images are prepared, if there is one."""
    return next((folder / name for name in PROCESSORS if (folder / name).exists()), None)


def json_of(path: Path, what: str) -> dict[str, Any]:
    """A file of one JSON object. Raises UserError; `what` says what the file is for."""
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {what}") from error
    except ValueError as error:
        require_content(path)
        raise UserError(f"{path} is not JSON ({error}): save the model again") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is no JSON object: save the model again")
    return found
