"""The newest report of a folder, by what the reports say: files that git or a cache made anew have
the time at which that was done."""

import json
from datetime import datetime
from pathlib import Path

from vitbench.errors import UserError
from vitbench.report.decode import text_of
from vitbench.report.machine import taken


def report_files(folder: Path) -> list[Path]:
    """The reports of a folder, without those below it and hidden ones, by name.

    Raises UserError where it cannot be listed.
    """
    try:
        found = (each for each in folder.iterdir() if each.suffix == ".json")
        return sorted(each for each in found if each.name[0] != ".")
    except OSError as error:
        raise UserError(f"{folder}: cannot list it: {error.strerror}") from error


def newest(folder: Path) -> tuple[Path, datetime]:
    """The file, and when its report was taken.

    Raises UserError where there is none, and where a file cannot be read or dated: it may be the
    newest.
    """
    files = report_files(folder) if folder.is_dir() else []
    if not files:
        raise UserError(
            f"{folder}: no reports (*.json) in it: `pytest --benchmark-only` writes one into "
            "reports/history; --history=DIR names another folder"
        )
    when, file = max((_taken(file), file) for file in files)
    return file, when


def _taken(file: Path) -> datetime:
    try:
        report = json.loads(text_of(file))
        if not isinstance(report.get("benchmarks"), list):
            raise UserError(f"{file}: not a report: it has no list 'benchmarks'")
        return taken(report, str(file))
    except UserError as error:
        why = str(error)
    except (ValueError, RecursionError, AttributeError) as error:
        why = f"{file}: damaged, or not a report: {error}"
    raise UserError(f"{why}: it may be the newest: delete it, or name the report instead of latest")
