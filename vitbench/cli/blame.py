"""`vitbench blame`: which int8 layers change the answers of a case."""

import argparse
import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import INTERRUPTED, OK
from vitbench.cli.options import BLAME, MIXED, options_of
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import case_session, say
from vitbench.errors import UserError, counted
from vitbench.report.files import write

if TYPE_CHECKING:
    from vitbench.blame.asking import Asking


def register(commands: Any) -> None:
    parser = commands.add_parser(BLAME, help="which int8 layers change the answers of a case")
    parser.add_argument(
        "case", metavar="CASE", help="MODEL/VARIANT/DEVICE/bN, such as those of a report"
    )
    add(parser, BLAME)
    parser.add_argument("--json", type=path_of, metavar="FILE", help="write all that was found")
    parser.add_argument(
        "--picture", type=path_of, metavar="FILE",
        help="write a picture: the share of each layer, blocks by kinds, as SVG",
    )  # fmt: skip
    parser.set_defaults(run=blame_layers)


def blame_layers(chosen: argparse.Namespace) -> int:
    """Prints which layers cost most, and what each wins in float. Returns 130 after Ctrl-C, and
    prints what was known then."""
    from vitbench.blame.asking import Asking
    from vitbench.blame.bench import require_blamable
    from vitbench.blame.layers import placed
    from vitbench.blame.picture import picture
    from vitbench.blame.record import record
    from vitbench.blame.remote import RemoteBench
    from vitbench.blame.search import blame
    from vitbench.blame.text import text

    for file in (chosen.json, chosen.picture):
        if file and not file.absolute().parent.is_dir():
            raise UserError(f"{file}: the folder {file.absolute().parent} does not exist")
    session, case = case_session(BLAME, chosen)
    recipe = require_blamable(session.require(case))
    with RemoteBench(session.options, case, say) as bench:
        layers = placed(bench.layers)
        images = len(bench.clusters)
        say(f"{counted(len(layers), 'int8 layer')}; {counted(images, 'image')}")
        asking = Asking(bench.ask, 60 * chosen.minutes, answers_interrupt=True)
        found = blame(asking, layers, images, recipe.limits.relative_error)
    if asking.interrupted:
        words = "what follows is of these" if found else "nothing is known yet"
        say(f"interrupted after {counted(asking.asked, 'recipe')}: {words}")
    if found is None and asking.interrupted:
        return INTERRUPTED
    if found is None:
        raise UserError(f"{case.id}: {_why(asking)}")
    known = record(found, case, chosen.minutes, images)
    print(text(known))
    if found.blamed:
        print(f"next: {shlex.join(['vitbench', MIXED, case.id, *_again(chosen)])}")
    if chosen.json:
        write(chosen.json, json.dumps(known, indent=1) + "\n")
    if chosen.picture:
        write(chosen.picture, picture(known))
    return INTERRUPTED if asking.interrupted else OK


def _again(chosen: argparse.Namespace) -> Iterator[str]:
    """The options that were given, for the command that goes on from here."""
    for option in options_of(MIXED):
        value = getattr(chosen, option.dest)
        if value != option.empty:
            for each in value if option.repeatable else [value]:
                written = f"{each:g}" if isinstance(each, float) else each
                yield option.name if option.flag else f"{option.name}={written}"


def _why(asking: "Asking") -> str:
    """Why not even the recipe itself was measured."""
    if asking.refusals:
        return asking.refusals[0].reason
    return f"nothing was measured in {asking.seconds / 60:g} minutes: give more --minutes"
