"""What an hour of a machine costs, which machine a price belongs to, and what its answers cost.

A report belongs to one machine, so one price belongs to a report. Prices have no currency: all of a
project are in the same one.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vitbench.case import SLUG
from vitbench.errors import UserError, near
from vitbench.pyproject import NAME, Pyproject, read_pyproject
from vitbench.report.fields import FIELD, finite
from vitbench.report.hardware import hardware
from vitbench.report.sound import by_vitbench, is_ours

SECONDS_AN_HOUR = 3600.0
OPTION = "--price"
LEAST = 1e-12
"""Money for an hour: what a unit of less would buy is soon no finite number."""
_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*/\s*h")
_KEYS = ("price", "machine")


@dataclass(frozen=True)
class Price:
    """Money for an hour of a machine. `machine` is a glob for the description of the machines that
    it belongs to; None where it belongs to those alone that a user names it for."""

    name: str
    per_hour: float
    origin: str
    machine: str | None = None

    def fits(self, description: str) -> bool:
        """Whether it belongs to a machine. Capital letters do not count."""
        return self.machine is not None and fnmatchcase(description.lower(), self.machine.lower())

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "per_hour": self.per_hour, "origin": self.origin}


def description_of(report: Mapping[str, Any]) -> str:
    """The machine of a report, as prices know it, such as `AMD EPYC 9R14, 2 cores, 2 threads`."""
    return hardware(report.get("machine_info")).name


def read_prices(path: Path | None) -> tuple[Price, ...]:
    """`[tool.vitbench.prices]` of a pyproject.toml; () where there is none.

    Raises UserError, which names the file and the line, for what cannot be meant.
    """
    if path is None or not path.is_file():
        return ()
    read = read_pyproject(path, "prices")
    return tuple(_row(read, name, given) for name, given in read.section("prices").items())


def _row(read: Pyproject, name: str, given: Any) -> Price:
    where = f"{read.place('prices', name)}: the price {name!r}"
    table = given if isinstance(given, dict) else {"price": given}
    for key in table:
        if key not in _KEYS:
            raise UserError(f"{where}: there is no key {key!r}: it may have {', '.join(_KEYS)}")
    if not SLUG.fullmatch(name):
        raise UserError(f"{where}: a name may hold letters, digits, '_', '.' and '-' only")
    machine = table.get("machine")
    if machine is not None and (not isinstance(machine, str) or not machine.strip()):
        raise UserError(f'{where}: machine should be a glob, such as "*EPYC 9R14*, 2 cores*"')
    return Price(name, _amount(table.get("price"), where), NAME, machine)


def _amount(given: Any, where: str) -> float:
    match = _AMOUNT.fullmatch(given.strip()) if isinstance(given, str) else None
    value = float(match["number"]) if match else 0.0
    if not LEAST <= value < math.inf:
        raise UserError(
            f'{where}: {given!r} is no price: write a number of {LEAST:g} or more, such as "0.09/h"'
        )
    return value


def chosen_price(text: str | None, table: Sequence[Price], description: str) -> Price | None:
    """The price of a machine: what a user names, else the one of the table that belongs to it.

    `text` is a NAME of the table, or NAME:AMOUNT/h. Raises UserError for another text, and where
    several prices of the table belong to the machine.
    """
    if text is not None:
        return _named(text.strip(), table)
    fitting = [price for price in table if price.fits(description)]
    if len(fitting) > 1:
        names = " and ".join(price.name for price in fitting)
        raise UserError(
            f"{NAME}: the prices {names} both belong to {description}: let one `machine` of "
            f"[tool.vitbench.prices] match, or choose with {OPTION}=NAME"
        )
    return fitting[0] if fitting else None


def _named(text: str, table: Sequence[Price]) -> Price:
    name, colon, amount = text.partition(":")
    if not SLUG.fullmatch(name):
        raise UserError(f"{OPTION}={text}: give NAME:AMOUNT/h, such as c7a.large:0.09/h")
    if colon:
        return Price(name, _amount(amount, f"{OPTION}={text}"), OPTION)
    for price in table:
        if price.name == name:
            return price
    known = [price.name for price in table]
    words = near(name, known) if known else f"{NAME} has no [tool.vitbench.prices]"
    raise UserError(f"{OPTION}={text}: no such price: {words}; or give NAME:AMOUNT/h")


def no_price(table: Sequence[Price], description: str, option: str = OPTION) -> str:
    """What to do where a machine has no price, as the end of a sentence. `option` is what comes
    before the price on the command line."""
    known = f"none of {', '.join(price.name for price in table)}" if table else "no price"
    return (
        f"{known} belongs to {description}: give {option}=NAME:AMOUNT/h, or write in {NAME} "
        f'[tool.vitbench.prices] NAME = {{ price = "AMOUNT/h", machine = "{_glob(description)}" }}'
    )


def _glob(description: str) -> str:
    """A glob that matches this description and those that have more behind it."""
    return f"{re.sub(r'[*?[]', '?', description).replace(chr(34), '?')}*"


def priced(report: Mapping[str, Any], price: Price | None) -> dict[str, Any]:
    """The report with the price, and with what a unit of money buys in every benchmark that says
    how many a second there are. It is as it was where there is no price."""
    if price is None or not (by_vitbench(report) and "vitbench" in report):
        return dict(report)
    benchmarks = [_bought(each, price) if is_ours(each) else each for each in report["benchmarks"]]
    about = {**report["vitbench"], "price": price.to_json()}
    return {**report, "benchmarks": benchmarks, "vitbench": about}


def _bought(benchmark: Mapping[str, Any], price: Price) -> dict[str, Any]:
    extra, group = benchmark["extra_info"], str(benchmark["group"])
    if extra["artifact"].get("server"):
        return dict(benchmark)  # its machine is another one, or not paid for by this report alone
    bought: dict[str, float] = {}
    if (images := FIELD["throughput"].found({group: benchmark})[0]) > 0:
        bought["images_per_unit"] = images * SECONDS_AN_HOUR / price.per_hour
    if finite(rate := extra.get("server_rate")):  # 0 where none keeps the latency bound
        bought["requests_per_unit"] = rate * SECONDS_AN_HOUR / price.per_hour
    if not bought:
        return dict(benchmark)
    priced_extra = {**extra, "price": {"per_hour": price.per_hour, **bought}}
    return {**benchmark, "extra_info": priced_extra}
