"""What a run begins with: a line on each thing that its figures depend on."""

import pytest

from vitbench.environment import untested_system
from vitbench.plugin import against, cases, neighbours, price
from vitbench.plugin.names import short_names

WRITTEN = pytest.StashKey[bool]()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Only of the process that starts xdist's workers: the plugin is active that early there."""
    return lines(config)


@pytest.hookimpl(trylast=True)  # which is the first that pytest writes
def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    return [] if WRITTEN in config.stash else lines(config)


def lines(config: pytest.Config) -> list[str]:
    """The lines; none where the user wants no header. Raises pytest.UsageError for a bad option."""
    config.stash[WRITTEN] = True
    found = [words for words in (untested_system(), short_names(config).words) if words]
    for module in (cases, price, against, neighbours):
        found += module.header(config)
    return [] if config.option.no_header or config.get_verbosity() < 0 else found
