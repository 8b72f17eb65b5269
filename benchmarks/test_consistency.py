"""Whether each case predicts what the reference predicts. Nothing is timed: runs under -n too."""

from vitbench.benchmarks.test_consistency import *  # noqa: F403
