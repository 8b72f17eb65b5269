"""One instance of an arrangement: a process, started on its cores, that answers queries.

`python -m vitbench.load.serve FD [FD ...]` reads its request from the first socket: `import_roots`,
and what its answers are made of (answers.py). It says there that it is ready, and then answers each
batch of queries until the socket ends. Each socket more is a stream of its runtime, with a thread
of its own.
"""

import os
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np

from vitbench import environment, team_code
from vitbench.build.worker import die_before_parent, die_with_parent
from vitbench.errors import for_parent
from vitbench.load.answers import Answer, made
from vitbench.load.wire import HungUp, receive, send_json, send_outputs


def serve(connections: Sequence[socket.socket]) -> None:
    """Answer on each connection until its other end is gone."""
    first, *others = connections
    answers, seconds = _ready(receive(first).body)
    for connection, answer in zip(others, answers[1:], strict=True):
        Thread(target=_answer, args=(connection, answer), daemon=True).start()
    send_json(first, {"ready": os.getpid(), "call_seconds": seconds})
    _answer(first, answers[0])


def _answer(connection: socket.socket, answer: Answer) -> None:
    """Until the other end is gone. An error ends the process."""
    try:
        _loop(connection, answer)
    except HungUp:
        return
    except Exception as error:
        _report(connection, error)
        os._exit(1)


def _loop(connection: socket.socket, answer: Answer) -> None:
    while True:
        samples = receive(connection).body
        start = perf_counter()
        outputs = answer(samples)
        send_outputs(connection, outputs, perf_counter() - start)


def _ready(request: Mapping[str, Any]) -> tuple[Sequence[Answer], float]:
    """The answers, each of which was called once, and the seconds of the slowest of these calls."""
    environment.settle_idle_threads()
    if roots := request.get("import_roots"):
        team_code.use(roots)
    answers, slowest = made(request), 0.0
    for answer in answers:
        start = perf_counter()
        answer(np.zeros(1, np.uint32))
        slowest = max(slowest, perf_counter() - start)
    return answers, slowest


def _report(connection: socket.socket, error: Exception) -> None:
    traceback.print_exc()
    sys.stderr.flush()
    send_json(connection, {"error": for_parent(error)})


def main() -> int:
    die_with_parent()
    die_before_parent()
    os.dup2(2, 1)
    connections = [socket.socket(fileno=int(number)) for number in sys.argv[1:]]
    try:
        serve(connections)
    except HungUp:
        return 0
    except Exception as error:
        _report(connections[0], error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
