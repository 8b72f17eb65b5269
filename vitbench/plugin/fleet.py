"""What `vitbench fleet run` asks of pytest on a host, by `-p vitbench.plugin.fleet`.

`--fleet-asks=FD` is a pipe of the process that started this one: when its other end closes, this
process ends, with all that it started. With `--collect-only` cases.json of `--fleet-folder=DIR` has
what the options choose here. `--fleet-variant=NAME` measures cases of this variant alone, one after
the other: each when a line of the pipe has its id; case.json has the report of this case. With
`--fleet-shards=DIR` cases are verified in parts, which lie there (measure/shard_folder.py): a line
may have the name of a part after the id, and shard.bin has what the case gave.
"""

import os
import queue
import shutil
import signal
import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vitbench.measure.session import Session

ASKED = pytest.StashKey["queue.Queue[str]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vitbench fleet")
    group.addoption("--fleet-asks", type=int, metavar="FD", help="cases to measure; closed: end")
    group.addoption(
        "--fleet-folder", type=Path, metavar="DIR", help="where the answers are written"
    )
    group.addoption("--fleet-shards", type=Path, metavar="DIR", help="where the parts are")
    group.addoption("--fleet-variant", metavar="NAME", help="MODEL/VARIANT/DEVICE of all cases")


def pytest_configure(config: pytest.Config) -> None:
    pipe = config.option.fleet_asks
    if pipe is not None:
        asked = config.stash[ASKED] = queue.Queue()
        words = (pipe, asked, config.option.fleet_folder)
        threading.Thread(target=_listen, args=words, daemon=True).start()


def _listen(pipe: int, asked: "queue.Queue[str]", folder: Path) -> None:
    """Takes what is asked for, until the other end of the pipe is closed, by whatever."""
    with os.fdopen(pipe) as lines:
        for line in lines:
            asked.put(line.strip())
    shutil.rmtree(folder, ignore_errors=True)  # whoever should do it may be dead
    os.killpg(os.getpgrp(), signal.SIGKILL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Not as a deselection: the report says of the options alone that they leave something out."""
    from vitbench.fleet.plan import variant_of

    if variant := config.option.fleet_variant:
        items[:] = [item for item in items if variant in map(variant_of, _ids([item]))]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    from vitbench.measure.shard_folder import ShardFolder
    from vitbench.plugin.measuring import PHASE
    from vitbench.plugin.options import SESSION, session_of

    config = session.config
    if SESSION not in config.stash:
        return
    config.stash[PHASE] = session_of(config).say
    if folder := config.option.fleet_shards:
        session_of(config).verifications.shards = ShardFolder(folder)
    if config.option.fleet_folder and config.option.collectonly:
        _write(config, "cases.json", _chosen(config, session.items))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """The cases that are asked for, instead of all. This comes to no end: whoever asks ends it."""
    from vitbench.plugin.recording import recorder_of

    config = session.config
    has_work = session.items or config.option.fleet_shards
    if not config.option.fleet_variant or session.testsfailed or not has_work:
        return None
    while True:
        case, _, part = config.stash[ASKED].get().partition(" ")
        if part:
            _write(config, "case.json", _part(config, case, part))
            continue
        for item in session.items:
            if case in _ids([item]):
                # What the session has, models and reference, stays: no item is the last one.
                config.hook.pytest_runtest_protocol(item=item, nextitem=session)
        recorder = recorder_of(config)
        recorder.complete = True
        _write(config, "case.json", recorder.report())
        recorder.start_over()


def _part(config: pytest.Config, case: str, name: str) -> dict[str, Any]:
    """Verifies a case on a part of its sample. What came of it: as `fleet.case_process.Ran`."""
    from vitbench.build.entry import key
    from vitbench.case import Case
    from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
    from vitbench.fleet.plan import Span
    from vitbench.fleet.receipts import MEASURED, UNAVAILABLE
    from vitbench.measure.shard_files import shard_bytes
    from vitbench.measure.shard_folder import LOGITS
    from vitbench.plugin.options import session_of
    from vitbench.report.files import write

    part, asked = Span.parse(name), session_of(config).verifications
    measure = asked.answer_part if part.kind == LOGITS else asked.verify_part
    try:
        counts = measure(Case.parse(case), range(part.start, part.stop))
        write(config.option.fleet_folder / "shard.bin", data := shard_bytes(counts))
    except Unavailable as reason:
        return {"state": UNAVAILABLE, "why": str(reason)}
    except (UserError, WorkerFailed) as error:
        return {"why": str(error)}
    except Exception as error:
        return {"why": with_kind(error)}
    digests = {"sha256": sha256(data).hexdigest(), "conditions": key(counts.conditions)}
    return {"state": MEASURED, "report": digests}


def _ids(items: list[pytest.Item]) -> list[str]:
    from vitbench.plugin.cases import cases_of

    return [case.id for case in cases_of(items)]


def _write(config: pytest.Config, name: str, content: dict[str, Any]) -> None:
    from vitbench.report.files import write
    from vitbench.report.plain import dumps

    write(config.option.fleet_folder / name, dumps(content))


def _chosen(config: pytest.Config, items: list[pytest.Item]) -> dict[str, Any]:
    """What the options choose on this host, and what the host is."""
    from vitbench import environment
    from vitbench.build.code import whole
    from vitbench.plugin.names import given
    from vitbench.plugin.options import session_of
    from vitbench.plugin.selecting import selected

    session = session_of(config)
    options = session.options
    asked = given(config).model or [spec.name for spec in options.models]
    return {
        "machine": environment.describe(options.threads, {}),
        "code": whole(),
        "cache": str(options.cache),
        "reference": options.reference,
        "cases": _ids(items),
        "models": dict(zip((spec.name for spec in options.models), asked, strict=True)),
        "selected": selected(config),
        **(_images(session) if config.option.fleet_shards else {}),
    }


def _images(session: "Session") -> dict[str, Any]:
    """How many images there are to verify on, and what their files are. Raises pytest.UsageError
    where they cannot be read."""
    from vitbench.errors import UserError
    from vitbench.measure.sample import files_sha256

    try:
        photos = session.inputs.photos
        return {"images": len(photos), "files_sha256": files_sha256(photos)}
    except UserError as error:
        raise pytest.UsageError(str(error)) from error
