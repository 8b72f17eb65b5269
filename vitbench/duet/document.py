"""What a duet leaves as JSON: in a report of pytest, and in the file of `vitbench duet --json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from vitbench.duet.base.side import Side
from vitbench.duet.progress import Progress
from vitbench.duet.rule import Rule
from vitbench.judge.verdict import Verdict


def document(
    against: str,
    sides: Mapping[str, Side],
    rule: Rule,
    progress: Progress,
    verdicts: Sequence[Verdict] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """What was compared with what, how, and the verdicts. `notes` come last.

    `base_commit`, and `merge_base_of`, the branch that base is the merge-base with, are None where
    there is no such.
    """
    base, head = sides["base"], sides["head"]
    return {
        "against": against,
        "base": base.label,
        "base_commit": base.commit or None,
        "merge_base_of": base.merge_base_of or None,
        "head": head.label,
        "head_commit": head.commit or None,
        "notes": [*base.notes, *progress.notes, *notes],
        "tolerance": rule.tolerance,
        "planned": rule.planned,
        "versions": progress.versions,
        "waited_seconds": progress.waited_seconds,
        "verdicts": [verdict.to_json() for verdict in verdicts],
    }
