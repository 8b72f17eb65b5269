"""Loads the fixture modules, nothing else."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.cases",
    "fixtures.neighbours",
    "fixtures.selecting",
    "fixtures.recording",
    "fixtures.run",
    "fixtures.counting",
    "fixtures.failing",
    "fixtures.measuring",
    "fixtures.promising",
    "fixtures.against",
]
