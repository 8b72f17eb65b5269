"""What recorded blocks say of the gate itself: how often it is wrong, and what it can see.

A recording is JSON: `{"planted": {SHARE: {CASE: [block, ...]}}}`, with a block's seconds by arm
(`duet.Block`) and SHARE the slowdown that was planted into head, "0" for none. Blocks with one
index were played together, so that what disturbed one case disturbed its neighbours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.duet.rule import Block, Rule, states_of
from vitbench.stats.intervals import clopper_pearson
from vitbench.stats.sequential import Blocks

NOTHING_PLANTED = "0"
CONFIDENCE = 0.95
POWER = 0.80

Recorded = Mapping[str, Sequence[Block]]
Logs = NDArray[np.float64]
"""(cases, blocks, 2): the change of head and of the null arm, log ratios."""


def read_blocks(recording: Mapping[str, Any], share: str) -> dict[str, list[Block]]:
    """The blocks of each case with so much planted."""
    cases = recording["planted"].get(share, {})
    return {case: [Block(**block) for block in blocks] for case, blocks in cases.items()}


def logs_of(recorded: Recorded) -> Logs:
    """Both log ratios of every block, cut to the blocks that all cases have."""
    length = min(len(blocks) for blocks in recorded.values())
    return np.array(
        [[(b.change, b.null_change) for b in blocks[:length]] for blocks in recorded.values()]
    )


def gate(logs: Logs, rule: Rule) -> tuple[list[str], int]:
    """The states of the cases when a gate over these blocks ends, and the blocks it took.

    A decided case is measured no more, as in a duet.
    """
    states, used = ["INCONCLUSIVE"] * len(logs), [0] * len(logs)
    looks = min(logs.shape[1], rule.planned)
    for look in range(1, looks + 1):
        for case, state in enumerate(states):
            if state == "INCONCLUSIVE":
                used[case] = look
        changes, nulls = (
            {str(case): Blocks.of(logs[case, : used[case], arm]) for case in range(len(logs))}
            for arm in (0, 1)
        )
        found = states_of(changes, nulls, rule)
        states = [
            found[str(case)][0] if state == "INCONCLUSIVE" else state
            for case, state in enumerate(states)
        ]
        if "INCONCLUSIVE" not in states:
            return states, look
    return states, looks


def resampled(logs: Logs, rule: Rule, gates: int, seed: int, flip: bool) -> dict[str, float]:
    """Shares over `gates` gates of whole blocks drawn with replacement.

    With `flip`, each drawn block has its signs turned with probability 1/2, for all cases
    together: where nothing changed, a block and its mirror image are equally likely.
    """
    random = np.random.default_rng(seed)
    failed = undecided = blocks = 0
    seen = np.zeros(len(logs))
    for _ in range(gates):
        drawn = logs[:, random.integers(0, logs.shape[1], rule.planned)]
        if flip:
            drawn = drawn * random.choice([-1.0, 1.0], (1, rule.planned, 1))
        states, used = gate(drawn, rule)
        slower = np.array([state == "SLOWER" for state in states])
        failed += bool(slower.any())
        undecided += "INCONCLUSIVE" in states
        seen += slower
        blocks += used
    return {
        "gates": gates,
        "failed": failed / gates,
        "inconclusive": undecided / gates,
        "slower_per_case": float(seen.mean()) / gates,
        "blocks_used": blocks / gates,
    }


def real_gates(logs: Logs, rule: Rule) -> dict[str, float]:
    """Gates over the blocks as they came, one after the other, none used twice.

    `bound` is the one-sided 95 % Clopper-Pearson bound on the share of failed gates. A gate that
    the recording ends before it has decided does not count.
    """
    start = count = failed = 0
    while start < logs.shape[1]:
        states, used = gate(logs[:, start : start + rule.planned], rule)
        start += used
        if "INCONCLUSIVE" in states and used < rule.planned:
            break
        count += 1
        failed += "SLOWER" in states
    bound = clopper_pearson(failed, count, CONFIDENCE)[1] if count else 1.0
    return {"gates": count, "failed": failed, "bound": bound}


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


def rivals(recorded: Recorded) -> dict[str, float]:
    """How often the usual rules would fail a suite of these cases, one run against one run.

    Head's process of a block against base's: the same rounds, judged otherwise.
    """
    length = min(len(blocks) for blocks in recorded.values())
    found = {}
    for name, fails in RIVALS.items():
        failed = sum(
            any(fails(np.array(blocks[at].base), np.array(blocks[at].head), len(recorded))
                for blocks in recorded.values())
            for at in range(length)
        )  # fmt: skip
        found[name] = failed / length
    return found


def _welch(base: NDArray[np.float64], head: NDArray[np.float64], cases: int) -> bool:
    from scipy.stats import ttest_ind

    p = ttest_ind(head, base, equal_var=False, alternative="greater").pvalue
    return bool(p < 0.01 / cases)


RIVALS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64], int], bool]] = {
    "mean:5%": lambda base, head, _: bool(head.mean() > 1.05 * base.mean()),
    "median:10%": lambda base, head, _: bool(np.median(head) > 1.10 * np.median(base)),
    "Welch on rounds, 1 % by Bonferroni": _welch,
}


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
