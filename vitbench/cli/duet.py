"""`vitbench duet`: latency against another revision, environment or checkout."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.chosen import chosen_cases
from vitbench.cli.options import DUET
from vitbench.cli.parsing import add, checked, path_of
from vitbench.cli.session import options_for, say
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.judge.contracts import own_tolerances, read_contracts, unused_tolerances
from vitbench.judge.globs import check_globs
from vitbench.judge.verdict import NOTHING, NOTHING_COMPARABLE, exit_code
from vitbench.pyproject import NAME
from vitbench.report.files import write
from vitbench.runtimes.catalogue import catalogue_of

if TYPE_CHECKING:
    from vitbench.case import Case
    from vitbench.duet.base.asked import Asked
    from vitbench.judge.verdict import Verdict
    from vitbench.measure.options import Options
    from vitbench.project.project import Project


def register(commands: Any) -> None:
    duet = commands.add_parser(DUET, help="latency against another revision or environment")
    add(duet, DUET, required=["--against"])
    duet.add_argument("--json", type=path_of, metavar="FILE", help="verdicts and blocks")
    duet.add_argument("--junit", type=path_of, metavar="FILE", help="for a CI's test report")
    duet.set_defaults(run=play)


def play(chosen: argparse.Namespace) -> int:
    """Base and head side by side. Returns 1 for a regression or drift, 3 where it cannot tell, 2
    where nothing was compared. An error that ends it stands on the page of `--markdown`, too."""
    from vitbench.show import unfinished

    page = Path(chosen.markdown) if chosen.markdown else None
    if page is None:
        return _played(chosen, page)
    unfinished.begin(page)
    try:
        return _played(chosen, page)
    except (UserError, Unavailable, WorkerFailed) as error:
        unfinished.end(page, error)
        raise


def _played(chosen: argparse.Namespace, page: Path | None) -> int:
    from vitbench.duet.base.lost import lost_cases
    from vitbench.duet.base.tree_digest import of_tree
    from vitbench.duet.document import document
    from vitbench.duet.play import Duet
    from vitbench.duet.progress import Progress
    from vitbench.duet.rule import Rule
    from vitbench.duet.sides import sides_of
    from vitbench.measure.throttled import Throttling
    from vitbench.project.project import project_at
    from vitbench.show.headline import headline
    from vitbench.show.verdicts import annotations, junit, markdown, verdicts_text

    _prepare_head(chosen)
    options, found = chosen_cases(DUET, chosen)
    project = project_at(Path.cwd())
    options = replace(options, tree=of_tree(project.root, project.import_roots))
    known = catalogue_of(options.project_variants).device_kinds()
    rule = Rule(chosen.tolerance, chosen.blocks_max, own=_own(project, found, known))
    strict = chosen.inconclusive == "fail"

    def content(progress: Progress, verdicts: "Sequence[Verdict]" = ()) -> dict[str, Any]:
        return {
            **document(chosen.against, sides, rule, progress, verdicts),
            "blocks": {
                case: [asdict(block) for block in blocks]
                for case, blocks in progress.blocks.items()
            },
            "outputs": progress.outputs,
        }

    def keep(progress: Progress) -> None:
        """After each block: what is known survives. A full disk stops no measurement."""
        if chosen.json:
            try:
                write(chosen.json, json.dumps(content(progress)))
            except UserError as error:
                say(str(error))

    with sides_of(_asked(chosen, options)) as sides:
        other, this = sides["base"], sides["head"]
        duet = Duet(sides, options, say, shortcut=not chosen.no_shortcut)
        throttling = Throttling()
        verdicts = duet.run(found, rule, chosen.minutes, keep) + lost_cases(found, sides)
    notes = [*other.notes, *duet.progress.notes, *throttling.notes()]
    code = exit_code(verdicts, strict)
    compared = f"{this.label} against {other.label}"
    print(compared, verdicts_text(verdicts, notes), sep="\n")
    if code == NOTHING_COMPARABLE:
        print(f"{NOTHING}: exit code {code}")
    if chosen.json:
        write(chosen.json, json.dumps(content(duet.progress, verdicts)))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(*annotations(verdicts, strict), sep="\n")
        if code == NOTHING_COMPARABLE:
            print(f"::error title=vitbench duet::{NOTHING}")
    about = headline(code, compared, verdicts)
    for path, words in (
        (page, markdown(verdicts, notes, head=about)),
        (chosen.junit, junit(verdicts, strict, "duet")),
    ):
        if path:
            write(path, words)
    return code


def _prepare_head(chosen: argparse.Namespace) -> None:
    from vitbench.duet.base.prepare_head import prepare_head
    from vitbench.project.project import project_at

    values, here = checked(DUET, vars(chosen)), Path.cwd()
    seconds = values["prepare_seconds"]
    prepare_head(chosen.against, here, project_at(here), chosen.against_tip, seconds, say)


def _asked(chosen: argparse.Namespace, options: "Options") -> "Asked":
    from vitbench.duet.base.asked import Asked
    from vitbench.project.project import project_at

    def read(project: "Project") -> "Options":
        return options_for(DUET, chosen, project)

    here = Path.cwd()
    return Asked(
        chosen.against,
        here,
        project_at(here),
        options,
        read,
        chosen.against_tip,
        chosen.base_artifact,
        chosen.prepare_seconds,
        say,
    )


def _own(
    project: "Project", found: "list[Case]", known: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """The tolerances that the pyproject.toml of the project sets for single cases."""
    path = project.root / NAME
    if not path.exists():
        return {}
    contracts, names = read_contracts(path), [case.id for case in found]
    check_globs(contracts, known, [case.model for case in found])
    for words in unused_tolerances(contracts, names):
        say(f"{NAME}: {words}")
    return own_tolerances(contracts, names)
