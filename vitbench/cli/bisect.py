"""`vitbench bisect GOOD BAD --case=CASE`: which commit changed a case, by the duet."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.options import BISECT
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import case_session, options_for, say
from vitbench.errors import UserError
from vitbench.report.files import write

if TYPE_CHECKING:
    from vitbench.duet.base.side import Side
    from vitbench.duet.bisect.commits import Commit
    from vitbench.measure.options import Options
    from vitbench.project.project import Project

WANTED = ("slower", "faster", "drift")


def register(commands: Any) -> None:
    parser = commands.add_parser(BISECT, help="which commit made a case slower, by the duet")
    parser.add_argument("good", metavar="GOOD", help="a commit before the change")
    parser.add_argument("bad", metavar="BAD", help="a commit after the change")
    parser.add_argument(
        "--case", required=True, metavar="CASE", help="MODEL/VARIANT/cpu/bN, as of a report"
    )
    parser.add_argument(
        "--for",
        dest="wanted",
        choices=WANTED,
        help="what to search for (default: what the comparison of GOOD and BAD shows)",
    )
    add(parser, BISECT)
    parser.add_argument("--json", type=path_of, metavar="FILE", help="write all that was found")
    parser.set_defaults(run=search)


def search(chosen: argparse.Namespace) -> int:
    """Prints the first changed commit. Returns 0 where there is one, 2 where good and bad do not
    differ, 3 where it is undecided which of several."""
    from vitbench.duet.base.asked import Asked
    from vitbench.duet.base.commit import commits_of
    from vitbench.duet.bisect.commits import line_between
    from vitbench.duet.bisect.oracle import Duets
    from vitbench.duet.bisect.run import CHANGES, bisect
    from vitbench.duet.bisect.words import bisected_text
    from vitbench.duet.rule import Rule
    from vitbench.project.project import project_at

    if chosen.json:
        write(chosen.json, "{}\n")  # before minutes are spent
    session, case = case_session(BISECT, chosen)
    if case.device != "cpu":
        raise UserError(
            f"--case={case.id}: a bisection is played on the CPU: give MODEL/VARIANT/cpu/bN"
        )
    here = Path.cwd()
    project = project_at(here)
    line = line_between(chosen.good, chosen.bad, project.root)
    known = chosen.model or ([] if case.model in project.models else [case.model])
    given = argparse.Namespace(**{**vars(chosen), "model": known})

    def read(project: "Project") -> "Options":
        return options_for(BISECT, given, project)

    asked = Asked("", here, project, read(project), read, say=say)
    with commits_of(asked) as commits:

        @contextmanager
        def checked_out(commit: "Commit") -> "Iterator[Side]":
            role = {line[0].id: "good ", line[-1].id: "bad "}.get(commit.id, "commit ")
            with commits(commit.id, f"{role}{commit.short}") as side:
                yield side

        rule = Rule(chosen.tolerance, chosen.blocks_max)
        deadline = time.monotonic() + chosen.minutes * 60
        duets = Duets(case, session.options, rule, deadline, checked_out, say)
        found = bisect(line, duets, CHANGES[chosen.wanted] if chosen.wanted else None)
    print(bisected_text(found))
    if chosen.json:
        write(chosen.json, json.dumps(found.to_json(), indent=1) + "\n")
    return found.code
