"""Where the report of a run goes: `--report=FILE`, or a name of its own in `--reports=DIR`."""

import os
import time
from pathlib import Path

import pytest

from vitbench import environment
from vitbench.errors import UserError
from vitbench.plugin.names import given
from vitbench.report.decode import decoded
from vitbench.report.files import replaceable, write


def report_path(config: pytest.Config, commit: str) -> Path:
    """The file of `--report`; else one that is named by the time, the commit and the process."""
    if file := _file(config):
        return file
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return _folder(config) / f"{stamp}-{commit}-{os.getpid()}.json"


def prepare(config: pytest.Config) -> None:
    """Makes the folder, and takes the file of `--report` away: nobody may take the report of an
    earlier run for this one's. Raises pytest.UsageError where no report can be written."""
    option = "--report" if given(config).report else "--reports"
    try:
        file = _file(config)
        if file and file.is_dir():
            raise UserError(f"{file} is a folder: name a file, or give --reports={file}")
        if file and not _free(file):
            raise UserError(f"{file} is there and is no report: name another file, or delete it")
        probe = (file.parent if file else _folder(config)) / f".{os.getpid()}.probe"
        write(probe, "")
        probe.unlink()
        if file:
            file.unlink(missing_ok=True)
    except UserError as error:
        raise pytest.UsageError(f"{option}: {error}") from error
    except OSError as error:
        raise pytest.UsageError(f"{option}: {file}: {error.strerror}") from error


def _free(file: Path) -> bool:
    """Whether nothing is lost with the file: it is not there, is empty or is a report."""
    if not replaceable(file):
        return False
    if not file.exists() or not file.stat().st_size:
        return True
    try:
        report = decoded(file)
    except UserError:
        return False
    return isinstance(report, dict) and isinstance(report.get("benchmarks"), list)


def check(config: pytest.Config) -> None:
    """Raises pytest.UsageError where the options name no place, or two."""
    file, folder = given(config).report, given(config).reports
    if file is not None and not file.strip():  # as of a variable that is not set
        raise pytest.UsageError(f"--report={file}: it names no file")
    if file and folder:
        raise pytest.UsageError(
            f"--report={file} and --reports={folder} both say where the report goes: give one"
        )


def _file(config: pytest.Config) -> Path | None:
    return _absolute(config, given(config).report, "--report")


def _folder(config: pytest.Config) -> Path:
    asked = _absolute(config, given(config).reports, "--reports")
    return asked or config.rootpath / "reports" / "history"


def _absolute(config: pytest.Config, asked: str | None, option: str) -> Path | None:
    start = Path(config.invocation_params.dir)
    return environment.absolute(asked, start, option) if asked else None
