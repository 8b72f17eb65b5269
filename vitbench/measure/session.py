"""One run of vitbench. It knows the order of the steps: build once, verify, hand over for timing.

It knows nothing of pytest; the fixtures, the command line and a duet's arms use it.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench import environment, team_code
from vitbench.build import identity
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.builds import Builds, BuildSettings
from vitbench.build.entry import Artifact
from vitbench.build.pool import Pool
from vitbench.case import Case
from vitbench.measure.first_load import FirstLoads
from vitbench.measure.footprint import counted, profile
from vitbench.measure.inputs import Inputs
from vitbench.measure.options import Options
from vitbench.measure.preprocessed import wrapped
from vitbench.measure.run_figures import RunFigures
from vitbench.measure.sample import Sample
from vitbench.measure.verification import Verification, Verifications, require_unbroken
from vitbench.models import Model, load_model
from vitbench.runtimes import Deployment, Placement, Variant, load
from vitbench.runtimes.catalogue import catalogue_of, require
from vitbench.structure import Structure

PROFILED = 20  # operators that a report keeps


class Session:
    """Everything is made when it is first asked for, and once.

    `say` receives a line whenever something long begins or ends. An `isolated` session loads a case
    that was never loaded here in a process of its own first: a crash there costs the case alone.
    Of a side of a duet with a work tree of its own, `trees` are as of build/strays.py. What cannot
    run here raises Unavailable.
    """

    def __init__(
        self,
        options: Options,
        say: Callable[[str], None] = lambda _: None,
        isolated: bool = False,
        trees: Mapping[str, str] | None = None,
    ) -> None:
        self.options, self.say, self.isolated = options, say, isolated
        self.catalogue = catalogue_of(options.project_variants)
        if options.import_roots:
            team_code.use(options.import_roots)
        self.cache = ArtifactCache(options.cache, options.rebuild, options.cache_limit_bytes, say)
        self.inputs = Inputs(options, self.model, say, self.cache)
        self.figures = RunFigures(options.threads, self.model, lambda: self.inputs.photos, say)
        self.builds = Builds(
            self.cache,
            BuildSettings(
                options.weights,
                options.threads,
                options.build_seconds,
                options.build_memory_bytes,
                tuple(map(str, options.import_roots)),
                options.tree,
                trees,
            ),
            self.require,
            self.model,
            self.inputs.calibration,
            say,
        )
        self.verifications = Verifications(
            self.cache,
            self.inputs,
            self.catalogue,
            self.model,
            self._conditions,
            self.deployment,
            say,
        )
        self.first_loads = FirstLoads(self.cache, self.placement, self._execution, self.first_batch)
        self.remembers_nothing: set[Case] = set()
        """Cases of the user's own code whose deployment was seen to answer anew each time."""
        self._models: dict[str, Model] = {}
        self._pool = Pool(lambda case: load(self.placement(case)))

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

    def recipe(self, case: Case) -> Variant:
        """The variant of a case. Raises UserError where there is none of that name."""
        return self.catalogue.variant(case.variant)

    def require(self, case: Case) -> Variant:
        """As `recipe`. Raises Unavailable, with the reason, where it cannot run here."""
        return require(self.recipe(case), case.device)

    def sample(self, name: str) -> Sample:
        """The photographs that variants are judged on, preprocessed for a model."""
        return self.inputs.sample(name)

    def first_batch(self, case: Case) -> NDArray[np.float32]:
        """What a case is timed on: the sample's first images, from the beginning again where it has
        fewer than a batch. Verification begins with them."""
        return wrapped(self.sample(case.model).images, 0, case.batch)

    def artifact(self, case: Case) -> Artifact:
        """The built file of a case. Raises as `Builds.artifact`."""
        return self.builds.artifact(case)

    def placement(self, case: Case) -> Placement:
        """The built file of a case, and where and how this session executes it."""
        artifact = self.artifact(case)
        recipe, path = artifact.completed(self.require(case)), artifact.path
        architecture = self.model(case.model).architecture
        roots = tuple(map(str, self.options.import_roots))
        return Placement(path, recipe, case.device, architecture, self.options.threads, roots)

    def deployment(self, case: Case, copy: int = 0) -> Deployment:
        """The loaded deployment of a case; `copy` 1 is a second one, for the null arm."""
        if self.isolated and not self.recipe(case).served:  # no code of a server runs here
            self.first_loads.prove(case)
        return self._pool.get(Case(case.model, case.variant, case.device, 1), copy)

    @property
    def loads(self) -> int:
        """How many deployments this session loaded."""
        return sum(self._pool.loads.values())

    def verify(self, case: Case, against: Case | None = None) -> Verification:
        """Whether a case keeps its limits. See `Verifications.verify`."""
        return self.verifications.verify(case, against)

    def verified(self, case: Case, against: Case | None = None) -> Verification:
        """As `verify`. Raises UserError where the limits are broken."""
        return require_unbroken(self.verify(case, against))

    def profile(self, case: Case, images: NDArray[np.float32]) -> list[dict[str, Any]]:
        """The operators of one call on `images`: name, seconds, calls; the slowest first.

        Empty where the session does not profile. Raises Unavailable where the runtime cannot.
        """
        if not self.options.profile:
            return []
        self.say(f"profiling {case.id}")
        return profile(case, self.placement(case), images)[:PROFILED]

    def structure(self, case: Case) -> Structure:
        """What one call executes, counted in a fresh process, which times nothing. Raises
        Unavailable where the runtime cannot count, and as `artifact`."""
        self.say(f"counting what {case.id} executes")
        artifact = self.artifact(case)
        return counted(case, self.placement(case), self.first_batch(case), artifact.bytes)

    def _execution(self, case: Case) -> dict[str, Any]:
        """What loading and calling a case depends on: the images do not matter."""
        return self._logits(case, "")

    def _conditions(self, case: Case) -> dict[str, Any]:
        """What the logits of a case depend on."""
        return self._logits(case, self.sample(case.model).key)

    def _logits(self, case: Case, sample: str) -> dict[str, Any]:
        recipe, sha256 = self.require(case), self.artifact(case).sha256
        code = self.model(case.model).architecture.get("code")
        threads, tree = self.options.threads, self.options.tree
        return identity.of_logits(case, recipe, sha256, sample, threads, code, tree)
