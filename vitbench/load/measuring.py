"""Cases under load: the bound, the generator's own limit, and what each case is served by."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.build.full_disk import temporary_space
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.load.arrangement import AUTO, Arrangement, own_cores, wanted
from vitbench.load.measurement import LoadMeasurement
from vitbench.load.photo_samples import make_photo_samples
from vitbench.load.remote import Ask, RemoteGenerator
from vitbench.load.samples import OF_TENSORS, LoadSamples, Samples, make_samples
from vitbench.load.scenario import SERVER, Scenario
from vitbench.load.search import LoadSearch
from vitbench.measure.clock import BusyClock
from vitbench.measure.session import Session
from vitbench.measure.timing_lock import timing_alone
from vitbench.report.loaded import NAMED_BOUND
from vitbench.runtimes import has_streams

BOUND_MS = 15.0
CALLS_OF_BOUND = 2
CALLS = 9
LIMIT_QUERIES, LIMIT_RATE = 4000, 50_000.0
NOTHING = "vitbench.load.answers:nothing"


@dataclass(frozen=True)
class LoadSettings:
    """What the user chose: `--arrangement`, `--latency-bound` in ms (None: of the model),
    `--load-proof`, and `--load-samples`."""

    arrangement: str = AUTO
    bound_ms: float | None = None
    proof: bool = False
    samples: LoadSamples = OF_TENSORS


class Loads:
    """Measures cases of one session under load. A model's bound and the generator's limit are
    measured once. All cases see the arrivals of one `seed`, stretched to their rates."""

    def __init__(self, session: Session, settings: LoadSettings) -> None:
        self.session, self.settings = session, settings
        self.cores = own_cores()
        self.seed = random.SystemRandom().getrandbits(31)
        self._bounds: dict[tuple[str, str], tuple[float, str]] = {}
        self._limit = 0.0

    def measure(self, case: Case) -> LoadMeasurement:
        """Verify a case, find its best arrangement, and run it at the rate of a simulated queue.

        Raises UserError where the case is BROKEN or the arrangement does not fit, WrongOutputs
        where it answers otherwise than verified or remembers images, WorkerFailed where a process
        dies or stops answering; Unavailable as the session does.
        """
        with self.opened(case) as (search, waited_seconds):
            return search.measured(self.limit(search.generator), waited_seconds)

    @contextmanager
    def opened(self, case: Case) -> Iterator[tuple[LoadSearch, float]]:
        """A verified case with a generator of its own, alone on this machine, and the seconds that
        were waited for that. Raises as `measure`."""
        session = self.session
        if session.recipe(case).served:
            raise Unavailable("a running server has an arrangement of its own: no other is tried")
        self.arrangements(case, BOUND_MS)  # before any work
        session.first_loads.prove(case, lambda: timing_alone(session.say))
        session.verified(case)
        with (
            timing_alone(session.say) as waited,
            tempfile.TemporaryDirectory() as folder,
            temporary_space(Path(folder)),
            RemoteGenerator(case.id) as generator,
        ):
            samples = self._samples(case, Path(folder))
            yield LoadSearch(self, generator, case, samples, *self.bound(case)), waited

    def _samples(self, case: Case, folder: Path) -> Samples:
        asked = self.settings.samples
        if asked.photo:
            return make_photo_samples(self.session, case, folder, asked.front)
        return make_samples(self.session, case, folder)

    def arrangements(self, case: Case, bound_ms: float) -> list[Arrangement]:
        """What is tried of a case. Raises UserError as `wanted`, and Unavailable where streams are
        asked for and the runtime has none."""
        recipe = self.session.recipe(case)
        able = has_streams(recipe, case.device)
        found = wanted(self.settings.arrangement, self.cores, bound_ms, able)
        if not able and any(each.streams for each in found):
            raise Unavailable(
                f"--arrangement={self.settings.arrangement}: {recipe.runtime} has no streams of "
                f"its own on {case.device}: name instances, such as 2x1, or auto"
            )
        return found

    def bound(self, case: Case) -> tuple[float, str]:
        """The bound in ms that all variants of a model have on a device, and where it is from."""
        if self.settings.bound_ms is not None:
            return self.settings.bound_ms, NAMED_BOUND
        key = case.model, case.device
        if key not in self._bounds:
            reference = replace(case, variant=self.session.options.reference)
            call_ms = 1000 * self._single_call(reference)
            bound = max(BOUND_MS, float(np.ceil(CALLS_OF_BOUND * call_ms)))
            words = (
                f"{CALLS_OF_BOUND} calls of {reference.variant}, {call_ms:.3g} ms each"
                if bound > BOUND_MS
                else f"default; a call of {reference.variant} takes {call_ms:.3g} ms"
            )
            self._bounds[key] = bound, words
            self.session.say(f"{case.model}: latency bound {bound:g} ms ({words})")
        return self._bounds[key]

    def _single_call(self, case: Case) -> float:
        """Seconds of the quickest of CALLS: other programs only make a call longer."""
        deployment, clock = self.session.deployment(case), BusyClock()
        with deployment.active():
            staged = deployment.stage(self.session.first_batch(case))
            return min([clock.call(deployment, staged)[1] for _ in range(2 + CALLS)][2:])

    def limit(self, generator: RemoteGenerator) -> float:
        """Queries a second that the generator sends and takes back where answers cost nothing."""
        if not self._limit:
            request = {"answer": NOTHING}
            pins = [{**request, "cores": [core]} for core in self.cores[:2]]
            generator.open(pins)
            scenario = Scenario(SERVER, LIMIT_QUERIES, 1, LIMIT_RATE, 1.0)
            run = generator.run(scenario, Ask(len(pins), 1, 1e-4))
            self._limit = run.queries / float((run.due + run.latency).max())
            self.session.say(f"the generator of load alone sends {self._limit:,.0f} queries/s")
        return self._limit

    def requests(
        self, case: Case, arrangement: Arrangement, samples: Samples
    ) -> list[dict[str, Any]]:
        """What the instances of an arrangement are to serve."""
        placement = replace(self.session.placement(case), threads=arrangement.threads)
        return [
            {
                **placement.to_json(),
                **samples.request,
                "cores": list(cores),
                "streams": arrangement.streams,
            }
            for cores in arrangement.pins(self.cores)
        ]
