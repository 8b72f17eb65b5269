"""Which operators a slower case spends its time on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vitbench.judge.verdict import Verdict


def with_operators(
    verdict: Verdict, base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]]
) -> Verdict:
    """The verdict, whose sentence names the operators that grew most from base to head."""
    grown = grown_operators(base, head)
    if not grown:
        return replace(verdict, figures={**verdict.figures, "operators": []})
    words = ", ".join(
        f"{name} {after * 1e3:.3g} ms (was {before * 1e3:.3g})" for name, before, after in grown
    )
    rows = [{"name": n, "base_seconds": b, "head_seconds": h} for n, b, h in grown]
    return replace(
        verdict,
        sentence=f"{verdict.sentence}. Operators that grew: {words}",
        figures={**verdict.figures, "operators": rows},
    )


def grown_operators(
    base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]], most: int = 3
) -> list[tuple[str, float, float]]:
    """Name, seconds in base, seconds in head of the operators that grew most, at least a twentieth
    of all growth each. A new operator had 0 seconds."""
    seconds = [{row["name"]: row["seconds"] for row in rows} for rows in (base, head)]
    growth = {name: after - seconds[0].get(name, 0.0) for name, after in seconds[1].items()}
    total = sum(value for value in growth.values() if value > 0)
    names = sorted(growth, key=lambda name: -growth[name])[:most]
    return [
        (name, seconds[0].get(name, 0.0), seconds[1][name])
        for name in names
        if growth[name] > 0 and growth[name] >= total / 20
    ]
