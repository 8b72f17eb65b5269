"""The first line of a page about verdicts: the outcome, what was compared, and the evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from vitbench.judge.verdict import (
    INCONCLUSIVE,
    NOTHING_COMPARABLE,
    PASS,
    REGRESSION,
    USAGE,
    Verdict,
)

OUTCOMES = {
    PASS: "PASSED",
    REGRESSION: "FAILED",
    NOTHING_COMPARABLE: "NOTHING WAS COMPARED",
    INCONCLUSIVE: "UNDECIDED",
    USAGE: "BAD INPUT",
}
"""The verdict of the whole, by exit code."""


@dataclass(frozen=True)
class Headline:
    """`outcome`: the verdict of the whole. `compared`: what with what, in words. `evidence`: words
    on what the verdicts rest on, or nothing."""

    outcome: str
    compared: str
    evidence: str = ""


def headline(code: int, compared: str, verdicts: Sequence[Verdict]) -> Headline:
    """Of verdicts that end with the exit code `code`."""
    return Headline(OUTCOMES[code], compared, evidence(verdicts))


def evidence(verdicts: Sequence[Verdict]) -> str:
    """Blocks, images and tolerance of the cases that have them: "4 to 12 blocks, 256 images"."""
    found = [
        _span("blocks", verdicts, "block"),
        _span("images", verdicts, "image"),
        _tolerance(verdicts),
    ]
    return ", ".join(filter(None, found))


def _span(figure: str, verdicts: Sequence[Verdict], noun: str) -> str:
    counts = sorted({each.figures[figure] for each in verdicts if each.figures.get(figure)})
    if not counts:
        return ""
    least, most = counts[0], counts[-1]
    words = f"{least}" if least == most else f"{least} to {most}"
    return f"{words} {noun}{'' if most == 1 else 's'} a case"


def _tolerance(verdicts: Sequence[Verdict]) -> str:
    shares = sorted({each.figures["tolerance"] for each in verdicts if "tolerance" in each.figures})
    if not shares:
        return ""
    least, most = shares[0], shares[-1]
    return f"tolerance {least:.1%}" + (f" to {most:.1%}" if most > least else "")
