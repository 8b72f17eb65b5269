"""`vitbench best`: which variant to deploy, on which machine, and why."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.latest import add_reports, newest_of
from vitbench.cli.parsing import path_of
from vitbench.cli.price import add_prices, prices_by_report, why_unpriced, with_price
from vitbench.errors import UserError
from vitbench.judge.best import Choice, choose
from vitbench.judge.candidates import COST, LEAST_AGREEMENT, NEEDS
from vitbench.judge.load import LOAD
from vitbench.judge.rate_needed import carried_by, for_rate

if TYPE_CHECKING:
    from vitbench.judge.machines import Ranking

MOST_RATE = 1e9


def register(commands: Any) -> None:
    best = commands.add_parser("best", help="which variant to deploy, and on which machine")
    add_reports(best)
    best.add_argument(
        "--need",
        choices=list(NEEDS),
        default="latency",
        help="what to choose by: the least of it, or of load the highest rate (default: latency)",
    )
    best.add_argument(
        "--rate",
        type=requests_a_second,
        metavar="R",
        help="with --need=load or --need=cost: also how many machines carry R requests a second",
    )
    add_prices(best)
    best.add_argument(
        "--min-agreement",
        type=share,
        default=LEAST_AGREEMENT,
        metavar="SHARE",
        help="least agreement with fp32, 0 to 1 (default: %(default)s)",
    )
    best.add_argument("--json", action="store_true", help="as JSON")
    best.add_argument("--plot", type=path_of, metavar="FILE", help="also write an HTML page")
    best.set_defaults(run=choose_variant)


def share(choices_text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(choices_text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{choices_text!r} is no share: give a number from 0 to 1")
    return value


def requests_a_second(text: str) -> float:
    """A number above 0, and not above MOST_RATE."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= MOST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no rate: give requests a second, above 0 and at most {MOST_RATE:g}"
        )
    return value


def choose_variant(chosen: argparse.Namespace) -> int:
    """The variant to deploy for a need, and why each other one is not it; of several reports, on
    each machine, and for the cost on which."""
    if chosen.rate and chosen.need not in (LOAD, COST):
        raise UserError(
            f"--rate={chosen.rate:g}: --need={chosen.need} is no matter of a rate: give "
            "--need=load or --need=cost"
        )
    prices = prices_by_report(chosen.price, chosen.reports)
    files = {each: newest_of(chosen.history) if each is None else each for each in chosen.reports}
    _refuse_twice([files[each] for each in chosen.reports])
    if len(files) == 1:
        ((each, file),) = files.items()
        return _of_one(chosen, file, prices.get(each))
    if chosen.plot:
        raise UserError(
            f"--plot takes one report, and there are {len(files)}: name one, or leave it out"
        )
    by_file = {file: prices.get(each) for each, file in files.items()}
    return _over_machines(chosen, by_file) if chosen.need == COST else _each(chosen, by_file)


def _refuse_twice(files: Sequence[Path]) -> None:
    for index, file in enumerate(files):
        if file.resolve() in [each.resolve() for each in files[:index]]:
            raise UserError(f"{file}: the report is named twice: leave one out")


def _of_one(chosen: argparse.Namespace, file: Path, price: str | None) -> int:
    from vitbench.report.reader import read_report
    from vitbench.show.best import choices_text, plot_choices

    report = with_price(read_report(file), price, Path.cwd())
    if chosen.need == COST and (why := why_unpriced(report, Path.cwd())):
        raise UserError(f"{file}: --need=cost needs a price: {why}")
    choices = choose(report, chosen.need, chosen.min_agreement)
    if chosen.need == COST:
        _require_requests(chosen.rate, [choice.answers for choice in choices])
    _say_incomplete(report, chosen.json)
    if chosen.plot:
        plot_choices(choices, chosen.plot)
    if chosen.json:
        print(json.dumps([_as_json(choice, chosen.rate) for choice in choices], indent=2))
    else:
        print(choices_text(choices, chosen.rate))
    return OK if all(choice.best for choice in choices) else BROKEN


def _over_machines(chosen: argparse.Namespace, prices: Mapping[Path, str | None]) -> int:
    """BROKEN where a model and batch of two reports has no two machines that are comparable."""
    from vitbench.judge.machines import Named, rank_machines
    from vitbench.report.reader import read_report
    from vitbench.show.machines import machines_text

    found = []
    for file, price in prices.items():
        report = with_price(read_report(file), price, Path.cwd())
        if why := why_unpriced(report, Path.cwd(), str(file)):
            raise UserError(f"{file}: --need=cost needs a price: {why}")
        found.append(Named(str(file), report))
    rankings, only = rank_machines(found, chosen.min_agreement)
    _require_requests(chosen.rate, [ranking.answers for ranking in rankings])
    for each in found:
        _say_incomplete(each.report, chosen.json, f"{each.name}: ")
    if chosen.json:
        print(json.dumps([_ranking_json(each, chosen.rate) for each in rankings], indent=2))
        print("\n".join(only), end="\n" if only else "", file=sys.stderr)
    else:
        print(machines_text(rankings, only, chosen.rate))
    ranked = {(each.model, each.batch) for each in rankings if each.best}
    return OK if ranked == {(each.model, each.batch) for each in rankings} else BROKEN


def _each(chosen: argparse.Namespace, prices: Mapping[Path, str | None]) -> int:
    """The choice on each machine: times and sizes of two machines are compared by nothing.

    BROKEN where a machine has none."""
    from vitbench.report.prices import description_of
    from vitbench.report.reader import read_report
    from vitbench.show.best import choices_text
    from vitbench.show.clean import clean

    found = []
    for file, price in prices.items():
        report = with_price(read_report(file), price, Path.cwd())
        try:
            choices = choose(report, chosen.need, chosen.min_agreement)
        except UserError as error:
            raise UserError(f"{file}: {error}") from error
        found.append((file, description_of(report), choices))
        _say_incomplete(report, chosen.json, f"{file}: ")
    if chosen.json:
        documents = [
            {
                "report": str(file),
                "machine": machine,
                "choices": [_as_json(x, chosen.rate) for x in choices],
            }
            for file, machine, choices in found
        ]
        print(json.dumps(documents, indent=2))
    else:
        pages = [
            f"{file}: {machine}\n\n{choices_text(choices, chosen.rate)}"
            for file, machine, choices in found
        ]
        print(clean("\n\n".join(pages)))
    return OK if all(each.best for _, _, choices in found for each in choices) else BROKEN


def _require_requests(rate: float | None, answers: Sequence[str]) -> None:
    """Raises UserError where a rate is asked about, and no report has one."""
    if rate and "requests" not in answers:
        raise UserError(
            f"--rate={rate:g}: there is no rate under load to count machines by: run `pytest "
            "--benchmark-only benchmarks/test_load.py`"
        )


def _as_json(choice: Choice, rate: float | None) -> dict[str, Any]:
    return choice.to_json() | for_rate(carried_by(choice), rate)


def _ranking_json(ranking: "Ranking", rate: float | None) -> dict[str, Any]:
    found = ranking.to_json()
    for each, offer in zip(found["offers"], ranking.offers, strict=True):
        each.update(for_rate(offer.carried, rate))
    return found


def _say_incomplete(report: Mapping[str, Any], as_json: bool, name: str = "") -> None:
    from vitbench.report.reader import run_of

    run = run_of(report)
    if run and not run.complete:
        cut = "INCOMPLETE: the run was cut short, or still goes on; of what it had finished"
        print(f"{name}{cut}", file=sys.stderr if as_json else sys.stdout)
