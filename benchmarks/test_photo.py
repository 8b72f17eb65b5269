"""Seconds from the bytes of a photograph to the answer. Runs where this file is named."""

from vitbench.benchmarks.test_photo import *  # noqa: F403
