"""The cases of a report from which a recommendation chooses, with their figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitbench.judge.load import LOAD, UnderLoad
from vitbench.report.extra import AgreementInfo
from vitbench.report.fields import FIELD, LOWER
from vitbench.report.reader import Row

LEAST_AGREEMENT = 0.96
"""The share of images that a variant to deploy must agree on, where nobody says another."""
NEEDS = {field.need: field for field in FIELD.values() if field.need}
"""The field by which each need chooses."""
COST = "cost"
ANSWERS = {"images": FIELD["images_per_unit"], "requests": FIELD["requests_per_unit"]}
"""What a unit of money buys: by the time of a call, and by the rate that a server carries."""


@dataclass(frozen=True)
class Candidate:
    """A case's figures by need, each in the unit of its field and as the table shows it, and the
    share of images on which it agrees.

    By latency, candidates are ranked by what was measured in pairs, whatever their medians:
    `speedup`, and for cases of other devices `paired`, which is the median of their device's
    reference over it; `low` and `high` are the ends of its interval, within one process. Both are
    in the unit of latency. None where the report has no such figure. `proven` says that the
    agreement's lower bound reaches what is asked, or that a regression, which has no share, keeps
    its limits; it is never so for synthetic weights. `answers` is what the figure of the cost
    counts: one of ANSWERS, the same of all candidates that are compared. `served`: a running
    server answers, of whose machine the report knows nothing. `under_load`: the rate that it
    carries, by whose estimate candidates are ranked for `load`, and for a cost of requests. A case
    that was measured under load alone has no latency.
    """

    case: str
    figures: Mapping[str, float | None]
    speedup: float | None
    paired: float
    low: float | None
    high: float | None
    agreement: float | None
    proven: bool
    answers: str = "images"
    served: bool = False
    under_load: UnderLoad | None = None

    @property
    def latency(self) -> float:
        return self.figures["latency"] or 0.0

    def by_pairs(self, need: str) -> bool:
        """Whether candidates are ranked for a need by what was measured in pairs: images that are
        answered one batch after the other cost as much as they take time."""
        return need == "latency" or (need == COST and self.answers == "images")

    def by_load(self, need: str) -> bool:
        """Whether candidates are ranked for a need by the rates that they carry."""
        return need == LOAD or (need == COST and self.answers == "requests")

    def cost(self, name: str) -> float:
        """What is less the better the case is: of a need, or of the agreement."""
        if name == "agreement":
            return -(self.agreement or 0.0)
        if self.by_pairs(name):
            return self.paired
        if self.under_load and self.by_load(name):
            return -self.under_load.estimate
        figure = self.figures[name] or 0.0
        return figure if NEEDS[name].better == LOWER else -figure

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        return {"case": found.pop("case"), **found.pop("figures"), **found}


def is_candidate(row: Row, need: str) -> bool:
    """Whether a case was timed in pairs; or, for `load` and `cost`, measured under load."""
    return bool(row.timed or (need in (LOAD, COST) and row.loaded and row.agreement))


def candidates_of(
    group: Sequence[Row], least: float, answers: str | None = None
) -> list[Candidate]:
    """The cases with an agreement. Their cost is of `answers`; None: of requests where the report
    has any, else of images."""
    if answers is None:
        bought = [ANSWERS["requests"].value(row.benchmarks) for row in group]
        answers = "images" if set(bought) <= {None} else "requests"
    return [_candidate(row, row.agreement, group, least, answers) for row in group if row.agreement]


def _candidate(
    row: Row, agreement: AgreementInfo, group: Sequence[Row], least: float, answers: str
) -> Candidate:
    speedup = FIELD["speedup"].value(row.benchmarks)
    low, high = FIELD["speedup"].interval(row.benchmarks)
    figures = {need: field.value(row.benchmarks) for need, field in NEEDS.items()}
    figures[COST] = ANSWERS[answers].value(row.benchmarks)
    paired = figures["latency"] or 0.0
    null_arms = [each for each in group if each.case.device == row.case.device and _null_arm(each)]
    if null_arms and speedup:
        base = FIELD["median"].value(null_arms[0].benchmarks) or 0.0
        if row is null_arms[0]:
            speedup, low, high = 1.0, None, None
        paired = base / speedup
    scale = paired * (speedup or 1.0)
    return Candidate(
        row.case.id,
        figures,
        speedup,
        paired,
        scale / high if high else None,
        scale / low if low else None,
        agreement.share,
        _proven(agreement, least),
        answers,
        bool(row.timed and row.timed.artifact.server),
        UnderLoad.of(row.loaded) if row.loaded else None,
    )


def _proven(agreement: AgreementInfo, least: float) -> bool:
    """Whether the agreement reaches what is asked. A regression has no share: its limits count."""
    if agreement.error is not None:
        return agreement.claimed and agreement.state == "KEPT"
    return agreement.claimed and agreement.lower >= least


def _null_arm(row: Row) -> bool:
    return bool(row.timed and row.timed.reference.null_arm)
