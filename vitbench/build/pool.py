"""Loaded deployments: one per key and copy, for as long as the pool lives."""

from collections import Counter
from collections.abc import Callable, Hashable

from vitbench.runtimes import Deployment


class Pool:
    """`load(key, copy)` is called once for each; a load that raises is tried again next time.

    `loads` counts, per (key, copy), the loads that succeeded.
    """

    def __init__(self, load: Callable[[Hashable, int], Deployment]) -> None:
        self._load = load
        self._loaded: dict[tuple[Hashable, int], Deployment] = {}
        self.loads: Counter[tuple[Hashable, int]] = Counter()

    def get(self, key: Hashable, copy: int = 0) -> Deployment:
        """The deployment of a key; each `copy` is a load of its own."""
        if (key, copy) not in self._loaded:
            self._loaded[key, copy] = self._load(key, copy)
            self.loads[key, copy] += 1
        return self._loaded[key, copy]
