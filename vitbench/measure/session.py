"""One run of vitbench: its models, samples, artifacts, deployments and verifications.

Knows the order of the steps (build once, verify, then hand over for timing) and nothing of pytest;
the fixtures and the command line both stand on it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench import environment
from vitbench.build import identity
from vitbench.build.artifacts import Artifact, ArtifactCache
from vitbench.build.memory import default_limit
from vitbench.build.pool import Pool
from vitbench.build.worker import WorkerFailed, ask
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.judge.agreement import Agreement, doomed, judge_agreement
from vitbench.measure.agreement import compare, logits_of, unpacked
from vitbench.measure.first_load import FirstLoads
from vitbench.measure.footprint import profile
from vitbench.measure.inputs import Inputs
from vitbench.measure.options import Options
from vitbench.measure.peak import peaks
from vitbench.measure.sample import Photo, Sample
from vitbench.measure.stages import usual_seconds
from vitbench.models import Model, flops, load_model
from vitbench.runtimes import RUNTIMES, Deployment, Placement, Variant, load, variant
from vitbench.runtimes.catalogue import declared

# The variant that predictions are compared with, whatever the reference for time is.
AGREEMENT_REFERENCE = "fp32"
PROFILED = 20  # operators that a report keeps


@dataclass(frozen=True)
class Verification:
    """An agreement, and what was measured for it (per image: top-1 and margin). `first_output` is
    the logits (N, C) of the first batch."""

    agreement: Agreement
    measured: dict[str, Any]
    first_output: NDArray[np.float32]


class Session:
    """Everything is made when it is first asked for, and once.

    `say` receives a line whenever something long begins or ends. An `isolated` session loads a case
    that was never loaded here in a process of its own first: a crash there costs the case alone.
    """

    def __init__(
        self,
        options: Options,
        say: Callable[[str], None] = lambda _: None,
        isolated: bool = False,
    ) -> None:
        self.options = options
        self.say = say
        self.isolated = isolated
        self.cache = ArtifactCache(options.cache, options.rebuild, options.cache_limit_bytes, say)
        self.artifacts: dict[Case, Artifact] = {}
        self._unbuilt: dict[Case, Unavailable | WorkerFailed] = {}
        self._models: dict[str, Model] = {}
        self._flops: dict[str, int] = {}
        self._peaks: dict[str, dict[str, float]] = {}
        self._preprocess_seconds: dict[tuple[str, int], float] = {}
        self._verified: dict[tuple[Case, Case], Verification] = {}
        self._pool = Pool(lambda case: load(self.placement(case)))
        self.inputs = Inputs(options, self.model, say)
        self.first_loads = FirstLoads(self.cache, self.placement, self._execution, self.first_batch)

    @cached_property
    def devices(self) -> tuple[str, ...]:
        return environment.devices(self.options.device)

    def model(self, name: str) -> Model:
        """The loaded model. Raises UserError where its source cannot be read."""
        if name not in self._models:
            import torch

            torch.set_num_threads(self.options.threads)
            spec = next(spec for spec in self.options.models if spec.name == name)
            self._models[name] = load_model(spec, self.options.weights)
        return self._models[name]

    @property
    def photos(self) -> list[Photo]:
        """What variants are judged on."""
        return self.inputs.photos

    def sample(self, name: str) -> Sample:
        """The photographs, preprocessed for a model."""
        return self.inputs.sample(name)

    def calibration(self, name: str) -> Sample:
        """Other photographs, for static int8."""
        return self.inputs.calibration(name)

    def first_batch(self, case: Case) -> NDArray[np.float32]:
        """What a case is timed on: the sample's first images, from the beginning again where it has
        fewer than a batch. Verification begins with them."""
        images = self.sample(case.model).images
        return np.take(images, range(case.batch), axis=0, mode="wrap")

    def preprocess_seconds(self, name: str, batch: int) -> float:
        """What a batch of photographs takes that are decoded already; measured once."""
        if (name, batch) not in self._preprocess_seconds:
            photos = [self.photos[number % len(self.photos)].read() for number in range(batch)]
            preprocess = self.model(name).preprocess
            self._preprocess_seconds[name, batch] = usual_seconds(
                lambda: [preprocess(photo) for photo in photos]
            )
        return self._preprocess_seconds[name, batch]

    def require(self, case: Case) -> Variant:
        """The variant of a case. Raises Unavailable, with the reason, where it cannot run here."""
        recipe = variant(case.variant)
        if reason := declared(recipe):
            raise Unavailable(reason)
        runtime = RUNTIMES[recipe.runtime]
        runtime.version()
        runtime.supports(recipe, case.device)
        return recipe

    def artifact(self, case: Case) -> Artifact:
        """The built file of a case, from the cache or from a process of its own.

        A build that failed is not tried again, for whatever batch or device.
        """
        key = Case(case.model, case.variant, "cpu", 1)  # one file serves every device and batch
        if isinstance(known := self._unbuilt.get(key), Unavailable):
            raise Unavailable(str(known))
        if known:
            raise WorkerFailed(f"{known} (it is not built again in this run)")
        if key not in self.artifacts:
            recipe, model = self.require(case), self.model(case.model)

            def build(path: Path) -> dict[str, Any]:
                self.say(f"building {case.model}/{case.variant}")
                start, images = monotonic(), None
                if recipe.calibrated:
                    images = path.with_name("calibration.npy")
                    np.save(images, self.calibration(case.model).images)
                request = {
                    "verb": "build",
                    "spec": asdict(model.spec),
                    "weights": self.options.weights,
                    "sha256": model.weights.sha256,
                    "variant": recipe.name,
                    "path": str(path),
                    "threads": self.options.threads,
                    "calibration": images and str(images),
                }
                answer = ask(
                    request,
                    self.options.build_seconds,
                    option="--build-seconds",
                    name=f"the build of {case.model}/{case.variant}",
                    memory_bytes=self.options.build_memory_bytes or default_limit(),
                )
                if images:
                    images.unlink()
                self.say(f"built {case.model}/{case.variant} in {monotonic() - start:.0f} s")
                return answer

            calibration = self.calibration(case.model).sha256 if recipe.calibrated else None
            try:
                self.artifacts[key] = self.cache.get(
                    identity.of_artifact(model, recipe, calibration),
                    RUNTIMES[recipe.runtime].suffix(recipe),
                    build,
                )
            except (Unavailable, WorkerFailed) as failure:
                self._unbuilt[key] = failure
                raise
        return self.artifacts[key]

    def deployment(self, case: Case, copy: int = 0) -> Deployment:
        """The loaded deployment of a case; `copy` 1 is a second one, for the null arm."""
        if self.isolated:
            self.first_loads.prove(case)
        return self._pool.get(Case(case.model, case.variant, case.device, 1), copy)

    def profile(self, case: Case, images: NDArray[np.float32]) -> list[dict[str, Any]]:
        """The operators of one call on `images`: name, seconds, calls; the slowest first.

        Empty where the session does not profile. Raises Unavailable where the runtime cannot.
        """
        if not self.options.profile:
            return []
        self.say(f"profiling {case.id}")
        return profile(case, self.placement(case), images)[:PROFILED]

    def flops(self, name: str) -> int:
        """Operations that one image takes in a model."""
        if name not in self._flops:
            self._flops[name] = flops(self.model(name))
        return self._flops[name]

    def peaks(self, device: str) -> dict[str, float]:
        """Operations per second of this machine's matrix products, measured once in a session."""
        if device not in self._peaks:
            self.say(f"measuring the peak of {device}")
            self._peaks[device] = peaks(device, self.options.threads)
        return self._peaks[device]

    @property
    def measured_peaks(self) -> dict[str, dict[str, float]]:
        """The peaks that this session has measured so far, by device and precision."""
        return self._peaks

    @property
    def loads(self) -> int:
        """How many deployments this session loaded."""
        return sum(self._pool.loads.values())

    def verify(self, case: Case, against: Case | None = None) -> Verification:
        """Whether a case keeps its limits against another one over the model's whole sample.

        `against` is the fp32 reference on the CPU at the same batch unless told otherwise.
        """
        against = against or Case(case.model, AGREEMENT_REFERENCE, "cpu", case.batch)
        if (case, against) not in self._verified:
            recipe, model = self.require(case), self.model(case.model)
            judged = identity.of_agreement(
                self._conditions(case),
                self._conditions(against),
                recipe,
                [label.name for label in model.labels],
                self.sample(case.model).clusters,
                model.weights.synthetic,
            )
            measured = self.cache.json(
                "agreement", judged, lambda: self._compare(case, against, recipe)
            )
            if against.variant == AGREEMENT_REFERENCE:
                self.inputs.doubt(case.model, measured["reference_top1"])
            subject = f"{case.variant} on {case.device}, batch {case.batch}"
            if against.variant != AGREEMENT_REFERENCE or against.batch != case.batch:
                subject += f", against {against.variant} on {against.device}, batch {against.batch}"
            agreement = judge_agreement(measured, recipe.limits, subject)
            first = unpacked(measured.pop("first_output"))
            self._verified[case, against] = Verification(agreement, measured, first)
        return self._verified[case, against]

    def logits(self, case: Case) -> NDArray[np.float32]:
        """Logits (N, C) of a case over its model's whole sample, batch by batch."""

        def compute() -> NDArray[np.float32]:
            return logits_of(self.deployment(case), self.sample(case.model).images, case.batch)

        return self.cache.array("logits", self._conditions(case), compute)

    def _compare(self, case: Case, against: Case, recipe: Variant) -> dict[str, Any]:
        model, sample = self.model(case.model), self.sample(case.model)
        reference, deployment = self.logits(against), self.deployment(case)
        self.say(f"verifying {case.id} on {len(sample.ids)} images")
        spoken = monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal spoken
            if monotonic() - spoken > 10:
                spoken = monotonic()
                self.say(f"verifying {case.id}: {done} of {total}")

        return compare(
            deployment,
            sample,
            reference,
            case.batch,
            [label.name for label in model.labels],
            model.weights.synthetic,
            lambda measured: doomed(measured, recipe.limits),
            progress,
        )

    def placement(self, case: Case) -> Placement:
        """The built file of a case, and where and how this session executes it."""
        recipe, path = self.require(case), self.artifact(case).path
        architecture = self.model(case.model).architecture
        return Placement(path, recipe, case.device, architecture, self.options.threads)

    def _execution(self, case: Case) -> dict[str, Any]:
        """What loading and calling a case depends on: the images do not matter."""
        recipe, sha256 = self.require(case), self.artifact(case).sha256
        return identity.of_logits(case, recipe, sha256, "", self.options.threads)

    def _conditions(self, case: Case) -> dict[str, Any]:
        return identity.of_logits(
            case,
            self.require(case),
            self.artifact(case).sha256,
            self.sample(case.model).sha256,
            self.options.threads,
        )
