"""One instance of an arrangement: a process, pinned to its cores, that answers queries.

`python -m vitbench.load.serve FD` reads its request from that socket: the `cores` to stay on, the
sizes of the `batches` to be ready for, `import_roots`, and what its answer is made of (answers.py).
It says that it is ready, and then answers each batch of queries until the socket ends.
"""

import os
import socket
import sys
import traceback
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from vitbench import environment, team_code
from vitbench.build.worker import die_before_parent, die_with_parent
from vitbench.errors import for_parent
from vitbench.load.answers import Answer, made
from vitbench.load.wire import HungUp, receive, send_json, send_outputs


def serve(connection: socket.socket) -> None:
    """Answer until the other end is gone. Raises HungUp then."""
    request = receive(connection).body
    answer = _ready(request)
    send_json(connection, {"ready": os.getpid()})
    while True:
        samples = receive(connection).body
        start = perf_counter()
        outputs = answer(samples)
        send_outputs(connection, outputs, perf_counter() - start)


def _ready(request: Mapping[str, Any]) -> Answer:
    """The answer, warm at every batch size that it will be asked for."""
    if hasattr(os, "sched_setaffinity") and request["cores"]:
        os.sched_setaffinity(0, request["cores"])  # before a runtime counts its cores
    environment.settle_idle_threads()
    if roots := request.get("import_roots"):
        team_code.use(roots)
    answer = made(request)
    for size in request["batches"]:
        answer(np.zeros(size, np.uint32))
    return answer


def main() -> int:
    die_with_parent()
    die_before_parent()
    os.dup2(2, 1)
    connection = socket.socket(fileno=int(sys.argv[1]))
    try:
        serve(connection)
    except HungUp:
        return 0
    except Exception as error:
        traceback.print_exc()
        send_json(connection, {"error": for_parent(error)})
    return 1


if __name__ == "__main__":
    sys.exit(main())
