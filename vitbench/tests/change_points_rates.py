"""How often change points are false, and how soon a true one is found, by simulation.

    python -m vitbench.tests.change_points_rates [--series N] [--otava]

Every series is looked at after each of its runs. Otava's defaults are run beside it where
the package apache-otava is importable.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from vitbench.judge.changes import changes

CV = 0.02


def noise(generator: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    """AR(1) values (n,) of standard deviation CV, stationary from the first on."""
    values = generator.standard_normal(n)
    for index in range(1, n):
        values[index] *= np.sqrt(1 - correlation**2)
        values[index] += correlation * values[index - 1]
    return CV * values


def false_rate(n: int, correlation: float, series: int, find: Callable, seed: int = 1) -> float:
    """Share of null series of n runs in which a change was told at any look."""
    generator = np.random.default_rng(seed)
    return sum(bool(find(noise(generator, n, correlation))) for _ in range(series)) / series


def found_rate(
    before: int, step: float, correlation: float, series: int, runs: int = 5, seed: int = 2
) -> float:
    """Share of series in which a step after `before` runs is told by `runs` runs after it."""
    generator, found = np.random.default_rng(seed), 0
    for _ in range(series):
        values = noise(generator, before + runs, correlation)
        values[before:] += np.log1p(step)
        found += any(abs(change.at - before) <= runs for change in changes(values))
    return found / series


def otava(values: np.ndarray) -> Sequence[object]:
    """What Otava's defaults (window 50, p 0.001, no least magnitude) find in the whole series."""
    from otava.analysis import TTestSignificanceTester  # noqa: F401 - its absence is the reason
    from otava.series import AnalysisOptions, Metric, Series

    count = len(values)
    series = Series(
        "null", None, list(range(count)), {"a": Metric(1, 1.0)}, {"a": list(np.exp(values))}, {}
    )
    return series.analyze(AnalysisOptions()).change_points["a"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=3000)
    parser.add_argument("--otava", action="store_true", help="also Otava's defaults")
    chosen = parser.parse_args(arguments)
    for n in (100, 200, 500):
        for correlation in (0.0, 0.25, 0.5):
            rate = false_rate(n, correlation, chosen.series, changes)
            print(
                f"null, {n} runs, AR(1) {correlation}: {rate:.2%} of series with a false change",
                flush=True,
            )
    for correlation in (0.0, 0.25, 0.5):
        for before in (20, 30, 50, 100, 200):
            for runs in (5, 10, 20):
                rate = found_rate(before, 0.05, correlation, chosen.series // 3, runs)
                where = f"+5 % after {before} runs, AR(1) {correlation}"
                print(f"{where}: {rate:.1%} told within {runs} runs", flush=True)
    if chosen.otava:
        for n in (100, 200):
            for correlation in (0.0, 0.25, 0.5):
                rate = false_rate(n, correlation, min(300, chosen.series), otava)
                print(
                    f"Otava's defaults, AR(1) {correlation}: {rate:.1%} false in {n} runs, one look"
                )


if __name__ == "__main__":
    main()
