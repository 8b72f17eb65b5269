"""The `vitbench` command: list, predict, export, best and show; cli_*.py have the others."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from vitbench import __version__, environment
from vitbench.build.worker import WorkerFailed
from vitbench.cli import duet as cli_duet
from vitbench.cli import gate as cli_gate
from vitbench.cli import history as cli_history
from vitbench.cli.session import add_model, session_of
from vitbench.errors import Unavailable, UserError, with_kind
from vitbench.judge.best import NEEDS, choose
from vitbench.runtimes.catalogue import declared, select
from vitbench.runtimes.variants import VARIANTS

OK, BROKEN, USAGE = 0, 1, 4
BROKEN_PIPE = 141  # as a shell says it: the reader went away, and no verdict may read as a pass


class Parser(argparse.ArgumentParser):
    """argparse exits with 2 on a usage error, which means something else to a gate."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 for a broken contract, 4 for bad input; `gate` also 2 and 3."""
    chosen = parser().parse_args(arguments)
    environment.settle_idle_threads()
    try:
        code = int(chosen.run(chosen))
        sys.stdout.flush()
        return code
    except (UserError, Unavailable, WorkerFailed) as error:
        print(f"vitbench: error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # no second complaint
        return BROKEN_PIPE


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = Parser(
        prog="vitbench",
        description="How to deploy a Vision Transformer; docs/cli.md lists every option.",
    )
    top.add_argument("--version", action="version", version=f"vitbench {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="the variants, their limits and availability")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=list_variants)

    predict = commands.add_parser("predict", help="classify one image, each variant side by side")
    predict.add_argument("image", type=Path)
    add_model(predict)
    predict.add_argument("--variant", action="append", metavar="GLOB", default=[])
    predict.add_argument("--top", type=int, default=1, metavar="K", help="the K likeliest classes")
    predict.set_defaults(run=predict_image)

    export = commands.add_parser("export", help="hand over the file that was verified")
    export.add_argument("variant", metavar="VARIANT")
    add_model(export)
    export.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    export.add_argument("--images", type=Path, metavar="DIR", help="verify on these images")
    export.add_argument("--labels", type=Path, metavar="FILE",
                        help="a name and a class of --images on each line")  # fmt: skip
    export.add_argument("--calibration", type=Path, metavar="DIR",
                        help="calibrate static int8 on these images")  # fmt: skip
    export.add_argument("--verify-images", type=int, default=512, metavar="N")
    export.set_defaults(run=export_variant)

    best = commands.add_parser("best", help="which variant of a report to deploy, and why")
    best.add_argument("report", type=Path)
    best.add_argument("--need", choices=list(NEEDS), default="latency")
    best.add_argument("--min-agreement", type=share, default=0.96, metavar="SHARE",
                      help="least agreement with fp32, 0 to 1 (default: 0.96)")  # fmt: skip
    best.add_argument("--json", action="store_true", help="as JSON")
    best.add_argument("--plot", type=Path, metavar="FILE", help="also write an HTML page")
    best.set_defaults(run=choose_variant)

    cli_duet.register(commands)

    show = commands.add_parser("show", help="the table of a report")
    show.add_argument("report", type=Path)
    show.set_defaults(run=show_report)
    cli_gate.register(commands)
    cli_history.register(commands)
    return top


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give a number from 0 to 1")
    return value


def list_variants(chosen: argparse.Namespace) -> int:
    """Every recipe with its limits. Availability is declared, by metadata; building proves it."""
    rows = []
    for row in VARIANTS:
        reason = declared(row)
        rows.append({
            "variant": row.name, "runtime": row.runtime, "precision": row.precision,
            "devices": list(row.devices), "limits": asdict(row.limits), "about": row.about,
            "available": reason is None, "reason": reason,
        })  # fmt: skip
    if chosen.json:
        print(json.dumps(rows, indent=2))
        return OK
    width = max(len(row.name) for row in VARIANTS)
    for row, found in zip(VARIANTS, rows, strict=True):
        where = "/".join(row.devices)
        state = "declared available" if found["available"] else f"unavailable: {found['reason']}"
        least = f"agreement >= {row.limits.agreement:.0%}"
        print(f"{row.name:{width}}  {row.runtime:11}  {where:8}  {least}  {state}")
        print(f"{'':{width}}  {row.about}")
    print("\nLimits, and why that much (a variant may run only where its device is):")
    for limits in dict.fromkeys(row.limits for row in VARIANTS):
        names = ", ".join(row.name for row in VARIANTS if row.limits == limits)
        print(f"  {limits.agreement:.0%} agreement, relative logit error <= "
              f"{limits.relative_error:g}, cosine >= {limits.cosine:g}: {limits.reason}\n"
              f"    {names}")  # fmt: skip
    return OK


def predict_image(chosen: argparse.Namespace) -> int:
    """Class index, label and probability by each variant. Returns 1 where a variant failed."""
    import numpy as np

    from vitbench.case import Case
    from vitbench.measure.images import changes_of, read_image
    from vitbench.show.text import partly_quantized

    variants = select(chosen.variant, "fp32") if chosen.variant else select(["fp32"], "fp32")
    image = read_image(chosen.image)
    for change in changes_of(image):
        print(f"{chosen.image.name}: {change}")
    session, code = session_of(chosen), OK
    for spec in session.options.models:
        model = session.model(spec.name)
        synthetic = ", synthetic: the answer means nothing" if model.weights.synthetic else ""
        print(
            f"{spec.name} ({len(model.labels)} classes; {model.weights.origin} weights "
            f"{model.weights.sha256[:12]}{synthetic})"
        )
        for note in model.notes:
            print(f"  {note}")
        images = model.preprocess(image)[None]
        for recipe in variants:
            case = Case(spec.name, recipe.name, "cpu", 1)
            try:
                logits = session.deployment(case).logits(images)[0].astype(float)
            except Unavailable as reason:
                print(f"  {recipe.name:22} unavailable: {reason}")
                continue
            except UserError:
                raise
            except Exception as failure:  # of one variant: the others go on
                words = str(failure) if isinstance(failure, WorkerFailed) else with_kind(failure)
                print(f"  {recipe.name:22} failed: {words}")
                code = BROKEN
                continue
            odds = np.exp(logits - logits.max())
            odds /= odds.sum()
            for index in np.argsort(-odds)[: max(1, chosen.top)]:
                label = model.labels[index]
                print(f"  {recipe.name:22} {index:5d}  {odds[index]:6.1%}  {label.name}")
            if said := partly_quantized(session.artifact(case).layers):
                print(f"  {'':22} {said}")
    return code


def export_variant(chosen: argparse.Namespace) -> int:
    """Copies the verified artifact and its manifest. Refuses one whose limits are BROKEN."""
    from vitbench.build.export import export
    from vitbench.case import Case
    from vitbench.show.text import partly_quantized

    names = [row.name for row in VARIANTS]
    if chosen.variant not in names:
        raise UserError(f"{chosen.variant}: no such variant; choose from {', '.join(names)}")
    session, code = session_of(chosen), OK
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
        artifact, recipe = session.artifact(case), session.require(case)
        calibration = session.inputs.calibrated(spec.name) if recipe.calibrated else None
        if calibration:
            print(calibration["sentence"])
        file = export(
            session.model(spec.name), recipe, artifact,
            verification.agreement.to_json(), chosen.output, calibration,
        )  # fmt: skip
        if said := partly_quantized(artifact.layers):
            print(said)
        print("wrote", *sorted(map(str, file.parent.iterdir())))
    return code


def choose_variant(chosen: argparse.Namespace) -> int:
    """The variant to deploy for a need, and why each other one is not it."""
    from vitbench.report.reader import read_report
    from vitbench.show.best import plot, text

    report = read_report(chosen.report)
    choices = choose(report, chosen.need, chosen.min_agreement)
    if report.get("vitbench", {}).get("complete") is False:
        cut = "INCOMPLETE: the run was cut short, or still goes on; of what it had finished"
        print(cut, file=sys.stderr if chosen.json else sys.stdout)
    if chosen.plot:
        plot(choices, chosen.plot)
    if chosen.json:
        print(json.dumps([choice.to_json() for choice in choices], indent=2))
    else:
        print(text(choices))
    return OK if all(choice.best for choice in choices) else BROKEN


def show_report(chosen: argparse.Namespace) -> int:
    """The table of a report, as it stood at the end of its run."""
    import shutil

    from vitbench.report.reader import read_report
    from vitbench.show.text import table

    print(table(read_report(chosen.report), shutil.get_terminal_size((180, 24)).columns))
    return OK


if __name__ == "__main__":
    sys.exit(main())
