"""The project whose models and variants a run knows: read from a pyproject.toml."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vitbench.environment import Find, as_named
from vitbench.errors import UserError
from vitbench.models import ModelSpec, parse_spec, unique
from vitbench.packages import MODELS, by_name
from vitbench.project.models import read_models, spec_of
from vitbench.project.packages import package_model
from vitbench.project.prepare import prepare_of
from vitbench.project.pythonpath import pythonpath_of
from vitbench.project.values import Definition
from vitbench.project.variants import read_variants
from vitbench.pyproject import NAME, find_pyproject, read_pyproject
from vitbench.runtimes.base import Variant
from vitbench.runtimes.catalogue import DEFAULT_MODEL


@dataclass(frozen=True)
class Project:
    """`root` is where relative paths of its tables start. From `import_roots` the project's own
    code is imported. `models` are rows: a file of theirs is looked for when a run takes the model.
    `find` says which file is taken for a path of these tables or of an option.
    `prepare` is a command of the shell that builds in a tree what git does not track; "" for none.
    """

    root: Path
    import_roots: tuple[Path, ...] = ()
    models: Mapping[str, Definition] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    find: Find = as_named
    prepare: str = ""

    def chosen(self, texts: Sequence[str], start: Path) -> tuple[ModelSpec, ...]:
        """The models that values of `--model` name: the project's, those of packages, and others by
        their SPEC, whose relative paths begin at `start`. Without any, all of the project; without
        those, the default.

        Raises UserError.
        """
        if texts:
            return unique([self._named(text, start) for text in texts])
        own = [spec_of(row, self.root, NAME, self.find) for row in self.models.values()]
        return tuple(own) or (parse_spec(DEFAULT_MODEL, start, self.find),)

    def names(self, texts: Sequence[str], start: Path) -> list[str]:
        """What those models are called; [] where one of them is a mistake, which is said later."""
        try:
            return [spec.name for spec in self.chosen(texts, start)]
        except UserError:
            return []

    def code_roots(self, models: Sequence[ModelSpec]) -> tuple[Path, ...]:
        """The import roots where a run of these models and of the project's variants imports code
        of the project; none where it does not: nothing of the project is on Python's path then."""
        own = any(spec.source == "py" for spec in models)
        return self.import_roots if own or any(row.transform for row in self.variants) else ()

    def _named(self, text: str, start: Path) -> ModelSpec:
        name, equals, spec = text.partition("=")
        wanted = spec if equals and not {",", "@"} & set(name) else text
        own, *behind = re.split("[,@]", wanted, maxsplit=1)
        if behind and own in self.models:
            raise UserError(
                f"--model {text}: {own} is a model of the project: what stands behind its name "
                f"belongs into its table ({self.models[own].at()}); timm:{own} would be timm's"
            )
        packages, twice = by_name(MODELS)
        if wanted in twice:
            raise UserError(f"--model {text}: {twice[wanted]}")
        if wanted in self.models and wanted in packages:
            row = self.models[wanted]
            raise UserError(
                f"{row.at()}: the model {wanted!r} is also one of {packages[wanted].origin}: give "
                "it another name here"
            )
        if wanted in self.models:
            found = spec_of(self.models[wanted], self.root, NAME, self.find)
        elif wanted in packages:
            found = package_model(packages[wanted])
        else:
            return parse_spec(text, start, self.find)
        return replace(found, name=parse_spec(f"{name}=x", start).name) if equals else found


def project_at(start: Path) -> Project:
    """The project of a folder: of the nearest pyproject.toml upwards with a `[tool.vitbench]`.

    Raises UserError for what cannot be meant there.
    """
    path = find_pyproject(start)
    return read_project(path, start if path is None else path.parent)


def read_project(
    path: Path | None,
    root: Path,
    pythonpath: Sequence[Path] = (),
    start: Path | None = None,
    find: Find = as_named,
) -> Project:
    """The project of a pyproject.toml, if it has one, whose code lies below `root`. `pythonpath` is
    what pytest says of it; where that is empty, pytest's files in `root` are read, then `src/`
    counts, then the root. Relative paths of its tables start at `start`, which is `root` unless
    given, and `find` says which file is taken for a path.

    Raises UserError for what cannot be meant in it.
    """
    start = root if start is None else start
    roots = _roots(root, pythonpath or pythonpath_of(root))
    if path is None or not path.is_file():
        return Project(start, roots, find=find)
    read = read_pyproject(path, "models and variants")
    models = read_models(read)
    variants = read_variants(read, list(models), start, find)
    return Project(start, roots, models, variants, find, prepare_of(read))


def _roots(root: Path, pythonpath: Sequence[Path]) -> tuple[Path, ...]:
    source = root / "src"
    return tuple(pythonpath) or ((source,) if source.is_dir() else (root,))
