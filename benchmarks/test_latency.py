"""Seconds of one call on one image, in pairs with the model's reference."""

from vitbench.benchmarks.test_latency import *  # noqa: F403
