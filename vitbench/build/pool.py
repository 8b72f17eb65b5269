"""Loaded deployments: one per case and copy, for as long as the pool lives."""

from collections import Counter
from collections.abc import Callable

from vitbench.case import Case
from vitbench.runtimes import Deployment


class Pool:
    """`load` is called once for each case and copy; a load that raises is tried again next time.

    `loads` counts, per (case, copy), the loads that succeeded.
    """

    def __init__(self, load: Callable[[Case], Deployment]) -> None:
        self._load = load
        self._loaded: dict[tuple[Case, int], Deployment] = {}
        self.loads: Counter[tuple[Case, int]] = Counter()

    def get(self, case: Case, copy: int = 0) -> Deployment:
        """The deployment of a case; each `copy` is a load of its own."""
        if (case, copy) not in self._loaded:
            self._loaded[case, copy] = self._load(case)
            self.loads[case, copy] += 1
        return self._loaded[case, copy]
