"""What a duet is asked for, without a command line, and its base."""

from contextlib import contextmanager
from pathlib import Path

from vitbench.duet.base.asked import Asked
from vitbench.duet.sides import sides_of
from vitbench.measure.options import Options
from vitbench.project.project import Project, read_project


def asked(
    against, start, root=None, texts=(), tip=False, base_artifacts=(), seconds=60.0, say=print
):
    """Of the project at `root`, which is `start` unless given; the command is given in `start`."""

    def read(project: Project) -> Options:
        models = project.chosen(texts, Path(start))
        roots = project.code_roots(models)
        return Options(
            models=models, threads=1, cache=Path("/nowhere"), import_roots=roots,
            project_variants=project.variants,
        )  # fmt: skip

    root = Path(root or start)
    project = read_project(root / "pyproject.toml", root)
    return Asked(
        against, Path(start), project, read(project), read, tip, base_artifacts, seconds, say
    )


@contextmanager
def base(against, start, root=None, **more):
    """The base alone."""
    with sides_of(asked(against, start, root, **more)) as sides:
        yield sides["base"]
