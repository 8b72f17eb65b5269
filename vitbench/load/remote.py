"""The session's end of a generator: it opens arrangements and plays scenarios."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.duet.conversation import Conversation
from vitbench.load.load_run import LoadRun
from vitbench.load.scenario import SERVER, Scenario

COMMAND = (sys.executable, "-P", "-m", "vitbench.load.generator")
OPENING_SECONDS = 600.0
SLACK_SECONDS = 120.0  # beyond what a run should take: a queue may grow
PATIENCE = 20.0  # so many calls long nothing is answered before an instance is given up
LEAST_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Ask:
    """What a run needs beside its scenario: how many `lanes` take part, the batching, how many
    samples, and the seconds of one call, by which it is known who is silent."""

    lanes: int
    samples: int
    call_seconds: float
    window_seconds: float = 0.0
    batches: tuple[int, ...] = (1,)


class RemoteGenerator:
    """A generator in a process of its own, gone with its instances when the `with` block ends.

    Every method raises WorkerFailed where an instance or the generator dies or stops answering;
    UserError and Unavailable as an instance raised them. After a failed run it is closed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.pids: list[int] = []
        self._call_seconds = 0.0

    def __enter__(self) -> "RemoteGenerator":
        # Not resolved: a link to the package leads into a folder with another torch.
        root = Path(__file__).absolute().parents[2]
        self._folder = tempfile.TemporaryDirectory()
        self._worker = Conversation(f"the generator of load of {self.name}", COMMAND, root)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()
        self._folder.cleanup()

    def open(self, requests: Sequence[Mapping[str, Any]], keep_bytes: int = 0) -> bool:
        """Serve by an instance for each request (serve.py). Those of before end, unless all of them
        take less than `keep_bytes`. Returns whether these were started, or kept from before."""
        request = {
            "verb": "open",
            "name": self.name,
            "requests": [dict(each) for each in requests],
            "keep_bytes": keep_bytes,
            "seconds": OPENING_SECONDS,
        }
        found = self._ask(request, 2 * OPENING_SECONDS)
        self.pids = found["pids"]
        self._call_seconds = max(self._call_seconds, found["call_seconds"])
        return bool(found["started"])

    def ask(self, lane: int, samples: Sequence[int]) -> tuple[list[float], NDArray[np.float32]]:
        """Seconds of each call of one sample by one lane, and outputs (N, C)."""
        seconds, outputs = self.ask_each([lane], [[each] for each in samples])
        return seconds, outputs[0, :, 0]

    def ask_each(
        self, lanes: Sequence[int], calls: Sequence[Sequence[int]], patience_seconds: float = 0.0
    ) -> tuple[list[float], NDArray[np.float32]]:
        """Calls of as many samples each (N, B), by all these lanes at the same time: seconds until
        the last of them answered, and outputs (lanes, N, B, C)."""
        file = Path(self._folder.name, "asked.npz")
        patience = patience_seconds or _patience(self._call_seconds)
        request = {
            "verb": "ask",
            "lanes": list(lanes),
            "calls": [list(each) for each in calls],
            "patience_seconds": patience,
            "file": str(file),
        }
        found = self._ask(request, OPENING_SECONDS + patience)
        with np.load(file, allow_pickle=False) as arrays:
            return found["seconds"], arrays["outputs"]

    def warm(self, lanes: int, size: int) -> None:
        """Make each of the first lanes ready for calls of so many samples, which may compile."""
        self.ask_each(range(lanes), [[0] * size], OPENING_SECONDS)

    def run(self, scenario: Scenario, ask: Ask) -> LoadRun:
        """Play a scenario."""
        file = Path(self._folder.name, "run.npz")
        usual = scenario.queries * ask.call_seconds
        if scenario.kind == SERVER:
            usual = max(usual, scenario.queries / scenario.rate)
        patience = _patience(ask.call_seconds * max(ask.batches))
        request = {
            "verb": "run",
            "scenario": scenario.to_json(),
            "lanes": ask.lanes,
            "samples": ask.samples,
            "window_seconds": ask.window_seconds,
            "batches": list(ask.batches),
            "patience_seconds": patience,
            "file": str(file),
        }
        found = self._ask(request, 4 * usual + patience + SLACK_SECONDS)
        return LoadRun.read(scenario, file, found)

    def _ask(self, request: dict[str, Any], seconds: float) -> Any:
        try:
            return self._worker.ask(request, seconds)
        except BaseException:
            self._worker.close()
            raise


def _patience(call_seconds: float) -> float:
    """How long an instance may answer nothing."""
    return max(LEAST_PATIENCE_SECONDS, PATIENCE * call_seconds)
