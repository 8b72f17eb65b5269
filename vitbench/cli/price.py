"""`--price` of a command that reads a report."""

import argparse
from pathlib import Path
from typing import Any

METAVAR = "NAME[:AMOUNT/h]"


def add_price(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--price",
        metavar=METAVAR,
        help="what an hour of the report's machine costs; NAME alone is one of "
        "[tool.vitbench.prices] (default: the one of that table that belongs to the machine, else "
        "what the run was given)",
    )


def with_price(report: dict[str, Any], text: str | None, start: Path) -> dict[str, Any]:
    """The report with the price that a user names, or that the project of the folder `start` has
    for its machine; else as it was stored. Raises UserError for a price that cannot be meant."""
    from vitbench.pyproject import find_pyproject
    from vitbench.report.prices import chosen_price, description_of, priced, read_prices

    table = read_prices(find_pyproject(start))
    return priced(report, chosen_price(text, table, description_of(report)))


def why_unpriced(report: dict[str, Any], start: Path) -> str | None:
    """What to do where a report has no price; None where it has one."""
    from vitbench.pyproject import find_pyproject
    from vitbench.report.prices import description_of, no_price, read_prices

    if report.get("vitbench", {}).get("price"):
        return None
    return no_price(read_prices(find_pyproject(start)), description_of(report))
