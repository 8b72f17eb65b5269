"""Loads the fixture modules, nothing else."""

pytest_plugins = [
    "vitbench.plugin.names",
    "vitbench.plugin.options",
    "vitbench.plugin.cases",
    "vitbench.plugin.neighbours",
    "vitbench.plugin.selecting",
    "vitbench.plugin.recording",
    "vitbench.plugin.run",
    "vitbench.plugin.counting",
    "vitbench.plugin.failing",
    "vitbench.plugin.measuring",
    "vitbench.plugin.contracts",
    "vitbench.plugin.against",
]
