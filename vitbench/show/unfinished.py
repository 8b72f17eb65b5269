"""The page of a duet whose verdicts are not there: yet, or because the run ended by an error."""

from contextlib import suppress
from pathlib import Path

from vitbench.errors import UserError
from vitbench.report.files import write
from vitbench.show.verdicts import escaped

HEADLINE = "**NOTHING WAS COMPARED: the run ended before its verdicts**"
UNFINISHED = f"{HEADLINE} (its log says why)\n"


def begin(page: Path) -> None:
    """Nobody may take the page of an earlier run for this one's. Raises UserError."""
    write(page, UNFINISHED)


def end(page: Path, error: BaseException) -> None:
    """Says which error ended the run, on a page that has no verdicts. A page that cannot be written
    is no second error."""
    with suppress(UserError, OSError):
        if page.read_text() == UNFINISHED:
            write(page, f"{HEADLINE}: {escaped(str(error))}\n")
