"""The suite: what is measured, not how. `pytest --pyargs vitbench.benchmarks` runs it."""
