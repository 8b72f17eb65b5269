"""A bisection with arms that speak the protocol and take as long as told, and over real commits."""

import json
import math
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.suite.test_duet import BAD as CASE  # whose arms may fail
from tests.suite.test_duet import options, side  # noqa: F401
from tests.unit.test_conclude import answer
from vitbench.duet.bisect.commits import Commit, line_between
from vitbench.duet.bisect.oracle import Duets, halfway
from vitbench.duet.bisect.run import bisect
from vitbench.duet.bisect.words import bisected_text
from vitbench.duet.rule import Rule
from vitbench.errors import UserError
from vitbench.judge.verdict import Verdict

UNBUILT = "raised:prepare"


@pytest.fixture
def play(side, options, monkeypatch):  # noqa: F811
    """Bisect commits: of each the seconds that its arm says, or FAULT:VERB as its arm fails, or
    "gone" where it cannot be checked out, or "other" where its predictions are wrong."""

    monkeypatch.setattr("vitbench.duet.profiling.ROUNDS", 3)  # each starts three processes

    def make(*commits, wanted=None, minutes=10.0):
        line = [Commit(f"{at}" * 40, f"commit {at}") for at in range(len(commits))]
        made, opened = {}, []

        def arm(at):
            what = commits[at]
            fault, _, verb = str(what).partition(":")
            given = {"fault": fault, "verb": verb} if verb else {}
            found = side(f"c{at}", **given, seconds=what if isinstance(what, float) else 0.01)
            if what == "other":
                file = found.folder / "vitbench/arm.py"
                right, wrong = (json.dumps(answer(*state)) for state in ([], ["BROKEN"]))
                file.write_text(file.read_text().replace(right, wrong))
                assert "BROKEN" in file.read_text()
            return found

        @contextmanager
        def open_commit(commit):
            at = int(commit.id[0])
            if commits[at] == "gone":
                raise UserError("the commit has no such file")
            opened.append(at)
            made[at] = made.get(at) or arm(at)
            yield replace(made[at], label=commit.short)
            opened.remove(at)

        deadline = time.monotonic() + minutes * 60
        duets = Duets(CASE, options, Rule(planned=6), deadline, open_commit, lambda _: None, False)
        found = bisect(line, duets, wanted)
        assert not opened, "every commit is closed"
        return found

    return make


def first(found):
    return found.first and int(found.first.id[0])


def test_the_first_slower_commit_is_found_with_its_change_and_the_error(play):
    found = play(0.01, UNBUILT, 0.01, 0.011, 0.011)
    assert (first(found), found.code) == (3, 0)
    words = bisected_text(found).splitlines()
    assert "Operators that grew: linear 11 ms (was 10)" in words[-1]
    assert words[-2] == (
        "first slower commit: 3333333333 (commit 3), +10.0 % [+10.0 %, +10.0 %]; the error of all "
        f"{found.comparisons} comparisons together is at most 5 %"
    )
    assert json.loads(json.dumps(found.to_json()))["first"]["subject"] == "commit 3"


@pytest.mark.parametrize(
    ("change", "low", "high", "half"),
    [
        (0.531, 0.228, 0.910, 0.228),  # seen, of a true change of 0.10
        (-0.2, -0.3, -0.1, -0.1),
        (0.1, -0.02, 0.3, 0.1),
        (0.1, None, None, 0.1),
    ],
)
def test_the_bound_of_a_step_is_half_of_what_the_ends_show_at_least(change, low, high, half):
    ends = Verdict(CASE.id, "SLOWER", "", change, low, high)
    assert halfway(ends) == pytest.approx(math.log1p(half) / 2)


def test_commits_that_cannot_be_decided_are_a_range(play):
    found = play(0.01, 0.01, 0.01, "gone", 0.011, 0.011)
    assert (first(found), found.code) == (None, 3)
    assert [int(each.id[0]) for each in found.narrowed.first] == [3, 4]
    assert "the first slower commit is one of 2; those between are undecided:" in bisected_text(
        found
    )


def test_of_two_regressions_the_larger_is_found_and_the_other_said(play):
    found = play(0.01, 0.0105, 0.0105, 0.012, 0.012)
    assert first(found) == 3
    assert "note: this commit is a part of the change" in bisected_text(found)


@pytest.mark.parametrize(
    ("commits", "wanted", "code", "words"),
    [
        ((0.01, 0.01), None, 2, "nothing to find: good and bad are the same within the tolerance"),
        ((0.01, 0.011), "FASTER", 2, "nothing to find: the bad commit is slower, not faster"),
        ((0.011, 0.01), None, 0, "first faster commit: 1111111111 (commit 1), -9.1 %"),
        ((0.01, 0.01, UNBUILT), None, 0, "first drifted commit: 2222222222 (commit 2): head fails"),
        (
            (0.01, "other", "other"),
            None,
            0,
            "first drifted commit: 1111111111 (commit 1)",
        ),
        ((0.01, UNBUILT, "other"), None, 3, "the first drifted commit is one of 2; those between"),
    ],
)
def test_what_the_ends_show_is_searched_for(play, commits, wanted, code, words):
    found = play(*commits, wanted=wanted)
    assert (found.code, words in bisected_text(found)) == (code, True), bisected_text(found)


def test_where_time_is_up_the_rest_is_a_range(play):
    found = play(0.01, 0.01, 0.011, minutes=0.0)
    assert found.code == 3, bisected_text(found)
    words = bisected_text(found)
    assert "undecided: it is not shown whether the bad commit is slower than the good one" in words
    assert "nothing to find" not in words


def git(folder, *words):
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Two commits, a side branch of two that is merged, and one after it."""
    folder = tmp_path_factory.mktemp("line")
    git(folder, "init", "-qb", "main")
    for name in ("one", "two"):
        git(folder, "commit", "-q", "--allow-empty", "-m", name)
    git(folder, "checkout", "-qb", "side", "HEAD~1")
    for name in ("side one", "side two"):
        git(folder, "commit", "-q", "--allow-empty", "-m", name)
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "a merge", "side")
    git(folder, "commit", "-q", "--allow-empty", "-m", 'last, "quoted" $(id)')
    return folder


def test_a_merge_is_one_commit_of_the_line(repository):
    line = line_between("main~3", "main", repository)
    assert [each.subject for each in line] == ["one", "two", "a merge", 'last, "quoted" $(id)']
    assert [each.parents for each in line] == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("main", "main", "main and main are one commit, .*: there is nothing between"),
        ("main", "main~1", "main~1 is older than main: write the good commit first"),
        ("side", "main~2", "side is no ancestor of main~2: give one that is, such as their merge-"),
        (
            "side",
            "main",
            "side lies on a branch that was merged into main: give a commit of ma",
        ),
        ("gone", "main", "gone is no commit here: git rev-parse failed: Needed a single revision"),
        ("", "main", "'' is no commit: give a revision of git"),
        ("--all", "main", "'--all' is no commit"),
    ],
)
def test_ends_that_are_no_line_are_one_sentence(repository, good, bad, words):
    with pytest.raises(UserError, match=words):
        line_between(good, bad, repository)
