"""`vitbench fleet verify`: every variant against fp32 on many images, in parts on many hosts."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.fleet.playing import add_options, option_words, play
from vitbench.cli.folders import HISTORY
from vitbench.cli.options import VERIFY
from vitbench.cli.parsing import add
from vitbench.errors import UserError, counted

SUITE = ("--pyargs", "vitbench.benchmarks.test_latency")
ALL_IMAGES = 10**9
SHARD_IMAGES = 1024


def register(commands: Any, name: str) -> None:
    verify = commands.add_parser(
        name,
        help="every variant against fp32 on all images of a folder, in parts",
        description="Each host class verifies each variant against fp32 on all images of --images, "
        "in parts that its hosts share. Parts are merged to the bounds that one machine finds, to "
        "the digit. Then each variant is timed beside its reference, and one report for each class "
        "is written.",
    )
    verify.add_argument(
        "--shard-images",
        type=int,
        metavar="N",
        help=f"images of a part, in whole batches (default: {SHARD_IMAGES})",
    )
    add_options(verify)
    add(verify, VERIFY)
    verify.set_defaults(run=run_verify)


def run_verify(chosen: argparse.Namespace) -> int:
    """Verifies each case on each class, writes a report for each class and prints one table.
    Returns 1 where a case failed or is incomplete."""
    from vitbench.fleet.receipts import FAILED
    from vitbench.fleet.reports import report_words, write_class_reports
    from vitbench.fleet.verdicts import verdicts_text

    folder, arguments = Path(chosen.reports or HISTORY), arguments_of(chosen)
    size = SHARD_IMAGES if chosen.shard_images is None else chosen.shard_images
    if size < 1:
        raise UserError(f"--shard-images {size}: must be 1 or more")
    if chosen.resume and chosen.shard_images is not None:
        raise UserError("--shard-images: a run that is resumed has its own: leave the option out")
    played = play(chosen, arguments, lambda found: write_class_reports(found, folder), size)
    end = played.end
    written = write_class_reports(played.receipts, folder, end.lost)  # which names the lost, too
    print(verdicts_text(end.plan, end.receipts, end.lost))
    told = [f"report: {each.file}" for each in written if not each.wrong]
    told += [*report_words(end.plan, written), f"receipts: {played.receipts.folder}"]
    print(*told, sep="\n")
    if end.lost:
        lost = counted(len(end.lost), "case")
        print(f"{lost} incomplete: `vitbench fleet verify --resume` tries again")
    failed = any(each.state == FAILED for each in end.receipts.values())
    return BROKEN if end.lost or failed or any(each.wrong for each in written) else OK


def arguments_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    """The tests and options of the run, as pytest on a host takes them; none where a run is resumed
    with those that it has. Raises UserError for a bad value."""
    words = option_words(VERIFY, chosen)
    if chosen.resume and not words:
        return ()
    if not chosen.images:
        raise UserError("--images=DIR: name the folder of images to verify on")
    every = [f"--vitbench-verify-images={ALL_IMAGES}"] if chosen.verify_images is None else []
    return (*SUITE, *words, *every)
