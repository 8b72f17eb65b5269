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

from vitbench.build.strays import refuse_reads
from vitbench.duet.base.dependencies import changed
from vitbench.duet.base.revision import git
from vitbench.duet.base.side import Side
from vitbench.duet.contents.same_files import Tree, differing, other_links, repository_of
from vitbench.duet.conversation import Conversation
from vitbench.duet.play_case import LOAD_SECONDS, in_parallel
from vitbench.duet.progress import Progress
from vitbench.duet.verdicts import SIDES, Played
from vitbench.errors import Incomparable, Unavailable, UserError, WorkerFailed
from vitbench.judge.verdict import Verdict

NO_VERB = "there is no verb"
"""What an arm says that does not know a question."""
Arms = Callable[[Sequence[str]], AbstractContextManager[Mapping[str, Conversation]]]
Sided = Mapping[str, Mapping[str, Any]]
"""By side."""


def find_identical(
    played: Played,
    sides: Mapping[str, Side],
    arms: Arms,
    progress: Progress,
    say: Callable[[str], None],
    shortcut: bool = True,
) -> None:
    """Fills `progress.identical`, of the cases that would be timed; `progress.incomparable`, where
    base reads files of head's tree in place of its own; and `progress.notes`, where no difference
    is found and yet a case has to be timed. Each case is compared in fresh `arms`. Without
    `shortcut` none is identical, and base alone is asked what it reads."""
    trees = {side: sides[side].tree for side in SIDES}
    declared = ", ".join(changed(trees["base"], trees["head"]))
    known = f"other packages are declared in {declared}" if declared else ""
    if shortcut and known:
        say(f"no case is identical: {known}")
    known = known if shortcut else "no shortcut is wanted"
    doubts = dict[str, list[str]]()
    for case in filter(played.timed, played.cases):
        answers = {side: played.prepared[side][case] for side in SIDES}
        try:
            found = _found(case, answers, known, trees, arms, say)
        except Incomparable as reason:
            say(f"{case} is not compared: {reason}")
            progress.incomparable[case] = str(reason)
            continue
        if isinstance(found, Same):
            figures = {"identical": True}
            progress.identical[case] = Verdict(case, "SAME", found.sentence, figures=figures)
            continue
        say(f"{case} is timed: {found.difference or found.doubt}")
        if found.doubt:
            doubts.setdefault(found.doubt, []).append(case)
        if NO_VERB in found.doubt:  # of an older vitbench, which answers so to all cases
            break
    progress.notes += [_note(why, few) for why, few in doubts.items()]


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
    """What follows from what the arms of both sides said of one case. Raises Incomparable."""
    base, head = (contents[side] for side in SIDES)
    refuse_mixed(base, Path(head["tree"]))
    if other := _first_part(base["parts"], head["parts"]):
        return Unlike(f"not the same: {other}")
    then, now = (Tree(Path(each["tree"])) for each in (base, head))
    names = {*base["names"], *head["names"]}
    listings = {*base["listings"], *head["listings"]}
    for name in other_links(then, now, {*base["links"], *head["links"]}):
        return Unlike(f"not the same: where the link {name} leads")
    for name in differing(then, now, names, {*base["taken"]} - _tracked(now.top, base["taken"])):
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
        "nothing to time: base and head have the same artifact, recipe, images, labels, answers, "
        f"variables and packages ({len(head['parts']['packages'])}); and the files of the "
        f"repository that were opened are the same ({count})"
    )


def refuse_mixed(base: Mapping[str, Any], head_tree: Path) -> None:
    """Raises Incomparable where base read another file of head's tree than its own tree has."""
    refuse_reads(base["tree"], head_tree, base["taken"])


def _found(
    case: str,
    answers: Sided,
    known: str,
    trees: Mapping[str, Path],
    arms: Arms,
    say: Callable[[str], None],
) -> "Same | Unlike":
    """`answers`: what each side answered to `prepare`; `known`: why no case is identical, or "".
    Where a difference is known, base alone is asked, for what it reads."""
    other = _first_part(*(_known(answers[side]) for side in SIDES))
    known = known or (f"not the same: {other}" if other else "")
    if known and trees["base"] == trees["head"]:
        return Unlike(known)
    say(f"comparing the contents of {case}")
    try:
        if not known:
            return compare(ask_contents(answers, trees, arms))
        base = ask_contents(answers, trees, arms, SIDES[:1])["base"]
        refuse_mixed(base, repository_of(trees["head"]))
    except Incomparable:
        raise
    except (Unavailable, UserError, WorkerFailed) as reason:
        return Unlike(known, "" if known else str(reason))
    return Unlike(known)


def ask_contents(
    answers: Sided, trees: Mapping[str, Path], arms: Arms, sides: Sequence[str] = SIDES
) -> dict[str, Any]:
    """What a fresh arm of each side says of a case."""
    places = {"head_tree": str(trees["head"])}
    with arms(sides) as started:

        def contents(side: str) -> Any:
            given = {**answers[side]["load"], **places, "tree": str(trees[side])}
            return started[side].ask({"verb": "contents", **given}, LOAD_SECONDS)

        return dict(zip(sides, in_parallel(contents, sides), strict=True))


def _tracked(top: Path, names: Sequence[str]) -> frozenset[str]:
    """Which of these files the commit of a work tree has: base does not share them with head."""
    if not names or not (top / ".git").exists():
        return frozenset()
    return frozenset(git(top, "ls-files", "-z", "--", *names).split("\0"))


def _known(prepared: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of an answer to `prepare`; `tolerance` follows from the recipe's limits."""
    answers = {n: value for n, value in prepared["predictions"].items() if n != "tolerance"}
    return {
        "the artifact": prepared.get("artifact", {}).get("sha256"),
        "the set of weights": prepared.get("weights"),
        "the set of labels": prepared.get("labels"),
        "the set of images, or an answer to one,": answers,
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
