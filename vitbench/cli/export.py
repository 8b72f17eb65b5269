"""`vitbench export`: hand over the file that was verified."""

import argparse
import sys
from pathlib import Path
from typing import Any

from vitbench.cli.codes import BROKEN, OK, USAGE
from vitbench.cli.options import EXPORT
from vitbench.cli.parsing import add
from vitbench.cli.session import session_of
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
from vitbench.runtimes import VARIANTS, variant
from vitbench.runtimes.catalogue import no_variant


def register(commands: Any) -> None:
    export = commands.add_parser(EXPORT, help="hand over the file that was verified")
    export.add_argument("variant", metavar="VARIANT", help="which variant, by its whole name")
    add(export, EXPORT)
    export.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR",
        help="the folder in which the export gets a folder of its own",
    )  # fmt: skip
    export.set_defaults(run=export_variant)


def export_variant(chosen: argparse.Namespace) -> int:
    """Copies the verified artifact and its manifest. Refuses one whose limits are BROKEN."""
    from vitbench.build.export import export
    from vitbench.case import Case
    from vitbench.show.table import partly_quantized

    if chosen.variant not in {row.name for row in VARIANTS}:
        raise UserError(f"{chosen.variant}: {no_variant(chosen.variant)}")
    session, code = session_of(EXPORT, chosen), OK
    for spec in session.options.models:
        case = Case(spec.name, chosen.variant, "cpu", 1)
        try:
            verification = session.verify(case)
        except UserError:
            raise
        except Exception as failure:  # of one model: the others go on
            meant = isinstance(failure, Unavailable | WorkerFailed)
            words = str(failure) if meant else with_kind(failure)
            print(f"vitbench: error: {case.id} is not exported: {words}", file=sys.stderr)
            code = USAGE if meant else code or BROKEN
            continue
        for remark in session.inputs.remarks(spec.name):
            print(remark)
        print(verification.agreement.sentence)
        if verification.agreement.state == "BROKEN":
            print(f"{case.id} is not exported", file=sys.stderr)
            code = code or BROKEN
            continue
        artifact, recipe = session.artifact(case), variant(case.variant)
        calibration = session.inputs.calibrated(spec.name) if recipe.calibrated else None
        if calibration:
            print(calibration["sentence"])
        file = export(
            session.model(spec.name),
            recipe,
            artifact,
            verification.agreement.to_json(),
            chosen.output,
            calibration,
        )
        if said := partly_quantized(artifact.layers):
            print(said)
        print("wrote", *sorted(map(str, file.parent.iterdir())))
    return code
