"""`vitbench merge`: reports of parallel jobs as one report. Without torch."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.cli.codes import OK
from vitbench.cli.parsing import path_of
from vitbench.cli.price import add_price, with_price
from vitbench.errors import UserError, some

if TYPE_CHECKING:
    from vitbench.report.merge import Part


def register(commands: Any) -> None:
    merge = commands.add_parser("merge", help="reports of parallel jobs as one report")
    add = merge.add_argument
    add("reports", type=path_of, nargs="+", metavar="REPORT", help="files, of one kind of machine")
    add("-o", "--output", type=path_of, required=True, metavar="FILE", help="where it is written")
    add(
        "--whole",
        type=count,
        metavar="N",
        help="these N reports are together the whole suite (default: a report of selected cases)",
    )
    add(
        "--keep",
        choices=["newest"],
        help="of a case that several reports have with other figures, those of the newest report "
        "(default: that is an error)",
    )
    add_price(merge)
    merge.set_defaults(run=merge_reports)


def count(text: str) -> int:
    """A number of reports: two or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of reports: give 2 or more")
    return int(text)


def merge_reports(chosen: argparse.Namespace) -> int:
    """Writes one report of several. Raises UserError, with a sentence for each conflict."""
    from vitbench.report.conflicts import conflicts
    from vitbench.report.files import write
    from vitbench.report.merge import merged, read_part
    from vitbench.report.plain import dumps
    from vitbench.report.reader import run_of
    from vitbench.show.clean import clean
    from vitbench.show.merged import sources

    _check_files(chosen.reports, chosen.output)
    parts = [read_part(path) for path in chosen.reports]
    newest = chosen.keep == "newest"
    found = conflicts(parts, newest, chosen.price is not None)
    if found:
        lines = "\n  ".join(map(clean, found))
        raise UserError(
            f"the reports are not merged, since they do not belong together:\n  {lines}"
        )
    if chosen.whole is not None:
        _check_count(chosen.whole, parts)
    report = merged(parts, newest, chosen.whole is not None)
    if chosen.price is not None:
        report = with_price(report, chosen.price, Path.cwd())
    write(chosen.output, dumps(report))
    run = run_of(report)
    print("\n".join(map(clean, [f"wrote {chosen.output}", *(sources(run) if run else ())])))
    for words in _remarks(parts, chosen.output):
        print(clean(f"note: {words}"), file=sys.stderr)
    return OK


def _check_files(reports: Sequence[Path], output: Path) -> None:
    files = [each.resolve() for each in reports]
    for index, file in enumerate(files):
        if file in files[:index]:
            raise UserError(f"{reports[index]}: the report is named twice: leave one out")
        if file == output.resolve():
            raise UserError(f"--output={output}: that is one of the reports: name another file")
    if len(files) < 2:
        raise UserError(f"{reports[0]}: merge takes two reports or more: name all of them")


def _check_count(wanted: int, parts: Sequence["Part"]) -> None:
    """A report that was merged before counts as all that it was made of, and a copy not at all."""
    runs = [part.run.merged.sources if part.run.merged else [part] for part in parts]
    count = len({each.sha256 for those in runs for each in those})
    if count != wanted:
        raise UserError(
            f"--whole={wanted}: there {'is' if count == 1 else 'are'} {count} different reports: "
            f"name all {wanted}, or leave --whole out, for a report of selected cases"
        )


def _remarks(parts: Sequence["Part"], output: Path) -> list[str]:
    """What a user may want to know of reports that can be merged."""
    found = []
    if parts[0].report.get("commit_info", {}).get("dirty"):
        found.append("the reports are of changed files, which no commit names: they may differ")
    having = {key[0]: part.name for part in parts for key in part.benchmarks}
    for part in parts:
        own = {key[0] for key in part.benchmarks}
        for case, why in part.run.unavailable.items():
            if case in having and case not in own:
                found.append(f"{case} is unavailable in {part.name} ({why}): {having[case]} has it")
    beside = [p.name for p in parts if Path(p.name).resolve().parent == output.resolve().parent]
    if beside:
        found.append(
            f"a history of {output.parent} would count the cases of {some(beside)} twice: keep "
            "the merged report, or the others, in another folder"
        )
    return found
