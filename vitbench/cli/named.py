"""The baseline and the contracts that the options of `vitbench gate` name."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.gate.baseline import Baseline
    from vitbench.judge.contracts import Contract


def named_contracts(path: Path | None) -> tuple["Contract", ...]:
    """The contracts of a project's file. Raises UserError where it has none."""
    from vitbench.judge.contracts import read_contracts

    contracts = read_contracts(path) if path else ()
    if path and not contracts:
        raise UserError(
            f"{path}: it has no [tool.vitbench.contracts]: write into it what must "
            "hold (docs/gate.md, Contracts of a project), or leave --contracts out"
        )
    return contracts


def named_baseline(
    chosen: argparse.Namespace, report: Mapping[str, Any], renames: Mapping[str, str]
) -> "Baseline":
    from vitbench.gate.baseline import accepted_baseline, named_baseline
    from vitbench.gate.history_baseline import from_history

    wanted = chosen.baseline or "accepted"
    if wanted == "accepted":
        return accepted_baseline(report, str(chosen.report), chosen.baselines, renames)
    if wanted == "latest":
        return from_history(report, chosen.report, chosen.history, 1, renames, chosen.baselines)
    if wanted.startswith("median:"):
        if not re.fullmatch(r"median:[1-9]\d{0,3}", wanted):
            raise UserError(f"--baseline={wanted}: give a number of reports, such as median:10")
        count = int(wanted[7:])
        return from_history(report, chosen.report, chosen.history, count, renames, chosen.baselines)
    if not Path(wanted).exists():
        raise UserError(
            f"--baseline={wanted}: no such file: give a report, accepted, latest or median:10"
        )
    return named_baseline(report, chosen.report, Path(wanted), renames)
