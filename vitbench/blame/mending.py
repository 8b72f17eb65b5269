"""A recipe with few layers in float, found greedily on images that it is not judged on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vitbench.blame.asking import Asking
from vitbench.blame.costs import NEGLIGIBLE, Costs, costs
from vitbench.blame.layers import PlacedLayer
from vitbench.blame.search import RANKED_ON, spread_over
from vitbench.blame.trial import Refusal, Trial

KEPT_FOR_ADDING = 0.5  # of the time, at most
WIDTH = 3  # layers that are compared before one is added
CLEARLY = 4.0  # times as large a squared error: the layer is added without a comparison

Keeps = Callable[[Trial], bool]


@dataclass(frozen=True)
class Mended:
    """The layers that stay in float, in the order in which they were added. `kept`: whether the
    limits are kept on the images of the search; else it is the best recipe that was found. `steps`
    has the recipe after each addition. `removed` were added and taken back. `in_time`: whether
    there was time for all layers and all recipes."""

    floats: tuple[str, ...]
    trial: Trial
    kept: bool
    steps: tuple[Trial, ...]
    removed: tuple[str, ...]
    in_time: bool
    refusals: tuple[Refusal, ...]
    seconds: float
    asked: int


@dataclass
class _Search:
    """What is added so far, on the images `rows`, and the recipe after each addition. `sure` and
    `keeps` are as of `mend`."""

    asking: Asking
    rows: Sequence[int]
    sure: Keeps
    keeps: Keeps
    steps: list[Trial]
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    in_time: bool = True

    def add(self, found: Costs, most: int, say: Callable[[str], None]) -> None:
        """Layers, until `sure`, or until `keeps` and no layer wins agreement."""
        while not self.sure(self.steps[-1]) and len(self.added) < most:
            tried = self._tried(found)
            kept = self.keeps(self.steps[-1])
            best = min(tried, key=_by_agreement if kept else _badness, default=None)
            if best is None or (kept and _matched(best) <= _matched(self.steps[-1])):
                return
            (name,) = best.floats - {*self.added}
            self.added.append(name)
            self.steps.append(best)
            say(f"{name} in float, {len(self.added)} in all: relative error {best.error:.4f}")

    def _tried(self, found: Costs) -> list[Trial]:
        """The recipes with one more of the WIDTH dearest layers that are left; the next ones where
        all of these are refused; none where there are none, or no time for any."""
        while True:
            refused = {each.floats for each in self.asking.refusals}
            names = [name for name in _ranking(found) if name not in self.added]
            left = [name for name in names if frozenset({*self.added, name}) not in refused]
            left = left[: 1 if _clear(found, left) else WIDTH]
            answers = [self.asking.try_floats(frozenset({*self.added, x}), self.rows) for x in left]
            found_refused = {each.floats for each in self.asking.refusals} - refused
            late = answers.count(None) - len(found_refused)
            self.in_time = self.in_time and not late
            tried = [each for each in answers if each is not None]
            if tried or late or not left:
                return tried

    def settle(self) -> None:
        """Back to the first recipe with the most agreement that `keeps`, where none is `sure`; and
        without the layers that are not needed for that."""
        goal = self.sure
        if not goal(self.steps[-1]):
            kept = [each for each in self.steps if self.keeps(each)]
            if not kept:
                return
            most = max(map(_matched, kept))
            reached = next(each for each in kept if _matched(each) == most)
            self.added = [name for name in self.added if name in reached.floats]
            goal = lambda trial: self.keeps(trial) and _matched(trial) >= most  # noqa: E731
        for name in reversed(self.added[:-1]):  # without the last one the goal was not reached
            trial = self.asking.try_floats(frozenset(self.added) - {name}, self.rows)
            refused = {each.floats for each in self.asking.refusals}
            late = trial is None and frozenset(self.added) - {name} not in refused
            self.in_time = self.in_time and not late
            if trial is not None and goal(trial):
                self.added.remove(name)
                self.removed.append(name)


def mend(
    asking: Asking,
    layers: Sequence[PlacedLayer],
    rows: Sequence[int],
    most: int,
    sure: Keeps,
    keeps: Keeps,
    say: Callable[[str], None] = lambda _: None,
) -> Mended | None:
    """Adds the layer that wins most until `sure`, at most `most` of them, then takes back each that
    is not needed. None where not even the recipe itself could be measured.

    `keeps`: whether a recipe keeps its limits on these images; `sure`: by so much that it should
    keep them on others, too. Once they are kept, only layers that win agreement are added.

    Layers are ranked by what they cost alone. Of the dearest WIDTH ones that are left the one that
    wins most beside those in float already is added.
    """
    base = asking.try_floats(frozenset(), rows)
    if base is None:
        return None
    search = _Search(asking, rows, sure, keeps, [base])
    if not sure(base):
        few = [rows[at] for at in spread_over(len(rows), RANKED_ON)]
        reserve = (WIDTH * min(most, 4)) * asking.expected(len(rows))
        found = costs(asking, layers, few, min(KEPT_FOR_ADDING * asking.seconds, reserve))
        search.in_time = found is not None and not found.late
        if found:
            search.add(found, min(most, len(layers) - 1), say)
        search.settle()
    added = search.added
    trial = asking.try_floats(frozenset(added), rows) or search.steps[-1]
    if not (sure(trial) or keeps(trial)):
        trial = min(search.steps, key=_badness)
        added = [name for name in added if name in trial.floats]
    return Mended(
        floats=tuple(added),
        trial=trial,
        kept=sure(trial) or keeps(trial),
        steps=tuple(search.steps),
        removed=tuple(search.removed),
        in_time=search.in_time,
        refusals=tuple(asking.refusals),
        seconds=asking.spent,
        asked=asking.asked,
    )


def _ranking(found: Costs) -> list[str]:
    """The dearest layer first. One that there was no time for may be dear: it comes before those
    that were tried and cost next to nothing."""
    dear = [name for name in found.ranking if found.share(name) >= NEGLIGIBLE]
    return list(dict.fromkeys([*dear, *found.late, *found.ranking]))


def _clear(found: Costs, names: Sequence[str]) -> bool:
    """Whether the first of these is so much dearer than the next ones that none is compared."""
    first, *others = names[:WIDTH] or [""]
    known = all(name in found.layers for name in names[:WIDTH])
    return known and found.share(first) > CLEARLY * max(map(found.share, others), default=0)


def _matched(trial: Trial) -> int:
    return trial.agreement.matched


def _badness(trial: Trial) -> tuple[float, int]:
    """By the relative error, which needs fewer images than agreement does to be known."""
    return trial.error, -trial.agreement.matched


def _by_agreement(trial: Trial) -> tuple[int, float]:
    return -trial.agreement.matched, trial.error
