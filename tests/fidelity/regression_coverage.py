"""How often the upper bound of a regression's error covers the truth, simulated.

    python -m tests.fidelity.regression_coverage --series 4000

Prints a row for each number of photographs, and a column for each spread of the size of errors from
photograph to photograph: 0 (all alike), a factor of e^0.5, a factor of e (standard deviations of
the logarithm).
"""

import argparse
import math

import numpy as np

from vitbench.stats.intervals import error_upper

PHOTOGRAPHS = (20, 50, 100)
SPREADS = (0.0, 0.5, 1.0)


def coverage(photographs: int, spread: float, series: int, seed: int = 0) -> float:
    """The share of `series` samples whose bound is at least the true error.

    Errors are normal, of mean 0, times a log-normal size whose logarithm has the standard deviation
    `spread`; the reference's values are standard normal. The true error is the square root of the
    ratio of both expectations.
    """
    draw = np.random.default_rng(seed)
    truth, names = 0.1 * math.exp(spread**2), [str(n) for n in range(photographs)]
    covered = 0
    for _ in range(series):
        sizes = 0.1 * np.exp(spread * draw.standard_normal(photographs))
        deltas = np.square(sizes * draw.standard_normal(photographs))
        spreads = np.square(draw.standard_normal(photographs))
        covered += error_upper(deltas, spreads, names) >= truth
    return covered / series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=4000)
    series = parser.parse_args().series
    print("photographs", *(f"e^{spread:g}" for spread in SPREADS), sep="  ")
    for photographs in PHOTOGRAPHS:
        shares = (coverage(photographs, spread, series) for spread in SPREADS)
        print(f"{photographs:11d}", *(f"{share:.1%}" for share in shares), sep="  ")


if __name__ == "__main__":
    main()
