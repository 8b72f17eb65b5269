"""The search's end of a warm worker: what kills it is a refusal."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from typing import Any

from vitbench.blame.scratch import scratch
from vitbench.blame.trial import Refusal, Trial
from vitbench.build.memory import default_limit
from vitbench.case import Case
from vitbench.duet.conversation import Conversation
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.judge.agreement import Agreement
from vitbench.measure.options import Options
from vitbench.measure.timing_lock import timing_alone

COMMAND = (sys.executable, "-P", "-m", "vitbench.blame.worker")
OPENING_SECONDS = 600.0  # the model is read, and float32 answers all images
MUCH_LONGER, LEAST_SECONDS = 10.0, 60.0
"""A recipe that takes so many times as long as any before it, and so long, hangs."""


class RemoteBench:
    """As `Bench`, in a process of its own, which is gone when the `with` block ends. Raises as
    `Bench` does, and WorkerFailed where the process cannot open the case."""

    def __init__(self, options: Options, case: Case, say: Callable[[str], None]) -> None:
        self.options, self.case, self._say = options, case, say
        self._worker: Conversation | None = None
        self._folder: Path | None = None
        self._ends = ExitStack()
        self._image_seconds = 0.0  # of the slowest recipe, the build included
        self.layers: tuple[str, ...] = ()
        self.clusters: tuple[str, ...] = ()

    def __enter__(self) -> "RemoteBench":
        with ExitStack() as ends:
            self._folder = ends.enter_context(scratch())
            ends.callback(self._close)
            for remark in self._open():
                self._say(remark)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _close(self) -> None:
        if self._worker:
            self._worker.close()

    def _open(self) -> list[str]:
        """Starts the process. Returns what a user must know of the weights and images."""
        assert self._folder is not None
        for left in self._folder.glob("*/"):  # by a process that was killed
            rmtree(left, ignore_errors=True)
        # Not resolved: a link to the package leads into a folder with another torch.
        root = Path(__file__).absolute().parents[2]
        name = f"the process that builds recipes of {self.case.id}"
        most = self.options.build_memory_bytes or default_limit()
        self._worker = worker = Conversation(name, COMMAND, root, memory_bytes=most)
        request = {
            "verb": "open",
            "options": self.options.to_json(),
            "case": self.case.id,
            "folder": str(self._folder),
        }
        try:
            found = worker.ask(request, self._most_seconds)
        except BaseException:
            worker.close()
            raise
        self.layers, self.clusters = tuple(found["layers"]), tuple(found["clusters"])
        return list(found["remarks"])

    @property
    def _most_seconds(self) -> float:
        return OPENING_SECONDS + self.options.build_seconds

    def _asked(self, request: dict[str, Any], seconds: float) -> Any:
        if self._worker is None or self._worker.closed:
            self._say("the process that builds recipes is started again")
            self._open()
        assert self._worker is not None
        return self._worker.ask(request, seconds)

    def ask(self, floats: frozenset[str], rows: Sequence[int]) -> Trial | Refusal:
        """Measures the recipe with these layers in float on the images of these numbers."""
        request = {"verb": "ask", "floats": sorted(floats), "rows": list(rows)}
        most = self._most_seconds
        if self._image_seconds:
            most = min(most, LEAST_SECONDS + MUCH_LONGER * self._image_seconds * len(rows))
        try:
            found = self._asked(request, most)
        except (WorkerFailed, UserError, Unavailable) as error:  # also of a process started again
            return Refusal(floats, str(error))
        if found.pop("kind") == "Refusal":
            return Refusal(floats, found["reason"])
        self._image_seconds = max(self._image_seconds, found["seconds"] / max(1, len(rows)))
        return Trial(
            floats=floats,
            agreement=Agreement(**found["agreement"]),
            delta_square=tuple(found["delta_square"]),
            hits=tuple(found["hits"]),
            clusters=tuple(found["clusters"]),
            seconds=found["seconds"],
            build_seconds=found["build_seconds"],
        )

    def price(self, floats: Sequence[str], seconds: float) -> tuple[list[float], list[float]]:
        """Seconds of calls with these layers in float, and of the recipe as it is, in pairs, alone
        on this machine: `say` hears what is waited for."""
        self._asked({"verb": "pair", "floats": list(floats)}, self._most_seconds)
        with timing_alone(self._say):
            request = {"verb": "price", "seconds": seconds}
            mixed, plain = self._asked(request, self._most_seconds)
        return mixed, plain
