"""A signal that ends this process ends it after what was begun is cleaned away."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""What ends a process without an exception, unless it says otherwise. Ctrl-C is an exception."""


class Ended(KeyboardInterrupt):
    """A signal came that ends this process. pytest and others take it for Ctrl-C."""


@contextmanager
def cleaning_first() -> Iterator[None]:
    """Within it, each of SIGNALS raises Ended; when it is left, the signal ends the process.

    Outside of the main thread, and where the process has an answer of its own to a signal, nothing
    is changed.
    """
    came: list[int] = []

    def end(number: int, _: Any) -> None:
        came.append(number)
        if len(came) == 1:  # cleaning is not interrupted
            raise Ended(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    ours = [each for each in numbers if signal.getsignal(each) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if came:
            os.kill(os.getpid(), came[0])
