"""What an hour of this machine costs: the price of a run, checked before anything is timed."""

import pytest

from vitbench import environment
from vitbench.errors import UserError
from vitbench.plugin.names import given
from vitbench.plugin.options import session_of
from vitbench.pyproject import NAME
from vitbench.report.prices import Price, chosen_price, description_of, no_price, read_prices

PRICE = pytest.StashKey[Price | None]()


def price_of(config: pytest.Config) -> Price | None:
    """The price of this machine: of `--price`, else of the project's table; None where it has none.

    Raises UserError for one that cannot be meant.
    """
    if PRICE not in config.stash:
        table = read_prices(config.rootpath / NAME)
        text = given(config).price
        here = _here(config) if table and text is None else ""
        config.stash[PRICE] = chosen_price(text, table, here)
    return config.stash[PRICE]


def header(config: pytest.Config) -> list[str]:
    """A line on the price; none where the project has no prices. Raises pytest.UsageError."""
    try:
        price, table = price_of(config), read_prices(config.rootpath / NAME)
    except UserError as error:
        raise pytest.UsageError(str(error)) from error
    if price is not None:
        return [f"vitbench: price: {price.name} costs {price.per_hour:g} an hour ({price.origin})"]
    return [f"vitbench: no price: {no_price(table, _here(config))}"] if table else []


def _here(config: pytest.Config) -> str:
    """This machine as a report describes it."""
    about = environment.describe(session_of(config).options.threads, {})
    return description_of({"machine_info": {"vitbench": about}})
