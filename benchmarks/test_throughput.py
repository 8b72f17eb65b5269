"""Images per second at several batch sizes, in pairs with the model's reference."""

from vitbench.benchmarks.test_throughput import *  # noqa: F403
