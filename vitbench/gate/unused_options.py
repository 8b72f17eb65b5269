"""Which options of a gate mean nothing beside the others: what was asked and does not happen."""

from collections.abc import Mapping, Sequence

OF_HISTORY = ("--history", "--uncompared-days")
OF_BASELINES = "--baselines"


def unused_options(given: Mapping[str, bool], baseline: str | None) -> list[str]:
    """A line on the options that were given (True) and are not used. `baseline`: what --baseline
    says, or is taken to say; None where nothing is compared."""
    if baseline is None:
        idle, why = list(given), "the gate compares with no baseline: give --baseline too"
    elif baseline == "latest" or baseline.startswith("median:"):
        return []
    else:
        idle = [name for name in given if name in OF_HISTORY]
        idle += [OF_BASELINES] * (baseline != "accepted")
        why = f"--baseline={baseline} does not use {'it' if _one(given, idle) else 'them'}"
    unused = [name for name in idle if given.get(name)]
    verb = "has" if len(unused) == 1 else "have"
    return [f"{' and '.join(unused)} {verb} no effect: {why}"] if unused else []


def _one(given: Mapping[str, bool], names: Sequence[str]) -> bool:
    return sum(given.get(name, False) for name in names) == 1
