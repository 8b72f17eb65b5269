"""The cases of base's project that head's project does not have any more."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from vitbench.case import Case
from vitbench.duet.base.side import Side
from vitbench.judge.verdict import Verdict
from vitbench.measure.options import Options
from vitbench.pyproject import NAME

LOST = "lost"
"""Among the figures of such a verdict: head does not know the case."""


def lost_cases(cases: Sequence[Case], sides: Mapping[str, Side]) -> list[Verdict]:
    """MISSING, for each case whose model or variant base's tables have and head's do not.

    `cases` are head's: a lost model had their variants, a lost variant their models, at their
    devices and batch sizes. What `--model` or `--variant` leaves out is not lost.
    """
    base, head = sides["base"].options, sides["head"].options
    if base is None or head is None:
        return []
    return [
        Verdict(case.id, "MISSING", f"base has this case, head has {words}", figures={LOST: True})
        for case, words in _lost(cases, base, head)
    ]


def _lost(cases: Sequence[Case], base: Options, head: Options) -> Iterator[tuple[Case, str]]:
    """Each case, and what head does not have."""
    models = list(dict.fromkeys(each.model for each in cases))
    variants = {each.variant for each in cases}
    places = dict.fromkeys((each.device, each.batch) for each in cases)
    known = {spec.name for spec in head.models}
    for spec in base.models:
        if spec.origin == NAME and spec.name not in known:
            for case in (each for each in cases if each.model == models[0]):
                yield (
                    Case(spec.name, case.variant, case.device, case.batch),
                    f"no model {spec.name!r} in its {NAME}",
                )
    names = {row.name for row in head.project_variants} | variants
    for row in base.project_variants:
        chosen = not head.variants or any(fnmatchcase(row.name, glob) for glob in head.variants)
        if row.name in names or not chosen:
            continue
        for model in models:
            for device, batch in places:
                if row.model in (None, model) and device.partition(":")[0] in row.devices:
                    yield (
                        Case(model, row.name, device, batch),
                        f"no variant {row.name!r} in its {NAME}",
                    )
