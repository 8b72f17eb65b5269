"""One case under load: the search over arrangements, the estimate and the proof."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.case import Case
from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun, Proof
from vitbench.load.measurement import LoadMeasurement, Tried, notes_of
from vitbench.load.remote import Ask, RemoteGenerator
from vitbench.load.samples import Samples
from vitbench.load.scenario import OFFLINE, PROOF_QUERIES, SERVER, SINGLE_STREAM, Scenario
from vitbench.measure.measurement import Subject
from vitbench.measure.remembering import Repeated, repeated_image
from vitbench.stats.queueing import highest_rate

if TYPE_CHECKING:
    from vitbench.load.measuring import Loads

SINGLE_SECONDS, OFFLINE_SECONDS, SERVER_SECONDS = 1.5, 1.0, 5.0
PROOF_SECONDS, MOST_SECONDS = 30.0, 30.0
LEAST, MOST = 12, 2000  # queries of a run
WORTH = 1.05  # a batch twice as large must bring so much more, or no larger one is tried
STEPS = (1.0, 0.85, 0.7, 0.5)
"""Shares of the simulated rate that are run, until one keeps the bound."""
PROOF_SHARE = 0.9
"""Of the estimate, which lies at the bound: a rate there is proven half of the time."""


class LoadSearch:
    """One case: the steps of its measurement, which share a generator and the samples."""

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
        self._own: list[NDArray[np.float32]] = []
        self._open: Arrangement | None = None
        self._seconds = samples.call_seconds
        self._singles: dict[Arrangement, LoadRun] = {}
        self._compared = 0

    def measured(self, limit: float, waited_seconds: float) -> LoadMeasurement:
        settings, case = self._loads.settings, self._case
        chosen = self._loads.arrangements(case, self._bound_ms)
        tried = self._search(chosen)
        best = max(tried, key=lambda each: (each.rate, each.images_per_second))
        self.ready(best.arrangement)
        repeated = self.require_no_memory()
        runs = list(self._server_runs(best))
        estimate = runs[-1] if runs and runs[-1].keeps_bound else None
        again = self._server(best, estimate.scenario) if estimate else None
        proof = self._proof(best, estimate) if estimate and settings.proof else None
        single_at, single = min(self._singles.items(), key=lambda each: each[1].tail_seconds)
        found = LoadMeasurement(
            subject=Subject(case, self._loads.session.artifact(case)),
            agreement=self._loads.session.verified(case).agreement,
            bound_ms=self._bound_ms,
            bound_words=self._bound_words,
            tried=tried,
            best=best,
            single=single,
            single_arrangement=single_at,
            offline=max(tried, key=lambda each: each.images_per_second),
            runs=runs,
            again=again,
            proof=proof,
            compared=self._compared,
            repeated=repeated,
            generator_limit=limit,
            photo=self._samples.photo,
            waited_seconds=waited_seconds,
        )
        return replace(found, notes=tuple(notes_of(found)))

    def _search(self, chosen: list[Arrangement]) -> list[Tried]:
        """Every arrangement, tried. Those of as many threads share the largest one's processes;
        SingleStream is not of streams where there is anything else."""
        tried: list[Tried] = []
        plain = any(not each.streams for each in chosen)
        for _, group in groupby(sorted(chosen, key=_order), key=lambda each: _order(each)[:2]):
            together = list(group)
            largest = together[-1]
            self.ready(replace(largest, window_ms=max(each.window_ms for each in together)))
            alone = replace(largest, instances=1, window_ms=0.0)
            if alone not in self._singles and not (largest.streams and plain):
                queries = _count(SINGLE_SECONDS, self._seconds)
                self._singles[alone] = self.play(Scenario(SINGLE_STREAM, queries, 1), alone)
            for lanes, alike in groupby(together, key=lambda each: each.lanes):
                tried += self._tried(lanes, list(alike))
        return tried

    def _tried(self, lanes: int, alike: list[Arrangement]) -> Iterator[Tried]:
        """Arrangements that differ by their window alone: their services are measured once."""
        bound = self._bound_ms / 1000
        services: dict[int, list[float]] = {}
        speeds: dict[int, float] = {}
        for size in max((each.batches for each in alike), key=len):
            least = 3 * lanes * size
            queries = _count(OFFLINE_SECONDS, self._seconds / lanes, least)
            run = self.play(Scenario(OFFLINE, queries, 1), alike[0], (size,))
            services[size] = [float(each) for each in run.occupied[run.size == size]]
            speeds[size] = run.images_per_second
            if size > 1 and speeds[size] < WORTH * speeds[size // 2]:
                break  # nor will a larger one
        for each in alike:
            usable = {size: services[size] for size in each.batches if size in services}
            rate = highest_rate(usable, lanes, bound, each.window_seconds)
            speed = max(speeds[size] for size in usable)
            yield Tried(each, tuple(usable), speed, median(services[1]), rate)

    def ready(self, arrangement: Arrangement) -> None:
        """Serve by this arrangement; each of its processes must answer as verified."""
        fits = self._open is not None and (
            (self._open.streams, self._open.threads) == (arrangement.streams, arrangement.threads)
            and self._open.instances >= arrangement.instances
            and len(self._open.batches) >= len(arrangement.batches)
        )
        if fits:
            return
        requests = self._loads.requests(self._case, arrangement, self._samples)
        self._loads.session.say(f"loading {self._case.id} as {arrangement}")
        self.generator.open(requests)
        self._open, self._own = arrangement, []
        what = "stream" if arrangement.streams else "instance"
        for number in range(arrangement.lanes):
            for _ in range(2):
                seconds, answers = self.generator.ask(number, range(self._samples.known))
                self._samples.check.own(answers, f"{what} {number + 1} of {arrangement}")
                self._own.append(answers)
                self._seconds = median(seconds)

    def require_no_memory(self) -> Repeated:
        """MLPerf's TEST04 of what serves now, on as many new images as there is time for. Raises
        WrongOutputs where it remembers images."""
        most = max(8, int(4 * SINGLE_SECONDS / self._seconds / 2))
        new = self._samples.new[:most]
        return repeated_image(self._case.id, self._asked, self._samples.repeated, new)

    def _asked(self, samples: Any) -> list[float]:
        return self.generator.ask(0, samples)[0]

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
        asked = Ask(lanes, known, self._seconds, window_seconds, (1, *batches))
        run = self.generator.run(scenario, asked)
        check, alone = self._samples.check, batches == (1,)
        self._compared += check.timed(list(run.samples), run.outputs, self._own, alone)
        return run

    def _server_runs(self, best: Tried) -> Iterator[LoadRun]:
        """At the simulated rate; at lower ones where that does not keep the bound."""
        seed = self._loads.seed
        for share in STEPS if best.rate else ():
            rate = share * best.rate
            bound = self._bound_ms / 1000
            run = self._server(best, Scenario(SERVER, queries_at(rate), seed, rate, bound))
            yield run
            if run.keeps_bound:
                return

    def _server(self, best: Tried, scenario: Scenario) -> LoadRun:
        window = best.arrangement.window_seconds
        return self.play(scenario, best.arrangement, best.batches, window)

    def _proof(self, best: Tried, estimate: LoadRun) -> Proof:
        """One run at a fixed rate with a fresh seed: no step of the search counts."""
        rate = PROOF_SHARE * estimate.scenario.rate
        queries = max(PROOF_QUERIES, int(PROOF_SECONDS * rate))
        seed = random.SystemRandom().getrandbits(31)
        self._loads.session.say(f"proving {self._case.id} at {rate:.3g}/s: {queries:,} queries")
        scenario = Scenario(SERVER, queries, seed, rate, self._bound_ms / 1000)
        return Proof(self._server(best, scenario), PROOF_QUERIES)


def _order(arrangement: Arrangement) -> tuple[int, int, int, float]:
    """What differs in the first two wants processes of its own. Last come those of one thread,
    which are the best most often: they run still when the best is chosen."""
    each = arrangement
    return -each.streams, -each.threads, each.instances, each.window_ms


def queries_at(rate: float) -> int:
    """How many queries estimate what a server does at a rate: SERVER_SECONDS of them, and 100 for
    the sake of a 99th percentile, but never more than take MOST_SECONDS."""
    least = min(100, int(MOST_SECONDS * rate))
    return _count(SERVER_SECONDS, 1 / rate, max(LEAST, least))


def _count(seconds: float, each: float, least: int = LEAST) -> int:
    return max(least, min(MOST, int(seconds / each)))
