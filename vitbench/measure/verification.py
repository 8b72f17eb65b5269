"""Whether cases predict what their references predict: each is asked once in a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.build import identity
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.entry import key
from vitbench.case import AGREEMENT_REFERENCE, Case, Limits
from vitbench.errors import UserError
from vitbench.heads import HEADS, SINGLE_LABEL
from vitbench.judge.agreement import Agreement, doomed, judge_agreement
from vitbench.judge.reference import by_identity
from vitbench.measure.agreement import compare, logits_by_batch
from vitbench.measure.columns import compact
from vitbench.measure.gathered import ComparisonTerms, ReferenceLogits, unpacked
from vitbench.measure.inputs import Inputs
from vitbench.measure.shard_files import ShardCounts
from vitbench.measure.shard_folder import ShardFolder
from vitbench.measure.shards import ShardedCase, Whole, answer_shard, verify_shard
from vitbench.models import Model
from vitbench.runtimes import Deployment
from vitbench.runtimes.catalogue import Catalogue

PROGRESS_SECONDS = 10.0  # between two lines on a long verification
KEPT_BYTES = 2**21  # of a case's logits on the sample: 512 images of 1,000 classes


@dataclass(frozen=True)
class Verification:
    """An agreement, and what was measured for it (per image, such as top-1: vitbench/heads).
    `first_output` is the outputs (N, C) of the first batch."""

    agreement: Agreement
    measured: Mapping[str, Any]
    first_output: NDArray[np.float32]


def answers_of(
    verification: Verification, ids: Sequence[str], limits: Limits
) -> tuple[list[Any], list[Any], list[float]]:
    """What the case and what its reference answered to each image, as another run understands it,
    and by how much each value of two equal answers may differ. No answers where a head has none."""
    measured = verification.measured
    head = HEADS[measured["head"]]
    own, reference = (
        [head.recorded(answer, ids) for answer in each] for each in head.answers(measured)
    )
    return own, reference, head.tolerance(measured, limits)


def require_unbroken(verification: Verification) -> Verification:
    """The verification. Raises UserError where its limits are broken."""
    if verification.agreement.state == "BROKEN":
        raise UserError(verification.agreement.sentence)
    return verification


class Verifications:
    """Results are kept in the cache, so that another run need not measure them again.

    By a case: `deployment` loads it, `conditions` are all that its logits depend on, the images
    included, and raise Unavailable where it cannot run here. `model` gives a model by its name.
    With `shards` no case is asked for its whole sample: that was done in parts.
    """

    def __init__(
        self,
        cache: ArtifactCache,
        inputs: Inputs,
        catalogue: Catalogue,
        model: Callable[[str], Model],
        conditions: Callable[[Case], dict[str, Any]],
        deployment: Callable[[Case], Deployment],
        say: Callable[[str], None],
    ) -> None:
        self._cache, self._inputs, self._model, self._say = cache, inputs, model, say
        self._catalogue, self._conditions, self._deployment = catalogue, conditions, deployment
        self._verified: dict[tuple[Case, Case], Verification] = {}
        self._answers: dict[Case, list[NDArray[np.float32]]] = {}
        self._sharded: dict[Case, ShardedCase] = {}
        self.shards: ShardFolder | None = None

    def verify(self, case: Case, against: Case | None = None) -> Verification:
        """Whether a case keeps its limits against another one over the model's whole sample.

        `against` is the agreement reference at the same batch unless another case is given.
        """
        against = against or case.agreement_reference
        if (case, against) not in self._verified:
            self._verified[case, against] = self._verify(case, against)
        return self._verified[case, against]

    def logits(self, case: Case) -> NDArray[np.float32]:
        """Logits (N, C) of a case over its model's whole sample, batch by batch. They lie on disk.

        A case that was verified in this run has given them already.
        """
        images = self._inputs.sample(case.model).images

        def compute() -> Iterator[NDArray[np.float32]]:
            if self.shards:
                return self.shards.logits(case, self._whole(case))
            return logits_by_batch(self._asked(case), images, case.batch)

        return self._cache.array("logits", self._conditions(case), len(images), compute)

    def answer_part(self, case: Case, part: range) -> ShardCounts:
        """The outputs of a case over a part of its model's sample (measure/shards.py)."""
        self._say(f"asking {case.id} for images {part.start:,} to {part.stop - 1:,}")
        whole, images = self._whole(case), self._inputs.sample(case.model).images
        return answer_shard(whole, self._deployment(case), images, part)

    def verify_part(self, case: Case, part: range) -> ShardCounts:
        """What a case answers to a part of its model's sample, beside the agreement reference."""
        sharded, images = self._whole_case(case), self._inputs.sample(case.model).images
        deployment = self._deployment(case)
        self._say(f"verifying {case.id} on images {part.start:,} to {part.stop - 1:,}")
        return verify_shard(sharded, deployment, images, part)

    def _whole(self, case: Case, more: Mapping[str, Any] = MappingProxyType({})) -> Whole:
        conditions = {**self._conditions(case), **more}
        return Whole(len(self._inputs.sample(case.model).ids), case.batch, conditions)

    def _whole_case(self, case: Case) -> ShardedCase:
        """What all parts of a case are verified and merged by."""
        if case not in self._sharded:
            sample, (head, threshold) = self._inputs.sample(case.model), self._reading(case.model)
            names, synthetic = self._labels(case.model), self._model(case.model).weights.synthetic
            terms = ComparisonTerms(
                sample.ids, sample.clusters, sample.labels, names, synthetic, head, threshold
            )
            reference = ReferenceLogits(self.logits(case.agreement_reference), threshold)
            limits = self._catalogue.variant(case.variant).limits
            against = key(self._conditions(case.agreement_reference))
            whole = self._whole(case, {"against": against})
            self._sharded[case] = ShardedCase(whole, terms, reference, limits)
        return self._sharded[case]

    def _asked(self, case: Case) -> Deployment:
        """What answers the sample's batches in their order: the deployment, unless this run has
        compared all of its answers already."""
        if case not in self._answers:
            return self._deployment(case)
        kept = iter(self._answers[case])
        return Deployment(lambda images: images, lambda _: next(kept), lambda output: output)

    def _verify(self, case: Case, against: Case) -> Verification:
        conditions, model = self._conditions(case), case.model
        recipe = self._catalogue.variant(case.variant)
        judged = identity.of_agreement(
            conditions,
            self._conditions(against),
            recipe,
            self._labels(model),
            self._inputs.sample(model).clusters,
            self._model(model).weights.synthetic,
            self._reading(model),
        )
        measured = compact(
            self._cache.json("agreement", judged, lambda: self._compare(case, against))
        )
        subject = f"{case.variant} on {case.device}, batch {case.batch}"
        if against.variant == AGREEMENT_REFERENCE and measured["head"] == SINGLE_LABEL:
            self._inputs.doubt(model, measured["reference_top1"])
        if against.variant != AGREEMENT_REFERENCE or against.batch != case.batch:
            subject += f", against {against.variant} on {against.device}, batch {against.batch}"
        agreement = judge_agreement(measured, recipe.limits, subject)
        if case == against:
            agreement = by_identity(agreement, subject)
        return Verification(agreement, measured, unpacked(measured.pop("first_output")))

    def _compare(self, case: Case, against: Case) -> dict[str, Any]:
        if self.shards and against == case.agreement_reference:
            return self.shards.merged(case, self._whole_case(case))
        sample = self._inputs.sample(case.model)
        limits = self._catalogue.variant(case.variant).limits
        reference, deployment = self.logits(against), self._asked(case)
        self._say(f"verifying {case.id} on {len(sample.ids)} images")
        spoken = monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal spoken
            if monotonic() - spoken > PROGRESS_SECONDS:
                spoken = monotonic()
                self._say(f"verifying {case.id}: {done} of {total}")

        outputs: list[NDArray[np.float32]] = []
        few = len(sample.ids) * int(np.prod(reference.shape[1:])) * 4 <= KEPT_BYTES

        def read(output: Any) -> NDArray[np.float32]:
            found = deployment.read(output)
            if few:
                outputs.append(found)
            return found

        measured = compare(
            replace(deployment, read=read),
            sample,
            reference,
            case.batch,
            self._labels(case.model),
            self._model(case.model).weights.synthetic,
            lambda measured: doomed(measured, limits),
            progress,
            *self._reading(case.model),
            self._cache.folder,
        )
        if not measured["problem"] and len(outputs) * case.batch >= len(sample.ids):
            self._answers[case] = outputs
        return measured

    def _reading(self, name: str) -> tuple[str, float]:
        """How a model's outputs are read: head and threshold."""
        return self._model(name).head, self._model(name).threshold

    def _labels(self, name: str) -> list[str]:
        return [label.name for label in self._model(name).labels]
