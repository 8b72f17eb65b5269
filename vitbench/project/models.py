"""A project's own models, as strings or as tables, and what `--model` names with them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vitbench.environment import Find, absolute, as_named
from vitbench.errors import UserError
from vitbench.heads import HEADS
from vitbench.models import ModelSpec, parse_spec
from vitbench.project.values import Definition
from vitbench.pyproject import Pyproject

SOURCES = ("timm", "hf", "hub", "py")
KEYS = (*SOURCES, "checkpoint", "ema", "args", "preprocessing", "labels", "head", "threshold")
TEXT = "spec"
"""The only key of a row that is written as a string."""


def read_models(read: Pyproject) -> dict[str, Definition]:
    """The rows of `[tool.vitbench.models]` by name, their keys and types checked. Files are looked
    for when a row is used: `spec_of`. Raises UserError."""
    return {
        name: model_row(name, given, partial(read.place, "models", name))
        for name, given in read.section("models").items()
    }


def model_row(name: str, given: Any, at: Callable[..., str]) -> Definition:
    """A row of a string or a table. Raises UserError."""
    if isinstance(given, str):
        return Definition.of("model", name, {TEXT: given}, at)
    row = Definition.of("model", name, given, at).require_known(KEYS)
    named = [key for key in SOURCES if key in given]
    if len(named) != 1:
        has = " and ".join(named) or "none of them"
        raise row.fail(f"it needs exactly one of {', '.join(SOURCES)}: it has {has}")
    row.get(named[0], str)
    for key, kinds, words in (
        ("checkpoint", ("timm", "py"), "a checkpoint belongs to a timm model or a factory"),
        ("args", ("timm", "py"), "args belong to a timm model or a factory"),
    ):
        if key in given and named[0] not in kinds:
            raise row.fail(f"{words}, not to {named[0]}", key)
    if row.get("ema", bool) is not None and "checkpoint" not in given:
        raise row.fail("ema belongs beside a checkpoint", "ema")
    row.get("checkpoint", str)
    row.get("args", dict)
    row.get("preprocessing", dict)
    row.choice("head", tuple(HEADS))
    row.number("threshold", lambda value: 0 < value < 1, "above 0 and below 1")
    if not isinstance(given.get("labels", ""), str):
        row.get("labels", list)
    return row


def spec_of(row: Definition, root: Path, origin: str, find: Find = as_named) -> ModelSpec:
    """The model of a row, whose relative paths start at `root`; `find` says which file is taken for
    a path. Raises UserError where a file is missing, or a SPEC cannot be meant."""
    given, (source, text) = row.given, _source(row)
    try:
        spec = parse_spec(f"{row.name}={text}", root, find)
    except UserError as error:
        words = str(error).removeprefix(f"--model {row.name}={text}: ")
        raise row.fail(words.removeprefix("--model "), source) from error
    spec = replace(spec, name=row.name, origin=origin)
    if source == TEXT:
        return spec
    return replace(
        spec,
        public=spec.public + _settings(given),
        ema=given.get("ema"),
        args={**spec.args, **given.get("args", {})},
        preprocessing=given.get("preprocessing", {}),
        labels=_labels(row, root, find),
        head=given.get("head"),
        threshold=row.get("threshold", float),
    )


def said(row: Definition) -> str:
    """The model in one line, as behind `--model`."""
    return _source(row)[1] + _settings(row.given)


def _source(row: Definition) -> tuple[str, str]:
    """Which key of a row names the model, and the SPEC of that, with its checkpoint."""
    given = row.given
    source = next(key for key in (TEXT, *SOURCES) if key in given)
    text = given[source] if source == TEXT else _text(source, given[source])
    return source, f"{text}@{given['checkpoint']}" if "checkpoint" in given else text


def _text(source: str, value: str) -> str:
    """A SPEC as `--model` takes it."""
    path = value.startswith((".", "/", "~"))
    if source == "timm":
        return value if path or ":" in value else f"timm:{value}"
    if source == "hf":
        return value if path else f"hf:{value}"
    return f"{source}:{value}"


def _settings(given: Mapping[str, Any]) -> str:
    """What a table sets, as behind a SPEC."""
    values = {key: given[key] for key in ("ema",) if key in given} | dict(given.get("args", {}))
    words = {True: "true", False: "false"}
    return "".join(
        f",{key}={words[value] if isinstance(value, bool) else value}"
        for key, value in values.items()
    )


def _labels(row: Definition, root: Path, find: Find) -> str | tuple[str, ...] | None:
    """The file of a text; the labels of a list."""
    given = row.given.get("labels")
    if not isinstance(given, str):
        return None if given is None else tuple(given)
    path = find(absolute(given, root, row.at("labels")), "labels")
    if not path.is_file():
        raise row.fail(f"labels: {row.given['labels']} does not exist: name a file", "labels")
    return str(path)
