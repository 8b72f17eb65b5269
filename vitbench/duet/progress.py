"""What is known of a duet's cases while the duet goes on."""

from dataclasses import dataclass, field
from typing import Any

from vitbench.duet.block import Block
from vitbench.judge.verdict import Verdict


@dataclass
class Progress:
    """All that is known of the cases, filled as the duet goes on.

    `prepared`: what an arm answered to `prepare`, by side and case. `unavailable`: why a side
    cannot run a case, by side and case. `head_failures`: the error of head, by case, where head
    failed to build, to verify or to answer. `stopped`: why a case has no more blocks.
    `incomparable`: why a case of both sides must not be compared. `blocks`: the
    finished blocks. `outputs`: which outputs of the timed calls were compared, by case and arm.
    `structures`: lines on what base and head execute otherwise, by case; [] where it is the same.
    `units`: how much extra work is planted into head. `waited_seconds`: how long this duet waited
    for other timings on this machine. `identical`: the verdicts of the cases that need no timing.
    `notes`: what people should know of the comparison.
    """

    prepared: dict[str, dict[str, Any]] = field(default_factory=lambda: {"base": {}, "head": {}})
    unavailable: dict[str, dict[str, str]] = field(default_factory=lambda: {"base": {}, "head": {}})
    head_failures: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    incomparable: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    outputs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    structures: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    waited_seconds: float = 0.0
    identical: dict[str, Verdict] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
