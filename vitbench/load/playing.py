"""A case that is served by one arrangement after another, and what is played on it."""

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitbench.build.memory import default_limit
from vitbench.case import Case
from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun
from vitbench.load.remote import Ask, RemoteGenerator
from vitbench.load.samples import Samples
from vitbench.load.scenario import Scenario
from vitbench.measure.remembering import Repeated, repeated_image

if TYPE_CHECKING:
    from vitbench.load.measuring import Loads

CALLS = 5  # of each size, by which the rate of single calls is known
KEPT_SHARE = 4
"""Processes are kept for later as long as they take less than one of so many parts of memory."""


@dataclass
class _Serving:
    """The processes of `arrangement`: their answers to the known samples, one array each; the
    seconds of a call by all of them at the same time; and the sizes of calls that they are ready
    for."""

    arrangement: Arrangement
    own: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: float = 0.0
    warm: set[int] = field(default_factory=lambda: {1})


class Playing:
    """One case, its generator and its samples. The processes of earlier arrangements are kept, and
    each is checked once."""

    def __init__(
        self,
        loads: "Loads",
        generator: RemoteGenerator,
        case: Case,
        samples: Samples,
        bound_ms: float,
        bound_words: str,
    ) -> None:
        self.generator, self._loads, self._case, self._samples = generator, loads, case, samples
        self._bound_ms, self._bound_words = bound_ms, bound_words
        self._servings: dict[tuple[int, int], _Serving] = {}
        self._open = _Serving(Arrangement(0, 0))
        self._singles: dict[Arrangement, LoadRun] = {}
        self._compared = 0

    def ready(self, arrangement: Arrangement) -> None:
        """Serve by this arrangement, or a larger one of as many threads; each of its processes must
        answer as verified."""
        key = arrangement.streams, arrangement.threads
        serving = self._servings.get(key)
        if serving is None or serving.arrangement.instances < arrangement.instances:
            serving = self._servings[key] = _Serving(arrangement)
        if serving is self._open:
            return
        whole = serving.arrangement
        requests = self._loads.requests(self._case, whole, self._samples)
        if not serving.own:
            self._loads.session.say(f"loading {self._case.id} as {whole}")
        started = self.generator.open(requests, default_limit() // KEPT_SHARE)
        self._open = serving
        if not started:
            return
        serving.own, serving.warm = [], {1}
        calls = [[number] for number in range(self._samples.known)]
        seconds, answers = self.generator.ask_each(range(whole.lanes), calls)
        serving.seconds = median(seconds)
        what = "stream" if whole.streams else "instance"
        for number, each in enumerate(answers[:, :, 0], 1):
            self._samples.check.own(each, f"{what} {number} of {whole}")
            serving.own.append(each)

    def most_rate(self, arrangement: Arrangement) -> float:
        """Requests a second, if every lane of what serves now always had a call, of the size that
        is the best."""
        self._warm(arrangement.batches)
        lanes, known = range(arrangement.lanes), self._samples.known
        seconds = {1: self._open.seconds}
        for size in arrangement.batches[1:]:
            calls = [[(n + k) % known for k in range(size)] for n in range(CALLS)]
            seconds[size] = median(self.generator.ask_each(lanes, calls)[0])
        return arrangement.lanes * max(size / each for size, each in seconds.items())

    def require_no_memory(self) -> Repeated:
        """MLPerf's TEST04 of what serves now. Raises WrongOutputs where it remembers images."""
        return repeated_image(
            self._case.id, lambda each: self.generator.ask(0, each)[0], self._samples.new,
            self._open.seconds,
        )  # fmt: skip

    def _warm(self, batches: tuple[int, ...]) -> None:
        serving = self._open
        for size in sorted({*batches} - serving.warm):
            self.generator.warm(serving.arrangement.lanes, size)
            serving.warm.add(size)

    def play(
        self,
        scenario: Scenario,
        arrangement: Arrangement,
        batches: tuple[int, ...] = (1,),
        window_seconds: float = 0.0,
    ) -> LoadRun:
        """Play a scenario, and compare the outputs that were drawn. Without a window, calls of
        Offline have the largest of the `batches` but for the last ones."""
        known, lanes = self._samples.known, arrangement.lanes
        self._warm(batches)
        serving = self._open
        asked = Ask(lanes, known, serving.seconds, window_seconds, (1, *batches))
        run = self.generator.run(scenario, asked)
        check, alone = self._samples.check, batches == (1,)
        self._compared += check.timed(list(run.samples), run.outputs, serving.own, alone)
        return run
