"""Whether a report keeps a project's contracts: KEPT, BROKEN or UNPROVEN, with a sentence each, or
UNJUDGED where it says nothing of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitbench.judge.change import PROCESS_SPREAD
from vitbench.judge.contract_judges import OF, judge_row
from vitbench.judge.contracts import STRUCTURE, TOLERANCES, Contract
from vitbench.judge.scope import MACHINE, RUN, SELECTION, Kinds, Scope

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
        state, words = judge_row(contract, run.found[case], process_spread)
        lost = [run.lost[case, group] for group in needed if (case, group) in run.lost]
        if lost and state == "UNPROVEN":
            words = f"left out of the report: {lost[0]}"
    return ContractResult(label, state, f"{contract.text}: {words}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
