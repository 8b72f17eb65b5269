"""What a run could see, by the reference paired with a second copy of itself."""

from collections.abc import Iterator, Sequence

from vitbench.case import Case
from vitbench.report.fields import TIMED
from vitbench.report.merged import Merged
from vitbench.report.reader import Row
from vitbench.report.timed import Ratio

Arms = dict[tuple[str, str, str], list[str]]
"""Lines by model, device and the file of the run; "" where the report is of one run."""


def null_arms(found: Sequence[Row], merged: Merged | None) -> Iterator[str]:
    """A line for each null arm, or that a model has none on a device; of a merged report for each
    of its runs, since each had a process of its own."""
    arms: Arms = {}
    runs = merged.sources if merged else []
    files = {key: each.file for each in runs for key in each.rows}
    for row in found:
        for group in TIMED:
            if group in row.benchmarks:
                file = files.get((row.case.id, group), "")
                arms.setdefault((row.case.model, row.case.device, file), [])
        if row.timed and row.timed.reference.null_arm:
            group = next(each for each in TIMED if each in row.benchmarks)
            file = files.get((row.case.id, group), "")
            line = _null_arm(row.case, row.timed.ratio, file)
            arms[row.case.model, row.case.device, file].append(line)
    models = {row.case.model for row in found}
    for each in runs:
        for key, ratio in _by_case(each.null_arms).items():
            if key.model in models:
                lines = arms.setdefault((key.model, key.device, each.file), [])
                lines.append(_null_arm(key, ratio, each.file))
    for (model, device, file), lines in arms.items():
        yield from lines or [
            f"no null arm of {model} on {device}{_of(file)}: "
            "this run does not tell how small a change it can see"
        ]


def _by_case(arms: dict[str, Ratio]) -> dict[Case, Ratio]:
    """The null arms of a run that a merged report has no row of, each case once."""
    found: dict[Case, Ratio] = {}
    for group in TIMED:
        for key, ratio in arms.items():
            name, _, timed = key.partition(" ")
            if timed == group:
                found.setdefault(Case.parse(name), ratio)
    return found


def _null_arm(case: Case, ratio: Ratio, file: str) -> str:
    words = (
        f"null arm of {case.model} on {case.device}, batch {case.batch}{_of(file)} ({case.variant} "
        f"against a second copy): {ratio.speedup:.3f}x"
    )
    low, high, detectable = ratio.low, ratio.high, ratio.detectable
    if low is None or high is None or detectable is None:
        return f"{words}; {ratio.rounds} rounds are too few for an interval"
    words += (
        f" [{low:.3f}, {high:.3f}] within this process; "
        f"this run can see changes of about {detectable * 100:.1f} %"
    )
    if not low <= 1 <= high:
        words += ". The interval leaves out 1, so this run is biased: two copies should be equal"
    return words


def _of(file: str) -> str:
    return f", in {file}" if file else ""
