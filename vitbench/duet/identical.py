"""Cases that need no timing: all that decides how they execute is the same in base and head.

Contents are compared, not commits: what each side's arm says of a case (contents.py), and the files
of the repository that it opened.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vitbench.duet.conversation import Conversation
from vitbench.duet.play_case import LOAD_SECONDS, in_parallel
from vitbench.duet.same_files import Tree, differing, other_links
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.judge.verdict import Verdict

SIDES = ("base", "head")
Arms = Callable[[Sequence[str]], AbstractContextManager[Mapping[str, Conversation]]]
Sided = Mapping[str, Mapping[str, Any]]
"""By side."""


@dataclass(frozen=True)
class Shortcuts:
    """`identical`: the verdicts of the cases that are the same, by id. `notes`: why cases are timed
    though no difference was found. `differences`: why the others are timed, by id."""

    identical: Mapping[str, Verdict]
    notes: tuple[str, ...]
    differences: Mapping[str, str]


def find_identical(
    cases: Sequence[str],
    prepared: Callable[[str], Sided],
    trees: Mapping[str, Path],
    arms: Arms,
    say: Callable[[str], None],
) -> Shortcuts:
    """Compares each case by contents, in fresh arms. `prepared`: what each side answered to
    `prepare`; `trees`: the folder of each side's project."""
    identical, doubts, differences = dict[str, Verdict](), dict[str, list[str]](), dict[str, str]()
    for case in cases:
        answers = prepared(case)
        other = _first_part(*(_known(answers[side]) for side in SIDES))
        if other:
            differences[case] = f"not the same: {other}"
            continue
        say(f"comparing the contents of {case}")
        try:
            found = compare(_ask(answers, trees, arms))
        except (Unavailable, UserError, WorkerFailed) as reason:
            doubts.setdefault(str(reason), []).append(case)
            if "there is no verb" in str(reason):  # an older vitbench, which answers all cases so
                break
            continue
        if isinstance(found, Same):
            identical[case] = Verdict(case, "SAME", found.sentence, figures={"identical": True})
        elif found.doubt:
            doubts.setdefault(found.doubt, []).append(case)
        else:
            differences[case] = found.difference
    notes = tuple(_note(why, few) for why, few in doubts.items())
    return Shortcuts(identical, notes, differences)


@dataclass(frozen=True)
class Same:
    """All is equal; `sentence` says what was compared."""

    sentence: str


@dataclass(frozen=True)
class Unlike:
    """Why a case has to be timed: a `difference`, or else a `doubt` whether there is one."""

    difference: str = ""
    doubt: str = ""


def compare(contents: Sided) -> Same | Unlike:
    """What follows from what the arms of both sides said of one case."""
    base, head = (contents[side] for side in SIDES)
    if other := _first_part(base["parts"], head["parts"]):
        return Unlike(f"not the same: {other}")
    then, now = (Tree(Path(each["tree"])) for each in (base, head))
    names = {*base["names"], *head["names"]}
    listings = {*base["listings"], *head["listings"]}
    for name in other_links(then, now, {*base["links"], *head["links"]}):
        return Unlike(f"not the same: where the link {name} leads")
    for name in differing(then, now, names, base["taken"]):
        return Unlike(f"not the same: {name}")
    for name in sorted(listings):
        if then.listing(name) != now.listing(name):
            return Unlike(f"not the same: the names in the folder {name or '.'}")
    doubts = [*base["doubts"], *head["doubts"]]
    doubts += [f"{name} is native code" for name in sorted(names) if now.is_library(name)]
    if doubts:
        return Unlike(doubt=doubts[0])
    count = sum(now.is_file(name) for name in names)
    return Same(
        "nothing to time: base and head have the same artifact, recipe, images, answers, variables "
        f"and {len(head['parts']['packages'])} packages, and the same {_files(count)} of the "
        "repository were opened"
    )


def _ask(answers: Sided, trees: Mapping[str, Path], arms: Arms) -> dict[str, Any]:
    """What a fresh arm of each side says of a case."""
    places = {"head_tree": str(trees["head"])}
    with arms(SIDES) as both:

        def contents(side: str) -> Any:
            given = {**answers[side]["load"], **places, "tree": str(trees[side])}
            return both[side].ask({"verb": "contents", **given}, LOAD_SECONDS)

        return dict(zip(SIDES, in_parallel(contents, SIDES), strict=True))


def _known(prepared: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of an answer to `prepare`."""
    return {
        "the artifact": prepared["artifact"]["sha256"],
        "the set of weights": prepared["weights"],
        "the set of labels": prepared.get("labels"),
        "the set of images, or an answer to one,": prepared["predictions"],
    }


def _first_part(base: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """What is not equal, by its name; "" where all is."""
    return next(_others(base, head), "")


def _others(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*base, *head}):
        then, now = base.get(name), head.get(name)
        if then == now:
            continue
        if isinstance(then, dict) and isinstance(now, dict):
            yield f"{name} ({', '.join(islice(_others(then, now), 3))})"
        else:
            yield name


def _note(why: str, cases: Sequence[str]) -> str:
    few = cases[0] if len(cases) == 1 else f"{cases[0]} and {len(cases) - 1} more"
    return f"{few}: timed, since contents do not show whether base and head are identical: {why}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
