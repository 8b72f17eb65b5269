"""Whether the row of a case keeps one contract: KEPT, BROKEN or UNPROVEN, and in which words."""

import math
from pathlib import Path

from vitbench.errors import Unavailable, UserError
from vitbench.heads.words import percent, round_down
from vitbench.judge.change import Change, paired_timing, run_factor
from vitbench.judge.contracts import STRUCTURE, Contract
from vitbench.judge.load import NO_PRICE, judge_rate, judge_requests
from vitbench.judge.structures import compare, file_of
from vitbench.report.fields import FIELD, HIGHER
from vitbench.report.reader import Row
from vitbench.stats.intervals import CONFIDENCE
from vitbench.structure import Structure

OF = {field.contract.name: field for field in FIELD.values() if field.contract}
"""The field that a contract is about, by the contract's name."""
IMAGES = FIELD["images_per_unit"]


def judge_row(contract: Contract, row: Row, process_spread: float) -> tuple[str, str]:
    """State and words of a contract on a case; `process_spread` is of the log speed-up."""
    return JUDGES.get(contract.kind, _figure)(contract, row, process_spread)


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
    """Bytes are exact. The spread of single runs is the error of a figure that `varies`."""
    field = OF[contract.kind]
    value = field.value(row.benchmarks)
    if value is None and field is IMAGES and FIELD["throughput"].value(row.benchmarks) is not None:
        return "UNPROVEN", NO_PRICE
    if value is None:
        group = field.groups[0]
        return (
            "UNPROVEN",
            f"the report has no {group} of the case: run benchmarks/test_{group}.py too",
        )
    words = f"{field.text(value)} {field.unit}".rstrip()
    factor = 1.0
    if field.contract and field.contract.varies:
        factor = run_factor()
        words += (
            f", {field.contract.varies}, uncertain by a factor of {factor:.2f} (one-sided 95 %)"
        )
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
    "requests_per_unit": judge_requests,
}
"""Those of fields whose figure alone shows neither."""
