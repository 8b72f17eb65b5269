"""What machines offer for a unit of money, as text."""

from collections.abc import Iterator, Sequence

from vitbench.judge.machines import Offer, Ranking
from vitbench.show.best import PAID
from vitbench.show.clean import clean

BASIS = {**PAID, "images": "images: one call after the other; ranked by mean times, in no pairs"}
"""By what machines are ranked: between two of them no call is paired."""


def machines_text(
    rankings: Sequence[Ranking], only: Sequence[str], needed: float | None = None
) -> str:
    """The machines and their prices; for each model and batch which variant on which machine has
    the least cost, what each other machine offers, and what is not ranked; then `only`. `needed`:
    requests a second, for which each line of requests says how many machines carry them."""
    lines = [*dict.fromkeys(_machine(each) for ranking in rankings for each in ranking.offers)]
    for ranking in rankings:
        lines += ["", f"{ranking.model}, batch {ranking.batch}, need: cost"]
        lines += [f"  {BASIS[ranking.answers]}"]
        lines += [f"  {each}" for each in _offers(ranking, needed)]
        lines += [f"  {ranking.doubt}"] if ranking.doubt else []
        lines += [f"  {each}" for each in _front(ranking)]
    return clean("\n".join([*lines, *([""] if only else []), *only]))


def _front(ranking: Ranking) -> Iterator[str]:
    for index, each in enumerate(ranking.front):
        what = f"{each.case.partition('/')[2]} of {each.report}"
        why = "cheaper than all that are faster" if index else "the fastest"
        yield (
            f"front over machines: {what}: {each.latency_ms:.1f} ms, {each.per_unit:,.0f} images "
            f"for a unit of money: {why}"
        )


def _machine(offer: Offer) -> str:
    price = offer.price
    cost = f"{price['name']} costs {price['per_hour']:g} an hour ({price['origin']})"
    return f"{offer.report}: {offer.machine}: {cost}"


def _offers(ranking: Ranking, needed: float | None) -> Iterator[str]:
    best = ranking.best
    for each in ranking.offers:
        what = f"{each.case.partition('/')[2]} of {each.report}" if each.case else each.report
        if not each.ranked:
            why = f"{each.apart} (there: {each.sentence})" if each.case else each.sentence
            yield f"not ranked: {what}: {why}"
        elif best is None:
            yield f"no other to rank: {what}: {each.sentence}"
        else:
            share = "best" if each is best else f"{each.rank / best.rank:.2f}x" if best.rank else ""
            yield f"{share}: {what}: {each.sentence}"
        if needed and each.carried and each.ranked:
            yield f"  {each.carried.words(needed)}"
        if each.note:
            yield f"  {each.note}"
