"""A recipe with few layers in float: chosen on one half of the images, judged on the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitbench.blame.asking import Asking
from vitbench.blame.halves import halves, worth
from vitbench.blame.layers import placed
from vitbench.blame.margin import keeps_with_margin, most_misses
from vitbench.blame.mending import Mended, mend
from vitbench.blame.trial import Ask, Refusal, Trial
from vitbench.case import Limits
from vitbench.errors import UserError, WorkerFailed
from vitbench.heads.embedding import Embedding

FEW = 0.25  # of the int8 layers


@dataclass(frozen=True)
class Mixed:
    """What was chosen, and how it is judged. `before` and `after` are the recipe as it is and the
    chosen one on images that chose nothing. Where there was nothing to mend, `mended` is None and
    `after` is `before`."""

    before: Trial
    after: Trial
    mended: Mended | None
    choosing: int
    judging: int

    @property
    def floats(self) -> tuple[str, ...]:
        return self.mended.floats if self.mended else ()


def few(layers: int) -> int:
    """The most layers in float unless a user says otherwise."""
    return max(1, int(FEW * layers))


def mixed(
    asking: Asking,
    ask: Ask,
    names: Sequence[str],
    clusters: Sequence[str],
    limits: Limits,
    most: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Mixed:
    """Chooses by `asking`, within its time; `ask` then judges, whatever the time is.

    Raises UserError where the images that judge can prove nothing, however the recipe answers, and
    WorkerFailed where not even the recipe as it is can be measured.
    """
    choosing, judging = halves(clusters, seed)
    before = _judged(ask, frozenset(), judging)
    others = worth(clusters, judging)
    share = limits.least_neighbours if before.agreement.head == Embedding.name else limits.agreement
    if before.agreement.claimed and before.hits and most_misses(others, share) < 0:
        raise UserError(
            f"{len(judging)} images, the half that judges, prove no agreement of {share:.0%}, "
            f"whatever a recipe answers: give at least {2 * _least(share)} images of different "
            "photographs with --images"
        )
    say(f"as it is: {before.agreement.sentence}")
    start = asking.try_floats(frozenset(), choosing)
    if start is None:
        raise WorkerFailed(f"nothing can be chosen: {_why(asking)}")
    if start.agreement.state == before.agreement.state == "KEPT":
        return Mixed(before, before, None, len(choosing), len(judging))
    mended = mend(
        asking,
        placed(names),
        choosing,
        most,
        lambda trial: keeps_with_margin(trial, limits, others, share),
    )
    assert mended is not None  # its first recipe was measured
    after = _judged(ask, frozenset(mended.floats), judging) if mended.floats else before
    return Mixed(before, after, mended, len(choosing), len(judging))


def _judged(ask: Ask, floats: frozenset[str], rows: Sequence[int]) -> Trial:
    found = ask(floats, rows)
    if isinstance(found, Refusal):
        raise WorkerFailed(f"the recipe cannot be measured: {found.reason}")
    return found


def _why(asking: Asking) -> str:
    return asking.refusals[0].reason if asking.refusals else "give more --minutes"


def _least(share: float) -> int:
    """The fewest images that prove a share, where all agree."""
    images = 1
    while most_misses(images, share) < 0:
        images += 1
    return images
