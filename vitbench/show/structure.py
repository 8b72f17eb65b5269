"""The lines on what base and head execute otherwise, beside a verdict and below all of them."""

from collections.abc import Iterable
from typing import Any

NOT_COMPARED = "not compared"
"""How the only line of a case begins whose structures could not be had."""


def structure_of(judged: Any) -> list[str] | None:
    """The lines of a verdict; [] where nothing differs, None where nothing was counted."""
    lines = getattr(judged, "figures", {}).get("structure")
    return None if lines is None else [str(line) for line in lines]


def structure_words(judged: Any) -> list[str]:
    """What stands below the sentence of a verdict; [] where nothing differs or was counted."""
    return [f"structure: {line}" for line in structure_of(judged) or ()]


def summary(verdicts: Iterable[Any]) -> str | None:
    """One line on all cases; None where the structure of none was asked for."""
    known = [lines for each in verdicts if (lines := structure_of(each)) is not None]
    if not known:
        return None
    missing = sum(bool(lines) and lines[0].startswith(NOT_COMPARED) for lines in known)
    same = sum(not lines for lines in known)
    counted = {
        "the same": same,
        "not the same": len(known) - same - missing,
        NOT_COMPARED: missing,
    }
    words = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
    return f"structure, what a call executes: {words}"
