"""Both ends of a worker that stays: what it says of errors, and that it leaves nothing behind."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vitbench.duet.conversation import Conversation, WorkerLost
from vitbench.errors import UserError, WorkerFailed

WORKER = """
import os, sys, tempfile, time
from pathlib import Path
from vitbench.duet.serving import serve
from vitbench.errors import UserError

kept = []

def place(_):
    return [os.environ["PWD"], os.getcwd(), "OLDPWD" in os.environ]

def make(request):
    kept.append(tempfile.TemporaryDirectory(dir=request["folder"]))
    Path(kept[-1].name, "artifact").write_text("large")
    print("what a library prints")
    return kept[-1].name

def refuse(request):
    raise UserError("x" * request["length"])

def fail(_):
    return [][1]

def grow(request):
    kept.append(bytearray(request["bytes"]))
    time.sleep(request["seconds"])
    return len(kept[-1])

sys.exit(serve({"make": make, "refuse": refuse, "fail": fail, "grow": grow, "place": place}))
"""


@pytest.fixture
def worker():
    with Conversation("the worker", (sys.executable, "-c", WORKER), ROOT) as found:
        yield found


def test_a_worker_that_is_closed_leaves_no_folder(worker, tmp_path):
    made = Path(worker.ask({"verb": "make", "folder": str(tmp_path)}, 60))
    assert (made / "artifact").is_file()
    worker.close()
    assert not list(tmp_path.iterdir())


def test_an_error_reaches_the_other_end_whole(worker):
    with pytest.raises(UserError, match=r"^x{900}$"):
        worker.ask({"verb": "refuse", "length": 900}, 60)
    with pytest.raises(WorkerFailed, match="failed with IndexError: list index out of range"):
        worker.ask({"verb": "fail"}, 60)
    with pytest.raises(UserError, match="there is no verb 'other': make, refuse, fail,"):
        worker.ask({"verb": "other"}, 60)


def test_a_worker_that_grows_too_large_is_ended():
    command = (sys.executable, "-c", WORKER)
    with Conversation("the worker", command, ROOT, memory_bytes=400_000_000) as worker:
        small = {"verb": "grow", "bytes": 1_000_000, "seconds": 0.5}
        assert worker.ask(small, 60) == 1_000_000
        with pytest.raises(WorkerLost, match=r"the worker took more than 0\.4 GB of memory"):
            worker.ask({"verb": "grow", "bytes": 600_000_000, "seconds": 60}, 60)
        assert worker.closed


def test_the_variable_of_the_working_folder_is_the_process_own(tmp_path, monkeypatch):
    """A shell sets it for the command: an arm in another tree would find head's files by it."""
    monkeypatch.setenv("PWD", "/of/head")
    monkeypatch.setenv("OLDPWD", "/of/head/before")
    command = (sys.executable, "-c", WORKER)
    with Conversation("the worker", command, ROOT, tmp_path) as worker:
        assert worker.ask({"verb": "place"}, 60) == [str(tmp_path), str(tmp_path), False]
