"""Gates made of recorded blocks: how often a gate is wrong, beside the usual rules."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from vitbench.duet.aa.recording import Logs, Recorded
from vitbench.duet.rule import Rule, states_of
from vitbench.stats.intervals import CONFIDENCE, clopper_pearson
from vitbench.stats.sequential import Blocks


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


def rivals(recorded: Recorded) -> dict[str, float]:
    """How often the usual rules would fail a suite of these cases, one run against one run.

    Head's process of a block against base's: the same rounds, judged otherwise.
    """
    length = min(len(blocks) for blocks in recorded.values())
    found = {}
    for name, fails in RIVALS.items():
        failed = sum(
            any(
                fails(np.array(blocks[at].base), np.array(blocks[at].head), len(recorded))
                for blocks in recorded.values()
            )
            for at in range(length)
        )
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
