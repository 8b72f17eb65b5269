"""The options and cases that `vitbench duet` and `vitbench aa-run` name."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitbench.cli.session import session_of
from vitbench.runtimes.catalogue import cases, of_a_tree

if TYPE_CHECKING:
    from vitbench.case import Case
    from vitbench.measure.options import Options


def chosen_cases(
    command: str, chosen: argparse.Namespace, variants: Sequence[str] = ()
) -> "tuple[Options, list[Case]]":
    """What to run, and how; `variants` where the command line names none."""
    session = session_of(command, chosen)
    options = session.options
    names = [spec.name for spec in options.models]
    rows = session.catalogue.select(options.variants or variants, options.reference, names)
    rows = of_a_tree(rows, options.variants)
    return options, cases(names, rows, ("cpu",), options.batches or (1,))
