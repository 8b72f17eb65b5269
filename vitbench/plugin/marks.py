"""The mark `measures(kind, batches)` of a benchmark. Another project may have a mark of that name.

Every pytest run of an environment that has vitbench imports this module: it stays light.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

NAME = "measures"


@dataclass(frozen=True)
class Measures:
    """What a benchmark measures, such as "latency", and at which batch sizes."""

    kind: str
    batches: tuple[int, ...]


def first_of_ours(marks: Iterable[object]) -> Measures | None:
    """What the first mark of vitbench says: one named `measures` that has `batches`.

    Raises pytest.UsageError where it has no kind, or a batch size that is none.
    """
    for mark in marks:
        arguments = getattr(mark, "kwargs", {})
        if getattr(mark, "name", "") != NAME or "batches" not in arguments:
            continue
        (*kinds,), batches = getattr(mark, "args", ()), arguments["batches"]
        if len(kinds) != 1 or not isinstance(kinds[0], str):
            raise pytest.UsageError(
                f"pytest.mark.{NAME}: name one kind, such as {NAME}('latency', batches=(1,))"
            )
        if not (isinstance(batches, tuple | list) and batches and all(map(_is_size, batches))):
            raise pytest.UsageError(
                f"pytest.mark.{NAME}('{kinds[0]}', batches={batches!r}): batches are whole numbers "
                "above 0, such as batches=(1, 8)"
            )
        return Measures(kinds[0], tuple(batches))
    return None


def measures_of(node: pytest.Item | pytest.Collector) -> Measures | None:
    """What a test, or all tests of a class or a module, measure; None of a test of others."""
    return first_of_ours(node.iter_markers(NAME))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
