"""The options of base: the same command line, for the project as base's tree has it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vitbench.duet.base.artifacts import artifact_notes, given_artifacts, with_artifacts
from vitbench.duet.base.asked import Asked
from vitbench.duet.base.own_paths import OwnPaths
from vitbench.duet.base.tree_digest import of_tree
from vitbench.duet.base.untracked import Untracked
from vitbench.errors import UserError
from vitbench.measure.options import Options
from vitbench.project.models import spec_of
from vitbench.project.project import Project, read_project
from vitbench.pyproject import NAME, find_pyproject


@dataclass(frozen=True)
class BaseOptions:
    """`notes` are for people. `lacking` says why a file of base is not here, by its path;
    `models` why one of base's models cannot be meant, by the model's name."""

    options: Options
    notes: tuple[str, ...]
    lacking: Mapping[Path, str]
    models: Mapping[str, str]


def options_of_base(asked: Asked, tree: Path, files: Untracked) -> BaseOptions:
    """`tree` is the root of the project in base.

    Where base has no `[tool.vitbench]`, head's tables serve, with the paths of base. Raises
    UserError, which says that it is base's file, where the file cannot be meant.
    """
    own, notes, find = tree / NAME, tuple[str, ...](), OwnPaths(files)
    given = given_artifacts(asked.base_artifacts, asked.project.variants, asked.start)
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
        project, missing = _meant(project, asked)
        files.from_head.clear()  # of models that this run does not take
        options = _named_alike(asked.read(project), asked.options)
    except UserError as error:
        words = str(error).replace(f"{tree}/", "")
        raise UserError(f"--against={asked.against}: in base's files: {words}") from error
    rows = with_artifacts(options.project_variants, asked.project.variants, given)
    digest = of_tree(tree, project.import_roots)
    options = replace(options, project_variants=rows, tree=digest)
    return BaseOptions(
        options, (*notes, *artifact_notes(given), *files.notes()), files.lacking, missing
    )


def lend_models(asked: Asked, tree: Path, files: Untracked) -> None:
    """Copies what models of base take from head, so far as git does not track it, into base's tree.
    What cannot be meant is left to whoever reads the options."""
    files.copies, find = True, OwnPaths(files)
    with suppress(UserError):
        project = read_project(tree / NAME, tree, start=asked.project.root, find=find)
        asked.read(_meant(project, asked)[0])
    files.copies = False
    files.lacking.clear()  # the command may bring it
    files.from_head.clear()


def _named_alike(base: Options, head: Options) -> Options:
    """Without the models whose name is one of head's tables and none of base's: what `--model`
    gives for it in base is another model."""
    rows = {spec.name for spec in head.models if spec.origin == NAME}
    known = [spec for spec in base.models if spec.origin == NAME or spec.name not in rows]
    return replace(base, models=tuple(known))


def _meant(project: Project, asked: Asked) -> tuple[Project, dict[str, str]]:
    """Without the models whose files are gone; and why, of those that head has."""
    rows, missing = {}, {}
    for name, row in project.models.items():
        try:
            spec_of(row, project.root, NAME, project.find)
        except UserError as error:
            if name in asked.project.models:
                words = str(error).replace(f"{project.root}/", "")
                missing[name] = f"base cannot have this model: {words}"
        else:
            rows[name] = row
    return replace(project, models=rows), missing
