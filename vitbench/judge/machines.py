"""Which variant on which machine answers most for a unit of money: reports of several machines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.best import Choice, choose
from vitbench.judge.candidates import ANSWERS, COST
from vitbench.judge.change import run_factor
from vitbench.judge.load import terms_apart
from vitbench.judge.machine_front import PricedCase, front_of
from vitbench.judge.rate_needed import Carried, carried_by
from vitbench.judge.same_model import differences, other_images
from vitbench.report.prices import SECONDS_AN_HOUR, description_of


@dataclass(frozen=True)
class Named:
    """A report that has a price, and the file as a user names it."""

    name: str
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Offer:
    """What a machine offers for a model and batch: the variant `case` with the least cost there, or
    None; `sentence` says why.

    `per_unit`: answers for a unit of money. `rank`: what offers are ranked by, which of a rate
    under load is the same of its estimate. `bound_ms`: the latency bound of that rate, and
    `from_jpeg` whether its requests are the bytes of photographs. `apart`: why the offer is not
    comparable with the first; "" where it is. `note`: what is said all the same. `carried`: of
    requests, the rate that the machine carries.
    """

    report: str
    machine: str
    price: Mapping[str, Any]
    case: str | None
    sentence: str
    per_unit: float | None = None
    rank: float = 0.0
    bound_ms: float | None = None
    from_jpeg: bool = False
    apart: str = ""
    note: str = ""
    carried: Carried | None = None

    @property
    def ranked(self) -> bool:
        return self.case is not None and not self.apart


@dataclass(frozen=True)
class Ranking:
    """The offers for one model and batch, the most of `answers` (one of ANSWERS) for a unit of
    money first, and last those that are not ranked. `doubt` is a sentence where single runs vary
    by more than the first two differ by. `front`: of images, what is worth its price, the fastest
    first."""

    model: str
    batch: int
    answers: str
    offers: tuple[Offer, ...]
    doubt: str
    front: tuple[PricedCase, ...] = ()

    @property
    def best(self) -> Offer | None:
        """The first, where another one is ranked behind it: alone it is no best of machines."""
        ranked = [each for each in self.offers if each.ranked]
        return ranked[0] if len(ranked) > 1 else None

    def to_json(self) -> dict[str, Any]:
        best = {"report": self.best.report, "case": self.best.case} if self.best else None
        return {**asdict(self), "best": best}


def rank_machines(reports: Sequence[Named], least: float) -> tuple[list[Ranking], list[str]]:
    """A ranking for each model and batch that several reports have, and for each of ANSWERS; and
    what only one report has, a sentence each.

    `least` is the share of images that must agree: of each variant with the agreement reference,
    and of that one from report to report. What is not comparable with the first report that has
    the figure is not ranked, and says why. Raises UserError where a report has nothing to choose
    by, and where no model and batch is in two reports.
    """
    choices = {answers: [_choices(each, least, answers) for each in reports] for answers in ANSWERS}
    holders: dict[tuple[str, int], list[int]] = {}
    for index in range(len(reports)):
        for key in dict.fromkeys(key for found in choices.values() for key in found[index]):
            holders.setdefault(key, []).append(index)
    only = [
        f"{model}, batch {batch}, is in {reports[found[0]].name} alone"
        for (model, batch), found in holders.items()
        if len(found) == 1
    ]
    if len(only) == len(holders):
        raise UserError(f"the reports have no model and batch in common: {'; '.join(only)}")
    rankings = []
    for key, found in holders.items():
        for answers, by_report in choices.items():
            chosen = {reports[index].name: by_report[index].get(key) for index in found}
            if len(found) > 1 and any(map(_has, chosen.values())):
                held = [reports[index] for index in found]
                rankings.append(_ranking(*key, answers, held, chosen, least))
    return rankings, only


def _choices(named: Named, least: float, answers: str) -> dict[tuple[str, int], Choice]:
    try:
        found = choose(named.report, COST, least, answers)
    except UserError as error:
        raise UserError(f"{named.name}: {error}") from error
    return {(each.model, each.batch): each for each in found}


def _has(choice: Choice | None) -> bool:
    """Whether a report has the figure, of any variant."""
    return bool(choice and any(each.figures[COST] is not None for each in choice.candidates))


def _ranking(
    model: str,
    batch: int,
    answers: str,
    reports: Sequence[Named],
    choices: Mapping[str, Choice | None],
    least: float,
) -> Ranking:
    offers: list[Offer] = []
    first: tuple[Named, Offer] | None = None
    for each in reports:
        offer = _offer(each, choices[each.name], answers)
        if first:
            offer = _beside(offer, each.report, *first, model, least)
        elif offer.case:
            first = each, offer
        offers.append(offer)
    offers.sort(key=lambda each: (not each.ranked, -each.rank))
    ranked = [each.report for each in offers if each.ranked and answers == "images"]
    front = front_of({name: choice for name in ranked if (choice := choices[name])})
    return Ranking(model, batch, answers, tuple(offers), _doubt(offers), front)


def _offer(named: Named, choice: Choice | None, answers: str) -> Offer:
    price, machine = named.report["vitbench"]["price"], description_of(named.report)
    if choice is None or not _has(choice):
        file = f"benchmarks/test_{ANSWERS[answers].groups[0]}.py"
        none = f"it has no {answers} a second: run {file} too"
        return Offer(named.name, machine, price, None, none)
    if choice.best is None:
        why = "; ".join(f"{case.partition('/')[2]} {why}" for case, why in choice.out.items())
        return Offer(named.name, machine, price, None, f"{choice.sentence}: {why}")
    best = next(each for each in choice.candidates if each.case == choice.best)
    load = best.under_load if best.by_load(COST) else None
    per_unit = best.figures[COST] or 0.0
    rank = load.estimate * SECONDS_AN_HOUR / price["per_hour"] if load else per_unit
    words = choice.sentence.partition(": ")[2]  # without "least cost"
    bound, from_jpeg = (load.bound_ms, load.from_jpeg) if load else (None, False)
    return Offer(
        named.name, machine, price, best.case, words, per_unit, rank, bound, from_jpeg,
        carried=carried_by(choice),
    )  # fmt: skip


def _beside(
    offer: Offer,
    report: Mapping[str, Any],
    first: Named,
    theirs: Offer,
    model: str,
    least: float,
) -> Offer:
    """The offer with what keeps it from being ranked beside the first, and with what is said."""
    apart = [*differences(report, first.report, first.name, model, least)]
    if offer.bound_ms is not None and theirs.bound_ms is not None:
        own, others = (offer.from_jpeg, offer.bound_ms), (theirs.from_jpeg, theirs.bound_ms)
        apart += terms_apart(own, others, first.name)
    other = other_images(report, first.report, model)
    note = f"its answers were verified on other images than those of {first.name}" if other else ""
    return replace(offer, apart="; ".join(apart), note=note)


def _doubt(offers: Sequence[Offer]) -> str:
    """What is said where single runs vary by more than the first two differ by."""
    factor, ranked = run_factor(), [each.rank for each in offers if each.ranked]
    if len(ranked) < 2 or ranked[0] > factor * ranked[1]:
        return ""
    return f"single runs vary by a factor of {factor:.2f}, so either of the first two may be it"
