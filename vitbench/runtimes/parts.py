"""What the builds of many recipes of one model have in common, and is made once where that is said.

A search builds a recipe again and again with other layers in float: the exported graph and the
compiled library are the same each time, and take longer than all else.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_shared: "SharedParts | None" = None


class SharedParts:
    """What was made for builds that happen within `shared`, for as long as this object lives."""

    def __init__(self) -> None:
        self.made: dict[tuple[Hashable, int], tuple[Any, Any]] = {}

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Builds in here take what an earlier one in here has made."""
        global _shared
        before, _shared = _shared, self
        try:
            yield
        finally:
            _shared = before


def once(name: Hashable, of: Any, make: Callable[[], T]) -> T:
    """What `make` returns. Within `SharedParts.shared`, what it returned for the same name and the
    same object `of` before; nobody may change it."""
    if _shared is None:
        return make()
    key = name, id(of)
    if key not in _shared.made:
        _shared.made[key] = of, make()  # `of` too: its id belongs to it while it lives
    found: T = _shared.made[key][1]
    return found
