"""`--price` of a command that reads reports."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitbench.cli.latest import named
from vitbench.errors import UserError

METAVAR = "NAME[:AMOUNT/h]"
DEFAULT = (
    "NAME alone is one of [tool.vitbench.prices] (default: the one of that table that belongs to "
    "the machine, else what the run was given)"
)


def add_price(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--price",
        metavar=METAVAR,
        help=f"what an hour of the report's machine costs; {DEFAULT}",
    )


def add_prices(command: argparse.ArgumentParser) -> None:
    """Of a command that takes several reports."""
    command.add_argument(
        "--price",
        action="append",
        default=[],
        metavar=f"[REPORT=]{METAVAR}",
        help="what an hour of a report's machine costs, once for each report, which is named if "
        f"there are several; {DEFAULT}",
    )


def prices_by_report(
    given: Sequence[str], reports: Sequence[Path | None]
) -> dict[Path | None, str]:
    """The price that a user names for each of the `reports`, as the command line names both.

    Raises UserError for a price that does not say which of several it is for, or names another one,
    and for two of one report.
    """
    found: dict[Path | None, str] = {}
    for text in given:
        report, _, price = text.rpartition("=")
        if not report.strip() and len(reports) > 1:
            raise UserError(
                f"--price={text}: there are {len(reports)} reports: name the one whose machine "
                f"costs that, such as --price={_word(reports[0])}={price}"
            )
        named_report = named(report) if report.strip() else reports[0]
        if named_report not in reports:
            known = ", ".join(map(_word, reports))
            raise UserError(f"--price={text}: {report} is no report of this command: {known}")
        if named_report in found:
            raise UserError(
                f"--price={text}: {_word(named_report)} has a price already: "
                f"{found[named_report]}: leave one out"
            )
        found[named_report] = price
    return found


def _word(report: Path | None) -> str:
    return "latest" if report is None else str(report)


def with_price(report: dict[str, Any], text: str | None, start: Path) -> dict[str, Any]:
    """The report with the price that a user names, or that the project of the folder `start` has
    for its machine; else as it was stored. Raises UserError for a price that cannot be meant."""
    from vitbench.pyproject import find_pyproject
    from vitbench.report.prices import chosen_price, description_of, priced, read_prices

    table = read_prices(find_pyproject(start))
    return priced(report, chosen_price(text, table, description_of(report)))


def why_unpriced(report: dict[str, Any], start: Path, name: str = "") -> str | None:
    """What to do where a report has no price; None where it has one. `name`: of the report, where
    there are others."""
    from vitbench.pyproject import find_pyproject
    from vitbench.report.prices import OPTION, description_of, no_price, read_prices

    if "vitbench" not in report:
        return "the report says nothing of its run, as those of vitbench do: no price belongs to it"
    if report["vitbench"].get("price"):
        return None
    option = f"{OPTION}={name}" if name else OPTION
    return no_price(read_prices(find_pyproject(start)), description_of(report), option)
