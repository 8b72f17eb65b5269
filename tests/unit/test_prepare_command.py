"""The command `prepare`: where it runs, what is said of it, and that nothing of it is left."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from vitbench.duet.base.prepare_command import run_prepare
from vitbench.errors import UserError


def prepared(command, folder, seconds=30.0):
    said = []
    run_prepare(command, "base", folder, folder / "head", seconds, said.append)
    return said


def gone(pid):
    """Whether a process is gone, in a moment: a zombie is, too."""
    for _ in range(100):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_it_runs_in_the_tree_of_the_side(tmp_path):
    said = prepared("pwd; echo $VITBENCH_HEAD; printf 'half\\rdone'; echo built > file", tmp_path)
    assert said[1:] == [
        f"base: prepare: {tmp_path.resolve()}",
        f"base: prepare: {tmp_path}/head",
        "base: prepare: done",
    ]
    assert (tmp_path / "file").read_text() == "built\n"


def test_python_is_that_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/bin")
    said = prepared("python -c 'import sys; print(sys.prefix)'", tmp_path)
    assert said[-1] == f"base: prepare: {sys.prefix}"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo one; echo cannot find it >&2; exit 3",
         "prepare in base (echo one; echo cannot find it >&2; exit 3) ended with status 3: cannot "
         "find it"),
        ("false", "prepare in base (false) ended with status 1"),
        ("kill -9 $$", "prepare in base (kill -9 $$) was ended by signal 9"),
    ],
)  # fmt: skip
def test_a_failure_is_one_sentence(tmp_path, command, words):
    with pytest.raises(UserError) as caught:
        prepared(command, tmp_path)
    assert str(caught.value) == words


def test_what_takes_too_long_is_stopped_with_all_that_it_started(tmp_path):
    words = r"was stopped after 0.3 s: compiling; --prepare-seconds=S gives the command more time"
    with pytest.raises(UserError, match=words):
        prepared("echo compiling; sleep 60 & echo $! > pid; wait", tmp_path, 0.3)
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_it_leaves_in_the_background_ends(tmp_path):
    said = prepared("sleep 60 & echo $! > pid; echo done", tmp_path)
    assert said[-1] == "base: prepare: done"
    assert gone(int((tmp_path / "pid").read_text()))


def test_an_interrupt_ends_it(tmp_path):
    begun = threading.Event()

    def say(_):
        if (tmp_path / "pid").exists():
            begun.set()

    def interrupt():
        begun.wait(30)
        signal.raise_signal(signal.SIGINT)

    # Where a shell started the tests in its background, nobody listens to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_prepare("echo $$ > pid; echo begun; sleep 60", "base", tmp_path, tmp_path, 60, say)
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(UserError, match=r"prepare in base \(true\) cannot be started: No such"):
        prepared("true", tmp_path / "none")
