"""Whether a report keeps a project's contracts: KEPT, BROKEN or UNPROVEN, with a sentence each, or
UNJUDGED where it says nothing of them."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import Unavailable, UserError
from vitbench.heads.words import percent, round_down
from vitbench.judge.change import PROCESS_SPREAD, Change, paired_timing, run_factor
from vitbench.judge.contracts import STRUCTURE, TOLERANCES, Contract
from vitbench.judge.load import judge_rate
from vitbench.judge.scope import MACHINE, RUN, SELECTION, Kinds, Scope
from vitbench.judge.structures import compare, file_of
from vitbench.report.fields import FIELD, HIGHER
from vitbench.report.reader import Row
from vitbench.stats.intervals import CONFIDENCE
from vitbench.structure import Structure

OF = {field.contract.name: field for field in FIELD.values() if field.contract}
"""The field that a contract is about, by the contract's name."""
TO_INSTALL = (
    "is not installed",
    "is installed; ",
    "cannot be imported",
    "has no XNNPACK",
    "compiler, and found none",
    "no quantized engine",
)
"""In the reason of a case that is unavailable: what an installation lacks, and not the machine."""


@dataclass(frozen=True)
class ContractResult:
    """The result of one contract for one case: KEPT, BROKEN, UNPROVEN or UNJUDGED.

    `case` begins with the id of the case. A contract that is UNJUDGED, for the reason `why`, has no
    case: `case` then begins with its glob.
    """

    case: str
    state: str
    sentence: str
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge_contracts(
    contracts: Sequence[Contract],
    report: Mapping[str, Any],
    variants: Kinds,
    process_spread: float = PROCESS_SPREAD,
) -> list[ContractResult]:
    """Every contract for every case that its glob matches, in the order of the contracts.

    A contract that matches no case of the report is UNJUDGED. Where no contract was judged, one
    more result is BROKEN and says so: the run has shown nothing. For a run of selected cases that
    result is UNJUDGED, unless no contract is for this machine.
    """
    run = Scope(report, variants)
    results: list[ContractResult] = []
    for contract in contracts:
        label = f"{contract.glob} ({contract.kind})"
        matched = [case for case in run.cases if contract.holds_for(case)]
        if contract.kind not in TOLERANCES:
            results += [_judge(contract, case, run, process_spread) for case in matched]
        left = run.left_out(contract) if run.selected or run.ended or not matched else []
        if left and (contract.kind not in TOLERANCES or not matched):
            words = f"{_count(len(left), 'case')} such as {left[0]}"
            words = f"the run ended before {words}" if run.ended else words
            results.append(
                ContractResult(
                    label, "UNJUDGED", f"{contract.text}: {SELECTION}: {words}", SELECTION
                )
            )
        elif not matched:
            why, words = run.misses(contract.glob)
            results.append(
                ContractResult(label, "UNJUDGED", f"{contract.text}: {why}: {words}", why)
            )
    return [*results, *_nothing(contracts, results, run.selected)]


def unjudged_words(results: Sequence[ContractResult]) -> list[str]:
    """A line for each reason why contracts are UNJUDGED: "3 contracts: not for this machine"."""
    tally = Counter(each.why for each in results if each.state == "UNJUDGED")
    reasons = [why for why in (MACHINE, RUN, SELECTION) if tally[why]]
    return [f"{_count(tally[why], 'contract')}: {why}" for why in reasons]


def _nothing(
    contracts: Sequence[Contract], results: Sequence[ContractResult], selected: bool
) -> Iterator[ContractResult]:
    asked = sum(contract.kind not in TOLERANCES for contract in contracts)
    if not asked or any(each.state != "UNJUDGED" for each in results):
        return
    words = f"none of {_count(asked, 'contract')} was judged: {', '.join(unjudged_words(results))}"
    if selected and any(each.why != MACHINE for each in results):
        yield ContractResult("contracts", "UNJUDGED", words)
    else:
        yield ContractResult("contracts", "BROKEN", words)


