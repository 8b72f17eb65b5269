"""The first load of a case, in a process of its own: what crashes there costs its case alone."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.build.artifacts import ArtifactCache
from vitbench.case import Case
from vitbench.errors import Unavailable, WorkerFailed
from vitbench.measure.footprint import Fresh, fresh_process
from vitbench.runtimes import Placement


class FirstLoads:
    """Remembers in the cache which cases were loaded and called well here, by any run.

    `placement` says where a case is executed, `conditions` all that its execution depends on, and
    `batch` the images that it is called on. `planned` are the cases that a run will ask for, as
    far as it knows.
    """

    def __init__(
        self,
        cache: ArtifactCache,
        placement: Callable[[Case], Placement],
        conditions: Callable[[Case], Mapping[str, Any]],
        batch: Callable[[Case], NDArray[np.float32]],
    ) -> None:
        self.planned: Sequence[Case] = ()
        self._cache = cache
        self._placement, self._conditions, self._batch = placement, conditions, batch
        self._known: dict[Case, Fresh | WorkerFailed] = {}
        self._proven: set[Case] = set()

    def prove(
        self, case: Case, alone: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        """Load a case in a process of its own, unless that went well before. It is called on its
        batch, and on the largest that is planned. `alone` is entered around the process.

        Raises WorkerFailed where it crashes, then and whenever it is asked for again.
        """

        called: list[Case] = []

        def load() -> dict[str, Any]:
            with alone():
                called.extend(self._load(case))
            return {}

        self._raise(case)
        if case not in self._proven:
            self._cache.json("loaded", self._conditions(case), load)
            for each in called:
                self._cache.json("loaded", self._conditions(each), dict)
            self._proven.add(case)

    def fresh(self, case: Case) -> Fresh:
        """What a process of its own measured of a case, in this run. Raises what `ask` raises."""
        self._raise(case)
        if case not in self._known:
            self._known[case] = fresh_process(case, self._placement(case), self._batch(case))
        found = self._known[case]
        assert isinstance(found, Fresh)
        return found

    def _raise(self, case: Case) -> None:
        if isinstance(found := self._known.get(case), WorkerFailed):
            raise WorkerFailed(str(found))

    def _load(self, case: Case) -> list[Case]:
        """Load and remember. Returns the other planned cases that need no process any more."""
        placement, images = self._placement(case), self._batch(case)
        others = [
            each
            for each in self.planned
            if each != case and replace(each, batch=case.batch) == case and each not in self._known
        ]
        larger = sorted(each for each in others if each.batch > case.batch)[-1:]
        try:
            try:
                more = [self._batch(each) for each in larger]
                self._known[case] = fresh_process(case, placement, images, more)
            except (WorkerFailed, Unavailable):
                if not larger:
                    raise
                # The larger batch may be what crashed, or what a file of another tool refuses.
                self._known[case] = fresh_process(case, placement, images)
                return []
        except WorkerFailed as reason:
            self._known[case] = reason
            raise
        return others
