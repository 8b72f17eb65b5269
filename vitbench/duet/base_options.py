"""The options of base: the same command line, for the project as base's tree has it."""

from dataclasses import replace
from pathlib import Path

from vitbench.duet.asked import Asked
from vitbench.duet.own_paths import OwnPaths
from vitbench.errors import UserError
from vitbench.measure.options import Options
from vitbench.project.models import spec_of
from vitbench.project.project import Project, read_project
from vitbench.pyproject import NAME, find_pyproject


def options_of_base(asked: Asked, tree: Path, find: OwnPaths) -> tuple[Options, tuple[str, ...]]:
    """The options, and notes on them. `tree` is the root of the project in base.

    Where base has no `[tool.vitbench]`, head's tables serve, with the paths of base. Raises
    UserError, which says that it is base's file, where the file cannot be meant.
    """
    own = tree / NAME
    notes: tuple[str, ...] = ()
    try:
        project = read_project(own, tree, start=asked.project.root, find=find)
        if find_pyproject(tree) != own and (asked.project.models or asked.project.variants):
            notes = (
                f"base has no [tool.vitbench] in its {NAME}: head's models and variants serve",
            )
            theirs = read_project(
                asked.project.root / NAME, asked.project.root, start=asked.project.root, find=find
            )
            project = replace(theirs, import_roots=project.import_roots)
        return _named_alike(asked.read(_meant(project, asked)), asked.options), notes
    except UserError as error:
        words = str(error).replace(f"{tree}/", "")
        raise UserError(f"--against={asked.against}: in base's files: {words}") from error


def _named_alike(base: Options, head: Options) -> Options:
    """Without the models whose name is one of head's tables and none of base's: what `--model`
    gives for it in base is another model."""
    rows = {spec.name for spec in head.models if spec.origin == NAME}
    known = [spec for spec in base.models if spec.origin == NAME or spec.name not in rows]
    return replace(base, models=tuple(known))


def _meant(project: Project, asked: Asked) -> Project:
    """Without the models that head does not have and whose files are gone."""
    rows = {}
    for name, row in project.models.items():
        try:
            spec_of(row, project.root, NAME, project.find)
        except UserError:
            if name not in asked.project.models:
                continue
        rows[name] = row
    return replace(project, models=rows)
