"""`--markdown=FILE`: the verdicts of a run with `--against`, as a page for a pull request."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from vitbench import environment
from vitbench.errors import UserError
from vitbench.judge.verdict import Verdict, exit_code
from vitbench.plugin.names import given
from vitbench.report.files import write
from vitbench.show.headline import headline
from vitbench.show.unfinished import begin, end
from vitbench.show.verdicts import markdown


def prepare(config: pytest.Config) -> None:
    """The page says that the run has not ended: nobody may take that of an earlier run for this
    one's. Raises pytest.UsageError where it cannot be written, or no duet is asked for."""
    page = _page(config)
    if page is None:
        return
    if not given(config).against:
        raise pytest.UsageError(f"--markdown={page}: it is the page of a duet: add --against=REV")
    try:
        begin(page)
    except UserError as error:
        raise pytest.UsageError(f"--markdown: {error}") from error


def write_page(
    config: pytest.Config, verdicts: Sequence[Verdict], known: Mapping[str, Any] | None
) -> str:
    """Writes the page. `known`: what the report says of the duet; without it none was played, and
    the page stays as it is. Returns why it could not be written, or nothing."""
    page = _page(config)
    if page is None or known is None:
        return ""
    code = exit_code(verdicts, given(config).inconclusive == "fail")
    about = headline(code, f"{known['head']} against {known['base']}", verdicts)
    try:
        write(page, markdown(verdicts, known["notes"], head=about))
    except UserError as error:
        return f"--markdown: {error}"
    return ""


def tell_end(config: pytest.Config, error: BaseException) -> None:
    """The page of a run without verdicts says which error ended it."""
    page = _page(config)
    if page is not None and given(config).against:
        end(page, error)


def _page(config: pytest.Config) -> Path | None:
    asked = given(config).markdown
    if asked is None:
        return None
    return environment.absolute(asked, Path(config.invocation_params.dir), "--markdown")
