"""What recorded blocks say of the gate itself: how often it is wrong, and what it can see."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vitbench.duet.aa.gates import real_gates, resampled, rivals
from vitbench.duet.aa.recording import NOTHING_PLANTED, Logs, Recorded, logs_of, read_blocks
from vitbench.duet.rule import Rule
from vitbench.stats.intervals import POWER
from vitbench.stats.sequential import Blocks


def lag_one(logs: Logs) -> list[float]:
    """Correlation of each block's change with the next one's, by case."""
    return [float(np.corrcoef(row[:-1], row[1:])[0, 1]) for row in logs[:, :, 0]]


def within_blocks(recorded: Recorded, draws: int = 200) -> list[float]:
    """What part of a block's spread more rounds would cure, by case, as a standard deviation.

    Root mean square over blocks of the bootstrap's standard error of a block's change, its rounds
    drawn with replacement. Close to the spread from block to block, the rounds are what is noisy;
    far below it, the processes are, and only more blocks help. Source: Efron, Annals of Statistics
    7 (1979).
    """
    random = np.random.default_rng(3)
    found = []
    for blocks in recorded.values():
        errors = []
        for block in blocks:
            rounds = block.rounds
            drawn = rounds[random.integers(0, len(rounds), (draws, len(rounds)))]
            errors.append(np.median(drawn, axis=1).std())
        found.append(float(np.sqrt(np.mean(np.square(errors)))))
    return found


def smallest_change(logs: Logs, blocks: int, rule: Rule) -> float:
    """The change that a gate of so many blocks calls SLOWER with 80 % power, of the median case.

    From the spread of null blocks: the bound at the strictest Holm level, plus t.80 standard
    errors; never below the tolerance, which the estimate must exceed, plus the same.
    """
    from scipy.special import stdtrit

    changes = []
    for row in logs[:, :, 0]:
        spread = Blocks.of(row).standard_error * math.sqrt(len(row) / blocks)
        found = Blocks(blocks, 0.0, spread)
        bound = found.margin(rule.planned, rule.alpha / len(logs))
        above = float(stdtrit(found.degrees, POWER)) * found.standard_error
        changes.append(max(bound, math.log1p(rule.tolerance)) + above)
    return math.expm1(float(np.median(changes)))


def summarize(recording: Mapping[str, Any], rule: Rule, gates: int = 1000) -> dict[str, Any]:
    """All figures of a recording, by planted share and by the most blocks that a gate may take."""
    unchanged = read_blocks(recording, NOTHING_PLANTED)
    null = logs_of(unchanged)
    summary: dict[str, Any] = {
        "tolerance": rule.tolerance,
        "alpha": rule.alpha,
        "case_blocks": int(null.shape[0] * null.shape[1]),
        "cases": list(recording["planted"][NOTHING_PLANTED]),
        "block_sd": [float(sd) for sd in null[:, :, 0].std(axis=1, ddof=1)],
        "within_blocks": within_blocks(unchanged),
        "lag_one": lag_one(null) if null.shape[1] > 3 else [],
        "real_gates": real_gates(null, rule),
        "planted": {},
        "by_blocks": {},
    }
    for share in recording["planted"]:
        recorded = read_blocks(recording, share)
        logs = logs_of(recorded)
        summary["planted"][share] = {
            "blocks": int(logs.shape[1]),
            "measured": math.expm1(float(logs[:, :, 0].mean())),
            **resampled(logs, rule, gates, seed=1, flip=share == NOTHING_PLANTED),
            "rivals": rivals(recorded),
        }
    for planned in (4, 6, 8, 10, 12, 16, 20, 30):
        shorter = Rule(rule.tolerance, planned, rule.alpha)
        row: dict[str, Any] = {"smallest_change": smallest_change(null, planned, shorter)}
        for share in recording["planted"]:
            logs = logs_of(read_blocks(recording, share))
            few = max(1, gates // 4)
            row[share] = resampled(logs, shorter, few, seed=2, flip=share == NOTHING_PLANTED)
        summary["by_blocks"][str(planned)] = row
    return summary
