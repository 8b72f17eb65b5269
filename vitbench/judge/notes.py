"""What is told beside the verdicts of a gate: nothing here fails one."""

import math
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from vitbench.judge.report import rows

REFERENCE_DRIFT = 0.30
"""Identical runs of one case differ by 15 to 25 % on a shared machine: METHODOLOGY.md, Pairs."""
GROWN = 3
Timed = Mapping[tuple[str, str], Mapping[str, Any]]
"""Benchmarks timed in pairs, by case id and group."""


def notes(
    head: Mapping[str, Any], base: Mapping[str, Any], ours: Timed, theirs: Timed, since: str
) -> Iterator[str]:
    """References that drifted, sizes that changed, what else is not there, and what changed."""
    yield from _references(ours, theirs)
    yield from _footprints(head, base)
    images = [each.get("vitbench", {}).get("images", {}).get("sha256") for each in (head, base)]
    if images[0] != images[1]:
        yield "predictions are not compared: the two reports were verified on different images"
    if since:
        yield f"changed since the baseline: {since}"


def grown(head: Mapping[str, Any], base: Mapping[str, Any], change: float) -> str:
    """Which operators a slowdown of `change` (0.2: 20 %) went to, as words after a sentence.

    Profiles are taken apart from timing, and at another speed of the machine: so an operator's
    share of each profile is taken, times 1 + change for the head. The differences add up to
    `change`. Without both profiles the words say how to get them.
    """
    ours, theirs = (_shares(each) for each in (head, base))
    if not ours or not theirs:
        return "; run both with --profile to see which operators grew"
    more = {
        name: (1 + change) * ours.get(name, 0.0) - theirs.get(name, 0.0) for name in ours | theirs
    }
    most = sorted(more, key=lambda name: -more[name])[:GROWN]
    told = [f"{name} {more[name] * 100:+.1f} %" for name in most if more[name] > 0]
    return f"; of the baseline's time, by operator: {', '.join(told)}"


def _shares(benchmark: Mapping[str, Any]) -> dict[str, float]:
    operators = benchmark["extra_info"].get("operators") or []
    whole = sum(each["seconds"] for each in operators)
    shares: dict[str, float] = {}
    for each in operators if whole > 0 else []:
        shares[each["name"]] = shares.get(each["name"], 0.0) + each["seconds"] / whole
    return shares


def _references(ours: Timed, theirs: Timed) -> Iterator[str]:
    """One line for each reference, of all its rounds in both reports, where it drifted."""
    logs: dict[str, list[float]] = {}
    for key in ours.keys() & theirs.keys():
        sides = [each[key]["extra_info"]["reference"] for each in (ours, theirs)]
        if sides[0]["variant"] == sides[1]["variant"] and all(x["rounds"] for x in sides):
            model, _, device, batch = key[0].split("/")
            name = f"{model}/{sides[0]['variant']}/{device}/{batch}"
            before, after = (median(side["rounds"]) for side in reversed(sides))
            if min(before, after) > 0:
                logs.setdefault(name, []).append(math.log(after / before))
    for name in sorted(logs):
        drift = math.expm1(median(logs[name]))
        if abs(math.log1p(drift)) > math.log1p(REFERENCE_DRIFT):
            yield (
                f"the reference {name} itself takes {drift * 100:+.0f} % of the baseline's time: "
                "the machine, or something that all cases share; ratios do not see it"
            )


def _footprints(head: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[str]:
    """Sizes that changed by more than 1 %, and footprints that are not there any more."""
    ours, theirs = ({row.case.id: row.benchmarks for row in rows(each)} for each in (head, base))
    for case in [each for each in ours if each in theirs]:
        before, after = (
            next(iter(side[case].values()))["extra_info"]["artifact"]["bytes"]
            for side in (theirs, ours)
        )
        if abs(after - before) > 0.01 * before:
            yield f"{case}: its artifact has {after / 1e6:.1f} MB, and {before / 1e6:.1f} MB before"
    absent = [c for c in theirs if "footprint" in theirs[c] and "footprint" not in ours.get(c, {})]
    if absent:
        yield f"the baseline has footprints that this report lacks: {', '.join(absent)}"
