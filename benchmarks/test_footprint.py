"""Size on disk, time to load and to answer first, and peak memory, in a fresh process each."""

from vitbench.benchmarks.test_footprint import *  # noqa: F403
