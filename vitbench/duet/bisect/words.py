"""What a bisection found, in words."""

from collections.abc import Iterator

from vitbench.duet.bisect.run import CHANGES, Bisected
from vitbench.errors import counted
from vitbench.judge.verdict import Verdict
from vitbench.show.structure import structure_words

ADJECTIVES = {"SLOWER": "slower", "FASTER": "faster", "DRIFTED": "drifted"}


def bisected_text(found: Bisected) -> str:
    """The ends, a line for each commit that was asked, and what follows."""
    good, bad = found.line[0], found.line[-1]
    between = counted(len(found.line) - 1, "commit")
    lines = [f"{found.case}: bad (head) is {bad}, good (base) is {good}; {between}"]
    lines.append(f"{found.ends.state}: {found.ends.sentence}")
    steps = found.narrowed.steps if found.narrowed else ()
    lines += [f"{step.half.value:9}  {step.commit}: {step.sentence}" for step in steps]
    return "\n".join([*lines, *_result(found)])


def _result(found: Bisected) -> Iterator[str]:
    if found.narrowed is None:
        yield from structure_words(found.ends)
        yield _nothing(found)
        return
    adjective, first = ADJECTIVES[found.ends.state], found.narrowed.first
    if found.first:
        yield (
            f"first {adjective} commit: {found.first}{_own_change(found)}; "
            f"{_error(found.comparisons, found.ends)}"
        )
        yield from _explained(found)
        yield from _notes(found)
    elif found.contradicted and found.confirmed:
        yield (
            f"undecided: {first[0]} lies after half of the change, but against the commit before "
            f"it it is {found.confirmed.state}: {found.confirmed.sentence}"
        )
    else:
        why = "time is up (--minutes)" if found.out_of_time else "those between are undecided"
        yield f"the first {adjective} commit is one of {len(first)}; {why}:"
        yield from (f"  {each}" for each in first)
        yield _error(found.comparisons, found.ends)


def _nothing(found: Bisected) -> str:
    """Why no commit between was asked for. Only what is shown to be the same is nothing to find."""
    state = found.ends.state
    if found.wanted and state in CHANGES.values():
        return (
            f"nothing to find: the bad commit is {ADJECTIVES[state]}, not "
            f"{ADJECTIVES[found.wanted]}"
        )
    if state == "SAME":
        return "nothing to find: good and bad are the same within the tolerance"
    if state == "MISSING":
        return "undecided: the bad commit cannot run this case: give a BAD that can"
    if state != "INCONCLUSIVE":
        return "nothing was compared: give a GOOD and a BAD that can both run this case"
    if not found.ends.figures.get("blocks"):
        return "undecided: good and bad were not timed, so no commit between was searched for"
    needed = found.ends.figures.get("blocks_to_decide") or 0
    blocks = f" and --blocks-max={needed}" if needed > found.ends.figures["planned"] else ""
    return (
        "undecided: it is not shown whether the bad commit is slower than the good one, so no "
        f"commit between was searched for. Give more --minutes{blocks}, on a quieter machine, or "
        "commits that are further apart"
    )


def _own_change(found: Bisected) -> str:
    own = found.confirmed
    if own is None:
        return ", which time was too short to compare with the commit before it"
    if own.state == "DRIFTED" or own.change is None:
        return f": {own.sentence}"
    interval = ""
    if own.low is not None and own.high is not None:
        interval = f" [{own.low * 100:+.1f} %, {own.high * 100:+.1f} %]"
    return f", {own.change * 100:+.1f} %{interval}"


def _explained(found: Bisected) -> Iterator[str]:
    """The comparison with the commit before, and what is executed otherwise."""
    if found.confirmed and found.ends.state != "DRIFTED":
        yield f"{found.confirmed.state}: {found.confirmed.sentence}"
        yield from structure_words(found.confirmed)


def _error(comparisons: int, ends: Verdict) -> str:
    if ends.state == "DRIFTED":
        return (
            f"each of the {comparisons} comparisons calls unchanged predictions drifted at most 1 "
            "times in 100; a smaller drift than the one that was found may be missed"
        )
    if comparisons == 1:
        return "the error of its only comparison is at most 1 %"
    return f"the error of all {comparisons} comparisons together is at most 5 %"


def _notes(found: Bisected) -> Iterator[str]:
    first, own, ends = found.first, found.confirmed, found.ends
    if first and first.parents > 1:
        yield f"note: {first.short} is a merge: what it merged counts as one commit"
    lower = own and own.high is not None and ends.low is not None and abs(own.high) < abs(ends.low)
    if own and lower and own.state in ("SLOWER", "FASTER"):
        yield (
            "note: this commit is a part of the change between good and bad: bisect again from it "
            "to the bad commit, and from the good commit to the one before it"
        )
