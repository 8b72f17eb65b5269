"""Recipes of one case with some layers in float: built, loaded and measured in this process.

A process for each would take many times as long as the recipe. What is built is not for the cache:
it goes when it was measured.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from vitbench.blame.trial import Refusal, Trial
from vitbench.build.full_disk import temporary_space
from vitbench.build.transform import built
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError, WorkerFailed, with_kind
from vitbench.heads import HEADS
from vitbench.judge.agreement import judge_agreement
from vitbench.measure.agreement import compare
from vitbench.measure.clock import BusyClock
from vitbench.measure.measuring import plain_rounds
from vitbench.measure.paired import PairedRounds
from vitbench.measure.preprocessed import only as images_only
from vitbench.measure.sample import Sample
from vitbench.measure.session import Session
from vitbench.runtimes import Deployment, Placement, Variant, load, runtime
from vitbench.runtimes.linear_layers import FLOAT_LAYERS
from vitbench.runtimes.parts import SharedParts
from vitbench.runtimes.takes import misfit

QUANTIZED = "quantized_names"
LEAST_ROUNDS = 60


def with_floats(recipe: Variant, floats: Sequence[str]) -> Variant:
    """The recipe with these layers in float, beside those that are so already."""
    if not floats:
        return recipe
    both = [*recipe.options.get(FLOAT_LAYERS, ()), *floats]
    return replace(recipe, options={**recipe.options, FLOAT_LAYERS: list(dict.fromkeys(both))})


class Bench:
    """Of one case, on the images that the session verifies on. Raises Unavailable where the case
    cannot run here, and UserError where its recipe has no int8 layers that an option frees. What
    is built lies in `folder`, the system's for temporary files unless given."""

    def __init__(self, session: Session, case: Case, folder: Path | None = None) -> None:
        self._session, self.case = session, case
        self.recipe = require_blamable(session.require(case))
        self._folder = TemporaryDirectory(prefix="vitbench-blame-", dir=folder)
        self._parts = SharedParts()
        self._pair: list[Placement] = []
        self._count = 0
        self._names: tuple[str, ...] | None = None

    @property
    def sample(self) -> Sample:
        return self._session.sample(self.case.model)

    def layers(self) -> tuple[str, ...]:
        """The int8 layers of the recipe, as the network names them. Raises UserError where there
        are none, or the runtime does not say which."""
        if self._names is None:
            placement, found = self.built(self.recipe)
            self.remove(placement)
            if QUANTIZED not in found:
                raise UserError(
                    f"{self.case.id}: the runtime {self.recipe.runtime} does not say which layers "
                    "of a model are int8, so none can be left in float"
                )
            self._names = tuple(found[QUANTIZED])
        if not self._names:
            raise UserError(f"{self.case.id}: the recipe has no int8 layer to leave in float")
        return self._names

    def read(self) -> None:
        """Has float32 answer all images now, so that no recipe's time has that in it."""
        self._session.verifications.logits(self._against)

    @property
    def _against(self) -> Case:
        return self.case.agreement_reference

    def ask(self, floats: frozenset[str], rows: Sequence[int]) -> Trial | Refusal:
        """Measures the recipe with these layers in float. A Refusal is the reason of the runtime,
        and a bug of this recipe alone: others may be measured still."""
        start = perf_counter()
        try:
            placement, _ = self.built(with_floats(self.recipe, self._ordered(floats)))
            try:
                return self.measured(load(placement), floats, rows, start)
            finally:
                self.remove(placement)
        except (Unavailable, UserError, WorkerFailed) as error:
            return Refusal(floats, str(error))
        except Exception as error:  # a library's, of a mix of layers that it never saw
            return Refusal(floats, with_kind(error))

    def pair(self, floats: frozenset[str]) -> None:
        """Builds what `price` times: the recipe with these layers in float, and as it is."""
        rows = [with_floats(self.recipe, self._ordered(floats)), self.recipe]
        self._pair = [self.built(row)[0] for row in rows]

    def price(self, seconds: float) -> tuple[list[float], list[float]]:
        """Seconds of calls of the recipe with layers in float, and of the recipe as it is, in
        pairs. For who times alone on this machine."""
        turns = [load(placement) for placement in self._pair]
        images = self._session.first_batch(self.case)
        case, reference = ((turn, turn.stage(images)) for turn in turns)
        pairs = PairedRounds(case, reference, BusyClock())
        rounds = pairs.rounds_for(seconds, pairs.warm_up(), LEAST_ROUNDS)
        return plain_rounds(pairs, rounds), pairs.reference_seconds

    def _ordered(self, floats: frozenset[str]) -> list[str]:
        return [name for name in self.layers() if name in floats] if floats else []

    def built(self, recipe: Variant) -> tuple[Placement, dict[str, Any]]:
        """A fresh file of a recipe, and what its build said of the layers."""
        session, case = self._session, self.case
        model = session.model(case.model)
        found = runtime(recipe.runtime)
        folder = Path(self._folder.name) / str(self._count)
        folder.mkdir()
        self._count += 1
        path = folder / f"artifact{found.suffix(recipe)}"
        images = session.inputs.calibration(case.model).images[:] if recipe.calibrated else None
        shared = self._parts
        if recipe.transform:  # which may change the module in place
            model, shared = replace(model, module=deepcopy(model.module)), SharedParts()
        try:
            with shared.shared(), temporary_space(folder):
                layers = built(found, model, recipe, path, images) or {}
        except Exception:
            rmtree(folder, ignore_errors=True)  # so that a full disk has room for the next one
            raise
        roots = tuple(map(str, session.options.import_roots))
        threads = session.options.threads
        return Placement(path, recipe, case.device, model.architecture, threads, roots), layers

    @staticmethod
    def remove(placement: Placement) -> None:
        """Of what was built, with all that lies beside it."""
        for file in placement.path.parent.iterdir():
            file.unlink()
        placement.path.parent.rmdir()

    def measured(
        self, deployment: Deployment, floats: frozenset[str], rows: Sequence[int], start: float
    ) -> Trial:
        """What a deployment answers to the images of these numbers. `start`: when its build began,
        by `perf_counter`."""
        session, case, ready = self._session, self.case, perf_counter()
        model, sample = session.model(case.model), only(self.sample, rows)
        measured = compare(
            deployment,
            sample,
            self._session.verifications.logits(self._against)[list(rows)],
            case.batch,
            [label.name for label in model.labels],
            model.weights.synthetic,
            lambda measured: bool(measured["problem"]),
            head=model.head,
            threshold=model.threshold,
        )
        agreement = judge_agreement(measured, self.recipe.limits, self._subject(floats))
        head = HEADS[model.head]
        own, true = head.answers(measured) if head.shares else ([], [])
        hits = [a == b for a, b in zip(own, true, strict=False)]
        delta, missing = measured["delta_square"], len(rows) - len(measured["delta_square"])
        return Trial(
            floats=floats,
            agreement=agreement,
            delta_square=(*delta, *[np.inf] * missing),
            hits=(*hits, *[False] * (missing * head.shares)),
            clusters=sample.clusters,
            seconds=perf_counter() - start,
            build_seconds=ready - start,
        )

    def _subject(self, floats: frozenset[str]) -> str:
        case = f"{self.case.variant} on {self.case.device}, batch {self.case.batch}"
        return case if not floats else f"{case}, {len(floats)} layers in float"


def only(sample: Sample, rows: Sequence[int]) -> Sample:
    """The images of these numbers alone."""
    return replace(
        sample,
        ids=tuple(sample.ids[at] for at in rows),
        clusters=tuple(sample.clusters[at] for at in rows),
        labels=None if sample.labels is None else tuple(sample.labels[at] for at in rows),
        images=images_only(sample.images, rows),
    )


def require_blamable(recipe: Variant) -> Variant:
    """The recipe. Raises UserError where its layers cannot be left in float: it is no int8 recipe,
    or its runtime has no such option."""
    if recipe.artifact:
        raise UserError(
            f"{recipe.name} is a file that another tool built: its layers stay as they are"
        )
    if recipe.precision != "int8":
        raise UserError(
            f"{recipe.name} computes in {recipe.precision}: it has no int8 layer to leave in float"
        )
    if misfit(with_floats(recipe, ["a"])) is not None:
        raise UserError(
            f"{recipe.name}: the runtime {recipe.runtime} cannot leave single layers in float: its "
            f"recipes have no option {FLOAT_LAYERS}"
        )
    return recipe
