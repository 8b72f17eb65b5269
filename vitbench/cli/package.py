"""`vitbench package`: hand over the file that was verified."""

import argparse
import json
import sys
from typing import Any

from vitbench.cli.codes import BROKEN, OK, USAGE
from vitbench.cli.options import PACKAGE
from vitbench.cli.parsing import add, path_of
from vitbench.cli.session import session_of
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
from vitbench.runtimes.catalogue import strange


def register(commands: Any) -> None:
    parser = commands.add_parser(PACKAGE, help="hand over the file that was verified")
    parser.add_argument("variant", metavar="VARIANT", help="which variant, by its whole name")
    add(parser, PACKAGE)
    parser.add_argument(
        "-o", "--output", type=path_of, required=True, metavar="DIR",
        help="the folder in which the package gets a folder of its own",
    )  # fmt: skip
    parser.set_defaults(run=package_variant)


def package_variant(chosen: argparse.Namespace) -> int:
    """Copies the verified artifact and its manifest. Refuses one whose limits are BROKEN."""
    from vitbench.build.package import PROGRAM, package
    from vitbench.case import Case
    from vitbench.show.foundations import partly_quantized

    session, code = session_of(PACKAGE, chosen), OK
    recipe, models = session.catalogue.variant(chosen.variant), session.options.models
    if words := strange(recipe, [spec.name for spec in models]):
        raise UserError(f"{chosen.variant}: {words}")
    if recipe.served:
        raise UserError(f"{chosen.variant} is a running server: there is no file to package")
    for spec in models:
        if strange(recipe, [spec.name]):
            continue
        case = Case(spec.name, chosen.variant, "cpu", 1)
        try:
            verification = session.verify(case)
        except UserError:
            raise
        except Exception as failure:  # of one model: the others go on
            meant = isinstance(failure, Unavailable | WorkerFailed)
            words = str(failure) if meant else with_kind(failure)
            print(f"vitbench: error: {case.id} is not packaged: {words}", file=sys.stderr)
            code = USAGE if meant else code or BROKEN
            continue
        for remark in session.inputs.remarks(spec.name):
            print(remark)
        print(verification.agreement.sentence)
        if verification.agreement.state == "BROKEN":
            print(f"{case.id} is not packaged", file=sys.stderr)
            code = code or BROKEN
            continue
        artifact = session.artifact(case)
        calibration = session.inputs.calibrated(spec.name) if recipe.calibrated else None
        if calibration:
            print(calibration["sentence"])
        file = package(
            session.model(spec.name),
            recipe,
            artifact,
            verification.agreement.to_json(),
            chosen.output,
            calibration,
        )
        if artifact.build_seconds is None:
            print(f"{file.name} was built by another tool; it is handed over as it is")
        if said := partly_quantized(**artifact.layers):
            print(said)
        if not file.with_name(PROGRAM).is_file():
            manifest = json.loads(file.with_name("manifest.json").read_text(encoding="utf-8"))
            print(f"there is no {PROGRAM}: {manifest['preprocessing']}")
        print("wrote", *sorted(map(str, file.parent.iterdir())))
    return code
