"""One case under load: the search over arrangements, the estimate and the proof."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median

import numpy as np

from vitbench.load.arrangement import Arrangement
from vitbench.load.load_run import LoadRun, Proof
from vitbench.load.measurement import LoadMeasurement, Tried, notes_of
from vitbench.load.playing import Playing
from vitbench.load.scenario import OFFLINE, SERVER, SINGLE_STREAM, Scenario
from vitbench.measure.measurement import Subject
from vitbench.report.loaded import PROOF_QUERIES
from vitbench.stats.queueing import highest_rate

SINGLE_SECONDS, OFFLINE_SECONDS, SERVER_SECONDS = 1.5, 1.0, 5.0
SCREEN_SECONDS = 0.5  # of Offline, by which arrangements are compared; the best has OFFLINE_SECONDS
NEAR = 1.25  # instances whose calls take so many times as long as the fastest do have SingleStream
PROOF_SECONDS, MOST_SECONDS = 30.0, 30.0
LEAST, MOST = 12, 2000  # queries of a run
WORTH = 1.05  # a batch twice as large must bring so much more, or no larger one is tried
FINALISTS = 2  # are measured for OFFLINE_SECONDS at most: the best, and what is then the best
RUNS, STEP = 4, 0.85
"""A rate that breaks the bound is followed by STEP times that rate at most, in so many runs."""
PROOF_SHARE = 0.9
"""Of the estimate, which lies at the bound: a rate there is proven half of the time."""


@dataclass(frozen=True)
class Services:
    """Seconds of calls of one size under full load, and images a second of all of them."""

    seconds: Sequence[float]
    speed: float


class LoadSearch(Playing):
    """One case: the steps of its measurement."""

    def measured(self, limit: float, waited_seconds: float) -> LoadMeasurement:
        settings, case = self._loads.settings, self._case
        chosen = self._loads.arrangements(case, self._bound_ms)
        tried = self._search(chosen)
        finalists: list[Tried] = []
        while (best := max(tried, key=_carries)) not in finalists and len(finalists) < FINALISTS:
            self.ready(best.arrangement)
            finalists.append(self._measured(best))
            tried[tried.index(best)] = finalists[-1]
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
        SingleStream is not of streams where there is anything else, nor of slow instances."""
        tried: list[Tried] = []
        plain = any(not each.streams for each in chosen)
        for _, group in groupby(sorted(chosen, key=_order), key=lambda each: _order(each)[:2]):
            together = list(group)
            largest = together[-1]
            self.ready(largest)
            alone = replace(largest, instances=1, window_ms=0.0)
            singles = [float(np.median(each.latency)) for each in self._singles.values()]
            slow = singles and self._open.seconds > NEAR * min(singles)
            if not slow and not (largest.streams and plain):
                queries = _count(SINGLE_SECONDS, self._open.seconds)
                self._singles[alone] = self.play(Scenario(SINGLE_STREAM, queries, 1), alone)
            for _, alike in groupby(together, key=lambda each: each.lanes):
                tried += self._tried(list(alike))
        return tried

    def _tried(self, alike: list[Arrangement]) -> Iterator[Tried]:
        """Arrangements that differ by their window alone: their services are measured once."""
        services: dict[int, Services] = {}
        for size in max((each.batches for each in alike), key=len):
            services[size] = self._services(alike[0], size, SCREEN_SECONDS)
            if size > 1 and services[size].speed < WORTH * services[size // 2].speed:
                break  # nor will a larger one
        for each in alike:
            usable = {size: services[size] for size in each.batches if size in services}
            yield self._simulated(each, usable)

    def _measured(self, screened: Tried) -> Tried:
        """With services that take OFFLINE_SECONDS to measure."""
        each = screened.arrangement
        services = {x: self._services(each, x, OFFLINE_SECONDS) for x in screened.batches}
        return self._simulated(each, services)

    def _services(self, arrangement: Arrangement, size: int, seconds: float) -> Services:
        """Of calls of this size, under full load."""
        lanes = arrangement.lanes
        queries = _count(seconds, self._open.seconds / lanes, 3 * lanes * size)
        run = self.play(Scenario(OFFLINE, queries, 1), arrangement, (size,))
        return Services([float(x) for x in run.occupied[run.size == size]], run.images_per_second)

    def _simulated(self, each: Arrangement, services: Mapping[int, Services]) -> Tried:
        rate = self._carried(each, {size: found.seconds for size, found in services.items()})
        speed = max(found.speed for found in services.values())
        return Tried(each, tuple(services), speed, median(services[1].seconds), rate)

    def _carried(self, each: Arrangement, seconds: Mapping[int, Sequence[float]]) -> float:
        """The rate that a simulated queue with these services carries within the bound."""
        return highest_rate(seconds, each.lanes, self._bound_ms / 1000, each.window_seconds)

    def _server_runs(self, best: Tried) -> Iterator[LoadRun]:
        """At the simulated rate; where that breaks the bound, at a lower one, or at what the
        services of that very run carry, if that is less."""
        seed, rate = self._loads.seed, best.rate
        for _ in range(RUNS if rate else 0):
            bound = self._bound_ms / 1000
            run = self._server(best, Scenario(SERVER, queries_at(rate), seed, rate, bound))
            yield run
            if run.keeps_bound:
                return
            sizes = {int(size): run.occupied[run.size == size].tolist() for size in {1, *run.size}}
            carried = self._carried(best.arrangement, sizes) if sizes[1] else 0.0
            rate = min(STEP * rate, max(carried, rate / 2))

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


def _carries(each: Tried) -> tuple[float, float]:
    return each.rate, each.images_per_second


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
