"""Loads the fixture modules, nothing else."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.cases",
    "fixtures.measuring",
    "fixtures.recording",
]
