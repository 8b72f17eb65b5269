"""How often change points are false, and how soon a true one is found, by simulation.

    python -m tests.fidelity.change_points_rates [--series N] [--otava]

Every series is looked at after each of its runs. Otava's defaults are run beside it where
the package apache-otava is importable. Standard errors stand in brackets.
"""

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vitbench.history.version_groups import version_groups
from vitbench.stats.change_points import change_points
from vitbench.stats.change_rules import first_alarms

CV = 0.02
NULLS = (100, 200, 500)
CORRELATIONS = (0.0, 0.25, 0.5)
FLAT = 10
# Series looked at together: what fits a cache.
TOGETHER = 500

Floats = NDArray[np.float64]


def noises(generator: np.random.Generator, series: int, n: int, correlation: float) -> Floats:
    """AR(1) series (series, n) of standard deviation CV, stationary from the first value on."""
    values = generator.standard_normal((series, n))
    for index in range(1, n):
        values[:, index] *= math.sqrt(1 - correlation**2)
        values[:, index] += correlation * values[:, index - 1]
    return CV * values


def first_told(values: Floats) -> NDArray[np.intp]:
    """Of each series (m, n), the runs seen when its first change was told, 0 where none was."""
    parts = np.array_split(values, max(1, len(values) // TOGETHER))
    return np.concatenate([first_alarms(part)[0] for part in parts])


def false_rates(correlation: float, series: int, runs: Sequence[int] = NULLS, seed: int = 1
                ) -> dict[int, float]:  # fmt: skip
    """By number of runs, the share of null series in which a change was told at any look."""
    values = noises(np.random.default_rng(seed), series, max(runs), correlation)
    told = first_told(values)
    return {n: float(np.mean((told > 0) & (told <= n))) for n in runs}


def false_rate(n: int, correlation: float, series: int, find: Callable, seed: int = 1) -> float:
    """Share of null series of n runs in which `find` finds a change, looking once, at the end."""
    values = noises(np.random.default_rng(seed), series, n, correlation)
    return sum(bool(find(one)) for one in values) / series


def found_rate(
    before: int, step: float, correlation: float, series: int, runs: int = 5, seed: int = 2
) -> float:
    """Share of series in which a step after `before` runs is told by `runs` runs after it."""
    values = noises(np.random.default_rng(seed), series, before + runs, correlation)
    values[:, before:] += math.log1p(step)
    return float(np.mean(first_told(values) > before))


def creeping(
    runs: int, step: float, correlation: float, series: int, flat: int = FLAT, seed: int = 3
) -> Floats:
    """Series (series, flat + runs) that take `step` more at each run after the flat start."""
    values = noises(np.random.default_rng(seed), series, flat + runs, correlation)
    values[:, flat:] += math.log1p(step) * np.arange(1, runs + 1)
    return values


def creep_rates(values: Floats, flat: int = FLAT) -> tuple[float, float, float, float]:
    """Of creeping series: the share with a change told, with exactly one and that gradual, the
    median number of runs after the flat start at which it was told, and the median size of the
    change reported over the true one (the last five values' mean)."""
    found = [change_points(one) for one in values]
    told = [each[0].detected + 1 - flat for each in found if each]
    single = [each[0] for each in found if len(each) == 1 and each[0].gradual]
    truth = float(np.median(values[:, -5:].mean(axis=1)))
    return (
        len(told) / len(values), len(single) / len(values),
        float(np.median(told)) if told else math.nan,
        float(np.median([each.size for each in single])) / truth if single else math.nan,
    )  # fmt: skip


def called_gradual(before: int, after: int, step: float, correlation: float, series: int,
                   seed: int = 4) -> float:  # fmt: skip
    """The share of true steps that were told, and called gradual."""
    values = noises(np.random.default_rng(seed), series, before + after, correlation)
    values[:, before:] += math.log1p(step)
    found = [each for one in values if (each := change_points(one))]
    return sum(any(change.gradual for change in each) for each in found) / max(1, len(found))


def alternating_rates(
    runs: int, at: int, step: float, apart: float, series: int, seed: int = 5
) -> tuple[float, float, float, float]:
    """Of series whose two versions take turns, the second `apart` slower, and which a commit slows
    by `step` from run `at` on: the share in which each version's own series tells it, in which one
    of them does, in which anything is blamed on the versions; and that by one series of both."""
    values = noises(np.random.default_rng(seed), series, runs, 0.0)
    values[:, 1::2] += math.log1p(apart)
    values[:, at:] += math.log1p(step)
    versions = [("2.12.1", "2.13.0")[run % 2] for run in range(runs)]
    turns = [lane.members for lane in version_groups([{"torch": version} for version in versions])]
    counts = np.zeros(4)
    for one in values:
        found = [[lane[x.at] for x in change_points(one[list(lane)])] for lane in turns]
        told = [any(abs(run - at) <= 8 for run in each) for each in found]
        counts[:2] += all(told), any(told)
        blamed = (
            versions[lane[x.at]] != versions[lane[x.at - 1]]
            for lane in turns for x in change_points(one[list(lane)])
        )  # fmt: skip
        counts[2] += any(blamed)
        counts[3] += any(versions[x.at] != versions[x.at - 1] for x in change_points(one))
    each, either, wrong, joint = counts / series
    return each, either, wrong, joint


def report_alternating(series: int) -> None:
    for runs in (60, 100, 200):
        for step, apart in ((0.1, 0.0), (0.1, 0.1), (0.0, 0.1)):
            each, either, wrong, joint = alternating_rates(runs, runs * 3 // 5, step, apart, series)
            print(
                f"two versions in turns, {runs} runs, {apart:.0%} apart, +{step:.0%} at a commit: "
                f"told by each {each:.1%}, by one {either:.1%}, blamed on the versions {wrong:.1%} "
                f"(as one series {joint:.1%})",
                flush=True,
            )


def otava(values: Floats) -> Sequence[object]:
    """What Otava's defaults (window 50, p 0.001, no least magnitude) find in the whole series."""
    from otava.analysis import TTestSignificanceTester  # noqa: F401 - its absence is the reason
    from otava.series import AnalysisOptions, Metric, Series

    count = len(values)
    series = Series(
        "null", None, list(range(count)), {"a": Metric(1, 1.0)}, {"a": list(np.exp(values))}, {}
    )
    return series.analyze(AnalysisOptions()).change_points["a"]


def share(value: float, series: int) -> str:
    return f"{value:.2%} ({math.sqrt(value * (1 - value) / series):.2%})"


def report_creep(series: int) -> None:
    for correlation in CORRELATIONS:
        for runs in (20, 30, 80):
            told, single, when, size = creep_rates(creeping(runs, 0.01, correlation, series))
            print(
                f"1 % a run for {runs} runs, AR(1) {correlation}: {share(told, series)} told, at "
                f"run {when:.0f} of them (median), {share(single, series)} as one gradual change, "
                f"of {size:.2f} of its size",
                flush=True,
            )
        for after in (5, 20, 100):
            rate = called_gradual(100, after, 0.1, correlation, series)
            print(
                f"+10 % after 100 runs, {after} runs after it, AR(1) {correlation}: "
                f"{share(rate, series)} called gradual",
                flush=True,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10000)
    parser.add_argument("--otava", action="store_true", help="also Otava's defaults")
    chosen = parser.parse_args(arguments)
    some = max(1, chosen.series // 10)
    for correlation in CORRELATIONS:
        for n, rate in false_rates(correlation, chosen.series).items():
            where = f"null, {n} runs, AR(1) {correlation}"
            print(f"{where}: {share(rate, chosen.series)} with a false change", flush=True)
    for step in (0.05, 0.1):
        for correlation in CORRELATIONS:
            for before in (20, 30, 50, 100, 200):
                for runs in (5, 10, 20):
                    rate = found_rate(before, step, correlation, some, runs)
                    print(
                        f"+{step:.0%} after {before} runs, AR(1) {correlation}: "
                        f"{share(rate, some)} told within {runs} runs",
                        flush=True,
                    )
    report_creep(max(1, chosen.series // 40))
    report_alternating(200)
    if chosen.otava:
        for n in (100, 200):
            for correlation in CORRELATIONS:
                rate = false_rate(n, correlation, min(300, chosen.series), otava)
                print(
                    f"Otava's defaults, AR(1) {correlation}: {rate:.1%} false in {n} runs, one look"
                )


if __name__ == "__main__":
    main()
