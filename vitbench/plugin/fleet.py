"""What `vitbench fleet run` asks of pytest on a host, by `-p vitbench.plugin.fleet`.

`--fleet-cases=FILE` writes what the options choose here; `--fleet-case=ID` measures one case of
them, and `--fleet-report=FILE` has its report. `--fleet-alive=FD` is a pipe of the process that
started this one: when its other end closes, this process ends, with all that it started.
"""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vitbench fleet")
    group.addoption("--fleet-cases", type=Path, metavar="FILE", help="write there which cases")
    group.addoption("--fleet-case", metavar="ID", help="measure this case alone")
    group.addoption("--fleet-report", type=Path, metavar="FILE", help="its report, of any outcome")
    group.addoption("--fleet-alive", type=int, metavar="FD", help="end when this pipe closes")


def pytest_configure(config: pytest.Config) -> None:
    pipe = config.option.fleet_alive
    if pipe is not None:
        threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()


def _end_with(pipe: int) -> None:
    """Nobody writes into the pipe: a read returns when its other end is closed, by whatever."""
    os.read(pipe, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Not as a deselection: the report says of the options alone that they leave something out."""
    from vitbench.plugin.cases import cases_of

    wanted = config.option.fleet_case
    if wanted:
        items[:] = [item for item in items if wanted in [case.id for case in cases_of([item])]]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    from vitbench.plugin.measuring import PHASE
    from vitbench.plugin.options import SESSION, session_of

    config = session.config
    if SESSION not in config.stash:
        return
    config.stash[PHASE] = session_of(config).say
    if file := config.option.fleet_cases:
        from vitbench.report.files import write
        from vitbench.report.plain import dumps

        write(file, dumps(_chosen(config, session.items)))


def _chosen(config: pytest.Config, items: list[pytest.Item]) -> dict[str, Any]:
    """What the options choose on this host, and what the host is."""
    from vitbench import environment
    from vitbench.build.code import whole
    from vitbench.plugin.cases import cases_of
    from vitbench.plugin.names import given
    from vitbench.plugin.options import session_of
    from vitbench.plugin.selecting import selected

    options = session_of(config).options
    asked = given(config).model or [spec.name for spec in options.models]
    return {
        "machine": environment.describe(options.threads, {}),
        "code": whole(),
        "cache": str(options.cache),
        "reference": options.reference,
        "cases": [case.id for case in cases_of(items)],
        "models": dict(zip((spec.name for spec in options.models), asked, strict=True)),
        "selected": selected(config),
    }


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Also of a case that is unavailable, of which a run alone writes no report. A run that ended
    before its first test says why, and has none."""
    from vitbench.plugin.options import SESSION
    from vitbench.plugin.recording import recorder_of
    from vitbench.report.files import write
    from vitbench.report.plain import dumps

    config = session.config
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if config.option.fleet_report and SESSION in config.stash and session.items and ended:
        write(config.option.fleet_report, dumps(recorder_of(config).report()))