def _judge(contract: Contract, case: str, run: Scope, process_spread: float) -> ContractResult:
    label = f"{case} ({contract.kind})"
    needed = ("latency",) if contract.kind == STRUCTURE else OF[contract.kind].groups
    if case in run.failed:
        state, words = "BROKEN", f"the case failed: {run.failed[case]}"
    elif case in run.unavailable:
        lacking = any(sign in run.unavailable[case] for sign in TO_INSTALL)
        state, words = "BROKEN" if lacking else "UNPROVEN", f"unavailable: {run.unavailable[case]}"
    elif case not in run.found:
        state, words = "UNPROVEN", f"left out of the report: {run.unsound[case]}"
    elif run.selected and not run.groups & set(needed):
        words = f"{SELECTION}: the run has no {' or '.join(needed)}"
        return ContractResult(label, "UNJUDGED", f"{contract.text}: {words}", SELECTION)
    else:
        state, words = JUDGES.get(contract.kind, _figure)(contract, run.found[case], process_spread)
    return ContractResult(label, state, f"{contract.text}: {words}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _agreement(contract: Contract, row: Row, _: float) -> tuple[str, str]:
    if row.timed is None:
        return "UNPROVEN", "the report has no timed case with an agreement: run test_latency too"
    agreement = row.timed.agreement
    if not agreement.claimed:
        return "UNPROVEN", "the weights are synthetic, so agreement is not claimed"
    if agreement.itself:
        return "KEPT", "the case is the agreement reference"
    if agreement.share is None and agreement.error is not None:
        return "UNPROVEN", "a regression has no share of images that agree: write error <= 0.05"
    lower, upper = agreement.lower, agreement.upper
    words = (
        f"{percent(agreement.share or 0.0)} of {agreement.images} images, "
        f"between {percent(lower)} and {percent(upper)} (one-sided 95 % each)"
    )
    state = (
        "KEPT" if lower >= contract.value else "BROKEN" if upper < contract.value else "UNPROVEN"
    )
    return state, words + ("; verify on more images (--images=DIR)" if state == "UNPROVEN" else "")


def _of_a_head(contract: Contract, row: Row, process_spread: float) -> tuple[str, str]:
    """A figure that one head has. An upper bound proves an error; a cosine has no bound."""
    field = OF[contract.kind]
    value = field.value(row.benchmarks)
    if row.timed is None or value is None:
        head = f", and the head is {row.timed.agreement.head}" if row.timed else ""
        return "UNPROVEN", f"the report has no {field.label} of the case{head}"
    if not row.timed.agreement.claimed:
        return "UNPROVEN", "the weights are synthetic, so agreement is not claimed"
    bound = next(iter(field.interval(row.benchmarks)), None)
    if not field.bounds or row.timed.agreement.itself:
        return _figure(contract, row, process_spread)
    words = f"{field.text(value)}, upper bound "
    words += "none" if bound is None else field.text(bound)
    if value > contract.value:
        return "BROKEN", words
    kept = bound is not None and bound <= contract.value
    return (
        ("KEPT", words) if kept else ("UNPROVEN", f"{words}; verify on more images (--images=DIR)")
    )


def _speedup(contract: Contract, row: Row, process_spread: float) -> tuple[str, str]:
    timing = paired_timing(row.paired) if row.paired else None
    if timing is None:
        return "UNPROVEN", "the report has no paired timing with a spread: run test_latency too"
    spread = Change(
        -timing.log_time, math.sqrt(timing.variance + process_spread**2) or 1e-12, timing.freedom
    )
    wide = spread.quantile(CONFIDENCE)
    speedup, low, high = (math.exp(spread.estimate + x) for x in (0.0, -wide, wide))
    state = "KEPT" if low >= contract.value else "BROKEN" if high < contract.value else "UNPROVEN"
    return state, (
        f"{speedup:.2f}x, between {round_down(low, 2)}x and {high:.2f}x (one-sided 95 % each, "
        "with the spread between processes)"
    )


def _figure(contract: Contract, row: Row, _: float) -> tuple[str, str]:
    """Bytes are exact. A first inference is one call, so the spread of single runs is its error."""
    field = OF[contract.kind]
    value = field.value(row.benchmarks)
    if value is None:
        group = field.groups[0]
        return (
            "UNPROVEN",
            f"the report has no {group} of the case: run benchmarks/test_{group}.py too",
        )
    words = f"{field.text(value)} {field.unit}"
    factor = 1.0
    if field.contract and field.contract.one_call:
        factor = run_factor()
        words += f", a single call, uncertain by a factor of {factor:.2f} (one-sided 95 %)"
    limit, least, most = contract.value * field.scale, value / factor, value * factor
    if field.better == HIGHER:
        limit, least, most = -limit, -most, -least
    state = "KEPT" if most <= limit else "BROKEN" if least > limit else "UNPROVEN"
    return state, words


def _structure(contract: Contract, row: Row, _: float) -> tuple[str, str]:
    """Counts have no error. A file that is damaged proves nothing, and is no pass."""
    case, timed = row.case.id, row.timed
    if timed is None or not timed.structure:
        why = timed.left_out.get("structure") if timed else None
        told = "the report has no structure of the case: run test_latency or test_throughput"
        return "UNPROVEN", why or told
    try:
        found = Structure.from_json(timed.structure)
        compared = compare(found, Path(file_of(contract.path, case)), case)
    except (UserError, Unavailable) as error:
        return "BROKEN", str(error)
    return compared.state, compared.sentence


JUDGES = {
    STRUCTURE: _structure,
    "agreement": _agreement,
    "speedup": _speedup,
    "error": _of_a_head,
    "cosine": _of_a_head,
    "server_rate": judge_rate,
}
"""Those of fields whose figure alone shows neither."""
