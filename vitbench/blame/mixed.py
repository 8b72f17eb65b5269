"""A recipe with few layers in float: chosen on one half of the images, judged on the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vitbench.blame.asking import Asking
from vitbench.blame.halves import halves, worth
from vitbench.blame.layers import placed
from vitbench.blame.margin import keeps, keeps_with_margin, most_misses
from vitbench.blame.mending import Mended, mend
from vitbench.blame.trial import Ask, Refusal, Trial
from vitbench.case import Limits
from vitbench.errors import UserError, WorkerFailed, counted
from vitbench.heads import HEADS
from vitbench.heads.base import Head
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
    def state(self) -> str:
        """That of the chosen recipe on the half that judges. BROKEN, too, where nothing was chosen,
        or nothing is proven, and the half that chooses found no recipe that keeps the limits."""
        found = self.after.agreement.state
        if self.mended is None or self.mended.kept or (found == "KEPT" and self.floats):
            return found
        return "BROKEN"

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
    if not judging:
        raise UserError(
            "all images are of one photograph, and no other ones can judge what they choose: give "
            "images of different photographs with --images, or more with --verify-images"
        )
    before = _judged(ask, frozenset(), judging)
    others = worth(clusters, judging)
    share = limits.least_neighbours if before.agreement.head == Embedding.name else limits.agreement
    if before.agreement.claimed:
        _require_enough(HEADS[before.agreement.head], [clusters[at] for at in judging], share)
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
        lambda trial: keeps(trial, limits),
        say,
    )
    assert mended is not None  # its first recipe was measured
    after = _judged(ask, frozenset(mended.floats), judging) if mended.floats else before
    return Mixed(before, after, mended, len(choosing), len(judging))


def _judged(ask: Ask, floats: frozenset[str], rows: Sequence[int]) -> Trial:
    found = ask(floats, rows)
    if isinstance(found, Refusal):
        raise WorkerFailed(f"the recipe cannot be measured: {found.reason}")
    return found


def _require_enough(head: Head, clusters: Sequence[str], share: float) -> None:
    """Raises UserError where images of these photographs, which judge, can prove nothing."""
    least = max(_least(share) if head.shares else 1, head.least_photographs)
    few = len(set(clusters)) < head.least_photographs
    if few or (head.shares and most_misses(worth(clusters, range(len(clusters))), share) < 0):
        what = f"agreement of {share:.0%}" if head.shares else "bound of an error"
        raise UserError(
            f"{len(clusters)} images of {counted(len(set(clusters)), 'photograph')}, the half that "
            f"judges, prove no {what}, whatever a recipe answers: give at least {2 * least} images "
            "of different photographs with --images, and --verify-images as large"
        )


def _why(asking: Asking) -> str:
    return asking.refusals[0].reason if asking.refusals else "give more --minutes"


def _least(share: float) -> int:
    """The fewest images that prove a share, where all agree."""
    images = 1
    while most_misses(images, share) < 0:
        images += 1
    return images
