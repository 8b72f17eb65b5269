"""`[tool.vitbench.variants]`: a project's own recipes, and files that other tools built."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from vitbench.environment import Find, absolute, as_named
from vitbench.packages import RUNTIMES, by_name
from vitbench.project.limits import limits_of, precision_of
from vitbench.project.values import Definition
from vitbench.pyproject import NAME, Pyproject
from vitbench.runtimes.base import TORCH, Variant
from vitbench.runtimes.registry import RUNTIMES as OWN_RUNTIMES
from vitbench.runtimes.takes import misfit
from vitbench.runtimes.variants import VARIANTS

KEYS = (
    "runtime", "precision", "limits", "about", "devices", "options", "requires", "calibrated",
    "transform", "artifact", "input", "model",
)  # fmt: skip
ENDPOINT = "endpoint"
"""The runtime of a server that runs already."""
EXPORTERS = ("onnxscript",)  # nothing needs them for a file that is exported already
FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def read_variants(
    read: Pyproject, models: Sequence[str], root: Path | None = None, find: Find = as_named
) -> tuple[Variant, ...]:
    """The variants of a project, whose models have these names. Relative paths start at `root`, the
    folder of the file unless given; `find` says which file is taken for a path.

    Raises UserError.
    """
    root = read.path.absolute().parent if root is None else root
    own = {row.name for row in VARIANTS}
    found = []
    for name, given in read.section("variants").items():
        row = Definition.of("variant", name, given, partial(read.place, "variants", name))
        if name in own:
            raise row.fail("vitbench has a variant of this name: choose another one")
        found.append(variant_of(row.require_known(KEYS), root, models, find))
    return tuple(found)


def variant_of(row: Definition, root: Path, models: Sequence[str], find: Find) -> Variant:
    """The variant that a table describes. Raises UserError."""
    runtime = _runtime(row)
    transform, artifact = _function(row), _artifact(row, root, find)
    if transform and artifact:
        raise row.fail(
            "it has a transform and an artifact: a file is built already; keep one of them",
            "artifact",
        )
    served = runtime == ENDPOINT
    if "input" in row.given and not artifact and not served:
        raise row.fail("input describes a file: it belongs beside artifact", "input")
    if "model" in row.given and not artifact and not served:
        raise row.fail("model says whose file it is: it belongs beside artifact", "model")
    if served and (transform or artifact):
        raise row.fail(
            "a running server has its model already: leave transform and artifact out",
            "artifact" if artifact else "transform",
        )
    calibrated = row.get("calibrated", bool, False)
    if calibrated and artifact:
        raise row.fail("a file is built already: leave `calibrated` out", "calibrated")
    precision = precision_of(row)
    found = Variant(
        row.name,
        runtime,
        precision,
        limits_of(row, precision, calibrated),
        row.get("about", str, "") or _about(row, runtime, precision),
        _devices(row),
        _options(row, runtime, precision),
        (),
        calibrated,
        transform,
        artifact,
        row.get("input", dict, {}),
        _model(row, artifact is not None or served, models),
        NAME,
    )
    if wrong := misfit(found):
        raise row.fail(wrong[1], wrong[0], *_first_option(row, wrong))
    return _with_requirements(row, found)


def _runtime(row: Definition) -> str:
    packages, twice = by_name(RUNTIMES, tuple(OWN_RUNTIMES))
    known = (*OWN_RUNTIMES, *packages)
    if "runtime" not in row.given:
        raise row.fail(f"it names no runtime: write runtime = one of {', '.join(known)}")
    name: str = row.get("runtime", str)
    if name in twice and name not in OWN_RUNTIMES:
        raise row.fail(f"runtime = {name!r}: {twice[name]}", "runtime")
    if name not in known:
        raise row.unknown("runtime", name, known)
    return name


def _function(row: Definition) -> str | None:
    text: str | None = row.get("transform", str)
    if text is not None and not FUNCTION.fullmatch(text):
        raise row.fail(
            f"transform = {text!r} should have the form package.module:function", "transform"
        )
    return text


def _artifact(row: Definition, root: Path, find: Find) -> str | None:
    text: str | None = row.get("artifact", str)
    if text == "":
        raise row.fail("artifact is empty: name a file", "artifact")
    if text is None:
        return None
    return str(find(absolute(text, root, row.at("artifact")), "artifact"))


def _devices(row: Definition) -> tuple[str, ...]:
    found: list[str] = row.get("devices", list, ["cpu"])
    for device in found:
        if device not in ("cpu", "cuda"):
            raise row.unknown("devices", device, ("cpu", "cuda"))
    if not found:
        raise row.fail("devices is empty: write cpu, cuda or both", "devices")
    return tuple(dict.fromkeys(found))


def _options(row: Definition, runtime: str, precision: str) -> dict[str, Any]:
    given: dict[str, Any] = row.get("options", dict, {})
    if runtime == "openvino" and precision == "int8":
        return {"rest": "fp32", **given}
    return given


def _first_option(row: Definition, wrong: tuple[str, str]) -> tuple[str, ...]:
    """The option that a sentence on options names, for its line."""
    if wrong[0] != "options":
        return ()
    return tuple(name for name in row.given.get("options", ()) if repr(name) in wrong[1])[:1]


def _model(row: Definition, belongs: bool, models: Sequence[str]) -> str | None:
    """The model that a file or a server belongs to; None of a recipe, which any model may have."""
    name: str | None = row.get("model", str)
    if name is None:
        if belongs and len(models) > 1:
            what = "server" if row.given.get("runtime") == ENDPOINT else "file"
            raise row.fail(
                f"its {what} belongs to one of several models: write model = one of "
                f"{', '.join(models)}"
            )
        return models[0] if belongs and models else None
    if models and name not in models:
        raise row.unknown("model", name, tuple(models))
    return name


def _about(row: Definition, runtime: str, precision: str) -> str:
    if artifact := row.given.get("artifact"):
        return f"{artifact} in {runtime}"
    if runtime == ENDPOINT:
        return f"{precision} behind {row.given.get('options', {}).get('url')}"
    by = f" by {row.given['transform']}" if "transform" in row.given else ""
    return f"{precision}{by} in {runtime}"


def _with_requirements(row: Definition, found: Variant) -> Variant:
    """What a recipe says that it needs; else what ours need that are most like it."""
    given: list[str] | None = row.get("requires", list)
    if given is None:
        given = list(_usual(found))
    for text in given:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise row.fail(
                f"requires: {text!r} is no requirement such as torch>=2.11", "requires"
            ) from error
    return replace(found, requires=tuple(given))


def _usual(found: Variant) -> tuple[str, ...]:
    rows = [row for row in VARIANTS if row.runtime == found.runtime]
    if found.artifact is None and found.transform is None:
        key = (found.precision, found.options.get("quantization"), found.options.get("mobile"))
        for row in rows:
            if key == (row.precision, row.options.get("quantization"), row.options.get("mobile")):
                return row.requires
    usual = min((row.requires for row in rows), key=len, default=TORCH)
    return tuple(
        text for text in usual if not found.artifact or Requirement(text).name not in EXPORTERS
    )
