"""`vitbench mixed`: a recipe that leaves few layers of an int8 variant in float."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.case import SLUG
from vitbench.cli.codes import BROKEN, OK, UNPROVEN
from vitbench.cli.options import MIXED
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import case_session, say
from vitbench.errors import Unavailable, UserError, WorkerFailed, counted
from vitbench.report.files import write

if TYPE_CHECKING:
    from vitbench.blame.remote import RemoteBench
    from vitbench.measure.session import Session
    from vitbench.stats.intervals import PairedRatio

PRICED_SECONDS = 10.0


def register(commands: Any) -> None:
    parser = commands.add_parser(MIXED, help="a recipe that leaves few int8 layers in float")
    parser.add_argument(
        "case", metavar="CASE", help="MODEL/VARIANT/DEVICE/bN, such as those of a report"
    )
    add(parser, MIXED)
    parser.add_argument(
        "--most", type=int, metavar="N",
        help="leave at most so many layers in float (default: a quarter of the int8 layers)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N",
        help="draws the half of the images that chooses (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--name", metavar="NAME", help="what the recipe is called (default: VARIANT-mixed)"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the recipe into the project's pyproject.toml"
    )
    parser.add_argument("--json", type=path_of, metavar="FILE", help="write all that was found")
    parser.set_defaults(run=mix)


def mix(chosen: argparse.Namespace) -> int:
    """Prints how the recipe is judged and its lines. Returns 0 where it keeps its limits on images
    that did not choose it, 1 where it breaks them, and 3 where neither is proven; then also 1 where
    it does not keep them on those that chose it."""
    from vitbench.blame.asking import Asking
    from vitbench.blame.bench import require_blamable, with_floats
    from vitbench.blame.lines import lines, planned
    from vitbench.blame.mixed import few, mixed
    from vitbench.blame.mixed_text import mixed_record, mixed_text
    from vitbench.blame.remote import RemoteBench

    session, case = case_session(MIXED, chosen)
    recipe = require_blamable(session.require(case))
    name = f"{case.variant}-mixed" if chosen.name is None else chosen.name
    _require_name(name, session if chosen.write else None)
    if chosen.most is not None and chosen.most < 1:
        raise UserError(f"--most={chosen.most}: give 1 or more")
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        raise UserError(f"--json={chosen.json}: its folder does not exist")
    if chosen.json and chosen.json.is_dir():
        raise UserError(f"--json={chosen.json} is a folder: give the name of a file in it")
    if chosen.write:  # before minutes are spent
        planned(Path.cwd(), lines(recipe, name), "vitbench mixed")
    with RemoteBench(session.options, case, say) as bench:
        most = min(chosen.most or few(len(bench.layers)), len(bench.layers) - 1)
        asking = Asking(bench.ask, 60 * chosen.minutes)
        limits, seed = recipe.limits, chosen.seed
        try:
            found = mixed(asking, bench.ask, bench.layers, bench.clusters, limits, most, seed, say)
        except KeyboardInterrupt:
            say(
                f"interrupted after {counted(asking.asked, 'recipe')}: nothing is judged or written"
            )
            raise
        price = _price(bench, found.floats) if found.floats else None
        known = mixed_record(found, case, len(bench.layers), most, seed, price)
    print(mixed_text(known))
    if found.floats:
        text = lines(with_floats(recipe, found.floats), name)
        print(f"\n{text}")
        if chosen.write and found.state in ("KEPT", "UNPROVEN"):
            file = planned(Path.cwd(), text, "vitbench mixed")
            file.write()
            print(f"{file.path}: written")
        elif chosen.write:
            print("nothing was written: the recipe does not keep its limits")
    if chosen.json:
        write(chosen.json, json.dumps(known, indent=1) + "\n")
    return {"KEPT": OK, "UNPROVEN": UNPROVEN}.get(found.state, BROKEN)


def _price(bench: "RemoteBench", floats: Sequence[str]) -> "PairedRatio | str":
    """How many times as fast the recipe is; the reason where that cannot be measured."""
    from vitbench.stats.intervals import paired_ratio

    say("timing it in pairs with the recipe as it is")
    try:
        return paired_ratio(*bench.price(floats, PRICED_SECONDS))
    except (UserError, Unavailable, WorkerFailed) as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"


def _require_name(name: str, session: "Session | None") -> None:
    """Raises UserError where a recipe cannot have the name, or, in a session, something has it."""
    if not SLUG.fullmatch(name):
        raise UserError(f"--name={name}: a name may hold letters, digits, '_', '.' and '-' only")
    if session and name in session.catalogue.names:
        raise UserError(f"there is a variant {name!r} already: give another name with --name=NAME")
