"""Models that installed packages bring, by the entry points `vitbench.models`."""

from importlib.util import find_spec
from pathlib import Path

from vitbench.errors import UserError
from vitbench.models import ModelSpec
from vitbench.packages import Provided
from vitbench.project.models import model_row, spec_of


def package_model(provided: Provided) -> ModelSpec:
    """The model of an entry point, which names a SPEC, a table as in `[tool.vitbench.models]`, or a
    function that returns one of them. Relative paths begin in the folder of its module.

    Raises UserError.
    """
    found = provided.load()
    if callable(found):
        found = provided.call(found)
    if not isinstance(found, str | dict):
        raise UserError(
            f"{provided.where}: {provided.value} gives {type(found).__name__}: it should be a "
            "string such as --model takes, a dict, or a function that returns one of them"
        )
    row = model_row(provided.name, found, lambda *_: provided.where)
    return spec_of(row, _folder(provided), provided.origin)


def _folder(provided: Provided) -> Path:
    spec = find_spec(provided.module)
    return Path(spec.origin).parent if spec and spec.origin else Path.cwd()
