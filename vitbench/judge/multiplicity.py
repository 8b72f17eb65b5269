"""Several tests at one error rate, and the exact test of two sets of predictions."""

from collections.abc import Mapping

__all__ = ["holm", "mcnemar_exact"]


def holm(p_values: Mapping[str, float], alpha: float) -> list[str]:
    """The names whose hypothesis is rejected, the smallest p first, at one error rate for all.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    found: list[str] = []
    for name in sorted(p_values, key=lambda each: p_values[each]):
        if p_values[name] > alpha / (len(p_values) - len(found)):
            break
        found.append(name)
    return found


def mcnemar_exact(lost: int, won: int) -> float:
    """One-sided p of having lost so many, where losses and wins are equally likely; 1 for no loss.

    Of images that both sides got right or both got wrong nothing is learnt. Images of one
    photograph are taken as independent: unchanged code predicts the same on all of them, so they
    cannot raise a false alarm, but a change that flips one photograph counts it more than once.
    Source: McNemar, Psychometrika 12 (1947); exact by the binomial distribution.
    """
    from scipy.special import bdtr

    return float(bdtr(won, lost + won, 0.5)) if lost else 1.0
