"""Requests a second within a latency bound, in the best arrangement. Runs where it is asked for."""

from vitbench.benchmarks.test_load import *  # noqa: F403
