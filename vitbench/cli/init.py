"""`vitbench init`: what a project needs to measure its models, in the folder of the command."""

import argparse
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vitbench.cli.codes import OK
from vitbench.place import install


def register(commands: Any) -> None:
    init = commands.add_parser("init", help="write benchmarks/, [tool.vitbench] and a workflow")
    init.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]SPEC",
        help="a model for the table, as pytest's --model; repeatable",
    )
    init.add_argument(
        "--ci",
        choices=("github", "gitlab", "none"),
        help="whose workflow (default: by git's remotes, else by the files of a CI)",
    )
    init.set_defaults(run=init_project)


def init_project(chosen: argparse.Namespace) -> int:
    """Writes what is missing, says of each file whether it was, and what to run next."""
    from vitbench.init.plan import plan
    from vitbench.models.spec import parse_specs
    from vitbench.report.ignored import warning

    root = Path.cwd()
    specs = parse_specs(chosen.model, root)
    texts = (
        given.removeprefix(f"{spec.name}=") for spec, given in zip(specs, chosen.model, strict=True)
    )
    models = {spec.name: text for spec, text in zip(specs, texts, strict=True)}
    made = plan(root, models, chosen.ci, date.today())
    for file in made.files:
        if file.kept:
            print(f"{file.name}: kept: exists")
            continue
        file.write()
        print(f"{file.name}: written")
    remarks = [*made.remarks, warning([file.path for file in made.files])]
    for sentence in filter(None, remarks):
        print(sentence)
    if not all(find_spec(name) for name in ("torch", "pytest_benchmark")):
        print(f"this environment lacks what a run needs: {install('suite')}")
    print(f"Next:\n  {made.pytest}\n  vitbench best latest")
    return OK
