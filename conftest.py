"""Loads the plugin where vitbench is not installed, nothing else."""

pytest_plugins = ["vitbench.plugin"]
