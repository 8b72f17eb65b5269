"""The process that generates load, `python -m vitbench.load.generator`: LoadGen, and one queue.

It reads a line of JSON a request, `{"verb": ..., ...}`, and answers with a line
(duet/conversation.py). Its instances (serve.py) are its children. It imports no runtime: only
LoadGen and the queue takes its time. Arrays travel in .npz files.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from vitbench.build.worker import die_before_parent
from vitbench.duet.serving import serve
from vitbench.load.dispatcher import Dispatcher
from vitbench.load.instance import Instance, Lane
from vitbench.load.loadgen import Queries, complete, generate
from vitbench.load.scenario import Scenario
from vitbench.measure.outputs import one_of_each

KEPT = 64  # outputs of a run, about


class Generator:
    """Answers requests, by the instances of one arrangement. Those of earlier ones may be kept."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Instance]] = {}
        self._instances: list[Instance] = []
        self._lanes: list[Lane] = []

    def open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """An instance for each of `requests`, which `name` calls: started, unless the same ones are
        there (`started`). Those of before end where they take more than `keep_bytes`.
        `call_seconds` is the slowest call that made one of them ready, 0 of those that are kept."""
        key = json.dumps(request["requests"], sort_keys=True)
        kept = [each for instances in self._kept.values() for each in instances]
        started, seconds = not request["keep_bytes"] or key not in self._kept, [0.0]
        if started and sum(each.resident_bytes() for each in kept) >= request["keep_bytes"]:
            self.close({})
        self._instances = self._kept.setdefault(key, [])
        if started:
            deadline = monotonic() + request["seconds"]
            for number, each in enumerate(request["requests"], 1):
                self._instances.append(Instance(f"instance {number} of {request['name']}", each))
            seconds = [instance.wait(deadline) for instance in self._instances]
        self._lanes = [lane for each in self._instances for lane in each.lanes]
        pids = [each.pid for each in self._instances]
        return {"pids": pids, "call_seconds": max(seconds), "started": started}

    def close(self, _: Mapping[str, Any]) -> None:
        for instances in self._kept.values():
            for instance in instances:
                instance.close()
        self._kept, self._instances, self._lanes = {}, [], []

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Each of `calls`, samples (N, B), in turns, to each of `lanes`, their numbers, at the same
        time: seconds until the last of them answered each; outputs (lanes, N, B, C) go to `file`.
        Raises WorkerFailed as `run`."""
        lanes, outputs, seconds = [self._lanes[n] for n in request["lanes"]], [], []
        columns = 0
        for samples in request["calls"]:
            start = perf_counter()
            for lane in lanes:
                lane.send(samples)
            for lane in lanes:
                found = lane.answer(len(samples), columns, request["patience_seconds"]).body
                columns = found.shape[1]
                outputs.append(found)
            seconds.append(perf_counter() - start)
        shape = len(request["calls"]), len(lanes), *outputs[0].shape
        np.savez(request["file"], outputs=np.reshape(outputs, shape).swapaxes(0, 1))
        return {"seconds": seconds}

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Play a `scenario` over `samples` samples on the first `lanes`; arrays go to `file`.

        LoadGen's logs are beside `file` as long as it runs: whoever made that folder removes them
        where this process ends.

        Raises WorkerFailed where an instance dies, answers in another shape, or is silent for
        `patience_seconds`: LoadGen cannot be stopped then, so this process is of no use any more.
        """
        scenario = Scenario.from_json(request["scenario"])
        ended = threading.Event()
        dispatcher = Dispatcher(
            self._lanes[: request["lanes"]],
            request["window_seconds"],
            request["batches"],
            complete,
            one_of_each(max(1, scenario.queries // KEPT), scenario.seed),
            ended.set,
            request["patience_seconds"],
        )
        found: list[Queries | Exception] = []

        def play() -> None:
            try:
                folder = Path(request["file"]).parent
                found.append(generate(scenario, request["samples"], dispatcher.issue, folder))
            except Exception as error:
                found.append(error)
            ended.set()

        cpu, start = time.process_time(), perf_counter()
        threading.Thread(target=play, daemon=True).start()
        ended.wait()
        if dispatcher.failure:
            raise dispatcher.failure
        wall, cpu = perf_counter() - start, time.process_time() - cpu
        served = dispatcher.close()
        queries = found[0]
        if isinstance(queries, Exception):
            raise queries
        arrays = {**asdict(queries), **asdict(served)}
        verdicts = {name: arrays.pop(name) for name in ("valid", "early_stopping")}
        plain: dict[str, Any] = {name: np.asarray(each) for name, each in arrays.items()}
        np.savez(request["file"], **plain)
        memory = [each.resident_bytes() for each in self._instances]
        return {**verdicts, "seconds": wall, "cpu_seconds": cpu, "resident_bytes": memory}


def main() -> None:
    """Answer requests until stdin ends. Leaves at once: LoadGen's threads may be waiting still."""
    die_before_parent()
    service = Generator()
    code = 1
    try:
        verbs = {"open": service.open, "ask": service.ask, "run": service.run}
        code = serve({**verbs, "close": service.close})
    finally:
        service.close({})
        os._exit(code)


if __name__ == "__main__":
    main()
