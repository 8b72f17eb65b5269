"""Models of torch.hub, such as facebookresearch/deit. Its code runs only because it was named."""

import copy
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models import labels
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.models.timm_images import of_tutorial
from vitbench.models.weights import first_line, synthesize, tensors_sha256


def _copied(table: Any) -> Any:
    """A copy of a set or of a dict with its lists and sets; other values are shared."""
    if isinstance(table, dict):
        return {key: _copied(value) for key, value in table.items()}
    return copy.copy(table) if isinstance(table, list | set) else table


@contextmanager
def _untouched() -> Iterator[None]:
    """timm's registry, sys.path and the imported modules as they were.

    DeiT's hub code registers timm's names again, after which timm.create_model fails on them.
    """
    import torch
    from timm.models import _registry

    tables = {
        name: _copied(value)
        for name, value in vars(_registry).items()
        if not name.startswith("__") and isinstance(value, dict | set)
    }
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        for name, before in tables.items():
            now = getattr(_registry, name)
            now.clear()
            now.update(before)
        sys.path[:] = path
        home = Path(torch.hub.get_dir()).resolve()
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and home in Path(file).resolve().parents:
                del sys.modules[name]


def _make(repo: str, name: str, pretrained: bool) -> Any:
    import torch

    with _untouched(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        return torch.hub.load(
            repo, name, pretrained=pretrained, trust_repo=True, skip_validation=True
        )


def _code_sha256(repo: str) -> str:
    """Digest of the Python files of a repository as torch.hub keeps it: other code, other model."""
    import torch

    place, _, revision = repo.partition(":")
    kept = "_".join([*place.split("/"), revision.replace("/", "_") or "*"])
    digest, home = hashlib.sha256(), Path(torch.hub.get_dir())
    for file in sorted(file for folder in home.glob(kept) for file in folder.rglob("*.py")):
        digest.update(os.fsencode(file.relative_to(home)) + file.read_bytes())
    return digest.hexdigest()


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The bare module; its weights mean nothing."""
    return _make(architecture["repo"], architecture["name"], pretrained=False)


def creation_code(architecture: Mapping[str, Any]) -> str:
    repo, name = architecture["repo"], architecture["name"]
    return f"import torch\nmodel = torch.hub.load({repo!r}, {name!r}, pretrained=False)"


def load(spec: ModelSpec, mode: str | None) -> Model:
    """Load a model of torch.hub. `mode` is the value of --weights, or None."""
    if mode == "bundled":
        raise UserError(f"--weights bundled: there is no bundled checkpoint for hub:{spec.ident}")
    repo, _, name = spec.ident.rpartition(":")
    architecture: dict[str, Any] = {"source": "hub", "repo": repo, "name": name}
    module, origin, note = None, "pretrained", repo
    try:
        if mode != "seeded":
            try:
                module = _make(repo, name, pretrained=True)
            except OSError as error:  # the weights did not come; the code may be there all the same
                if mode == "pretrained":
                    raise
                origin, note = "seeded", f"synthetic: no pretrained weights ({error})"
        if module is None:
            origin = "seeded"
            note = "synthetic: asked for" if mode == "seeded" else note
            module = synthesize(lambda: skeleton(architecture))
    except Exception as error:
        raise UserError(
            f"{spec.where}: torch.hub cannot load it ({first_line(error)}); "
            "check the name, or fetch it once where there is a network"
        ) from error
    architecture["code"] = _code_sha256(repo)
    module = module.float().eval()
    synthetic = origin == "seeded"
    weights = Weights(origin, tensors_sha256(module), None, synthetic, note)
    classes = int(getattr(module, "num_classes", 1000))
    preprocess, notes = of_tutorial(spec.preprocessing, spec.where)
    names = labels.numbered(classes)
    return Model(spec, module, architecture, preprocess, names, weights, True, notes)
