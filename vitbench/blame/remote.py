"""The search's end of a warm worker: what kills it is a refusal."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vitbench.blame.trial import Refusal, Trial
from vitbench.build.memory import default_limit
from vitbench.case import Case
from vitbench.duet.conversation import Conversation
from vitbench.errors import WorkerFailed
from vitbench.judge.agreement import Agreement
from vitbench.measure.options import Options

COMMAND = (sys.executable, "-P", "-m", "vitbench.blame.worker")
OPENING_SECONDS = 600.0  # the model is read, and float32 answers all images


class RemoteBench:
    """As `Bench`, in a process of its own, which is gone when the `with` block ends. Raises as
    `Bench` does, and WorkerFailed where the process cannot open the case."""

    def __init__(self, options: Options, case: Case, say: Callable[[str], None]) -> None:
        self.options, self.case, self._say = options, case, say
        self._worker: Conversation | None = None
        self.layers: tuple[str, ...] = ()
        self.clusters: tuple[str, ...] = ()

    def __enter__(self) -> "RemoteBench":
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker:
            self._worker.close()

    def _open(self) -> Conversation:
        # Not resolved: a link to the package leads into a folder with another torch.
        root = Path(__file__).absolute().parents[2]
        name = f"the process that builds recipes of {self.case.id}"
        most = self.options.build_memory_bytes or default_limit()
        self._worker = worker = Conversation(name, COMMAND, root, memory_bytes=most)
        request = {"verb": "open", "options": self.options.to_json(), "case": self.case.id}
        try:
            found = worker.ask(request, OPENING_SECONDS + self.options.build_seconds)
        except BaseException:
            worker.close()
            raise
        self.layers, self.clusters = tuple(found["layers"]), tuple(found["clusters"])
        return worker

    def _asked(self, request: dict[str, Any]) -> Any:
        if self._worker is None or self._worker.closed:
            self._say("the process that builds recipes is started again")
            self._open()
        assert self._worker is not None
        return self._worker.ask(request, OPENING_SECONDS + self.options.build_seconds)

    def ask(self, floats: frozenset[str], rows: Sequence[int]) -> Trial | Refusal:
        """Measures the recipe with these layers in float on the images of these numbers."""
        request = {"verb": "ask", "floats": sorted(floats), "rows": list(rows)}
        try:
            found = self._asked(request)
        except WorkerFailed as error:
            return Refusal(floats, str(error))
        if found.pop("kind") == "Refusal":
            return Refusal(floats, found["reason"])
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
        """Seconds of calls with these layers in float, and of the recipe as it is, in pairs."""
        mixed, plain = self._asked({"verb": "price", "floats": list(floats), "seconds": seconds})
        return mixed, plain
