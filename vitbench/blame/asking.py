"""Recipes measured one by one, none twice, and none that would end after the time is up."""

from collections.abc import Callable, Sequence
from time import monotonic

from vitbench.blame.trial import Ask, Refusal, Trial


class Asking:
    """`ask` measures a recipe; `seconds` are all that there are, from now on; `now` is a clock."""

    def __init__(self, ask: Ask, seconds: float, now: Callable[[], float] = monotonic) -> None:
        self._ask, self._now = ask, now
        self._start, self.seconds = now(), seconds
        self._known: dict[tuple[frozenset[str], tuple[int, ...]], Trial | Refusal] = {}
        self._longest: dict[int, float] = {}
        self.refusals: list[Refusal] = []

    def left(self) -> float:
        """Seconds until the time is up."""
        return self.seconds - self.spent

    @property
    def spent(self) -> float:
        return self._now() - self._start

    @property
    def asked(self) -> int:
        """How many recipes were measured."""
        return len(self._known)

    def expected(self, images: int) -> float:
        """How long a recipe may take on so many images: as long as the slowest one so far. 0 where
        none was measured."""
        if images in self._longest:
            return self._longest[images]
        return max((s * max(1.0, images / n) for n, s in self._longest.items()), default=0.0)

    def try_floats(
        self, floats: frozenset[str], rows: Sequence[int], keep: float = 0.0
    ) -> Trial | None:
        """The recipe with these layers in float, on the images of these numbers.

        None where it would end when less than `keep` seconds are left, and where it cannot be
        measured, which `refusals` then say.
        """
        key = floats, tuple(rows)
        if key not in self._known:
            if self.left() - self.expected(len(rows)) < keep:
                return None
            before = self._now()
            self._known[key] = found = self._ask(floats, rows)
            if isinstance(found, Refusal):
                self.refusals.append(found)
            took = self._now() - before
            self._longest[len(rows)] = max(took, self._longest.get(len(rows), 0.0))
        known = self._known[key]
        return None if isinstance(known, Refusal) else known
