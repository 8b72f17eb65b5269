"""The search of a bisection with an oracle of its own: every place, skipped commits, errors."""

import math

import numpy as np
import pytest

from vitbench.duet.bisect.commits import Commit
from vitbench.duet.bisect.run import Bisected
from vitbench.duet.bisect.search import Half, Step, search
from vitbench.duet.bisect.words import bisected_text
from vitbench.judge.verdict import Verdict
from vitbench.stats.halves import side_of
from vitbench.stats.sequential import Blocks


def line(count):
    return [Commit(f"{index:040}", f"commit {index}") for index in range(count)]


def oracle(first, skipped=(), undecided=(), asked=None):
    """Knows which commit is the first after the change."""

    def ask(commit, error):
        at = int(commit.id)
        if asked is not None:
            asked.append((at, error))
        if at in skipped:
            return Step(commit, Half.SKIPPED, "cannot be built")
        if at in undecided:
            return Step(commit, Half.UNDECIDED, "who knows", error, 20)
        return Step(commit, Half.AFTER if at >= first else Half.BEFORE, "why", error, 4)

    return ask


@pytest.mark.parametrize("count", [2, 3, 4, 8, 17])
def test_the_first_commit_is_found_at_every_place(count):
    for first in range(1, count):
        found = search(line(count), oracle(first), 0.04)
        assert [int(each.id) for each in found.first] == [first]
        assert int(found.before.id) == first - 1
        assert len(found.steps) <= math.ceil(math.log2(count - 1)) if count > 2 else not found.steps


@pytest.mark.parametrize("what", ["skipped", "undecided"])
def test_a_commit_that_cannot_be_decided_is_passed_by(what):
    """Each one, and each two neighbours, of nine: the range names all that remain, and no other."""
    for first in range(1, 9):
        for gone in [{at} for at in range(1, 8)] + [{at, at + 1} for at in range(1, 7)]:
            found = search(line(9), oracle(first, **{what: gone}), 0.04)
            names = {int(each.id) for each in found.first}
            before = max(at for at in range(first) if at not in gone)
            after = min(at for at in range(first, 9) if at not in gone)
            assert names == set(range(before + 1, after + 1)), (first, gone)


def test_the_errors_of_all_comparisons_add_up_to_no_more_than_asked():
    for skipped in (set(), {3, 4, 5}, set(range(1, 15))):
        for first in range(1, 16):
            asked = []
            search(line(16), oracle(first, undecided=skipped, asked=asked), 0.04)
            errors = [error for _, error in asked]
            assert min(errors) > 0
            assert sum(errors) + min(errors) <= 0.04 * (1 + 1e-9)
            assert len({at for at, _ in asked}) == len(asked), "no commit is asked twice"


def test_where_time_is_up_the_rest_is_a_range():
    answers = iter([Half.AFTER, None])

    def ask(commit, error):
        half = next(answers)
        return half and Step(commit, half, "why", error)

    found = search(line(9), ask, 0.04)
    assert [int(each.id) for each in found.first] == [1, 2, 3, 4]


@pytest.mark.parametrize("true", [0.0, 0.1, 0.2])
def test_a_commit_is_put_on_the_wrong_side_as_rarely_as_promised(true):
    """Of 1000 steps with blocks of a spread of 3 %, by a bound of half of a change of 0.2: with the
    commit on the bound itself, either answer counts as wrong."""
    random, level, planned, bound = np.random.default_rng(1), 0.05, 12, 0.1
    wrong = {-1: 0, 0: 0, 1: 0}
    for _ in range(1000):
        logs, side = random.normal(true, 0.03, planned), 0
        for count in range(1, planned + 1):
            side = side_of(Blocks.of(logs[:count]), bound, 0.0, planned, level)
            if side:
                break
        wrong[side] += 1
    most = 1000 * level + 3 * math.sqrt(1000 * level)
    if true == bound:
        assert max(wrong[-1], wrong[1]) <= most
        assert wrong[-1] + wrong[1] > 0, "a rule that never answers is none"
    else:
        assert wrong[-1 if true > bound else 1] == 0
        assert wrong[1 if true > bound else -1] > 950


def test_doubt_of_the_null_arm_is_taken_off():
    found = Blocks(20, 0.11, 0.001)
    assert side_of(found, 0.1, 0.0, 20, 0.01) == 1
    assert side_of(found, 0.1, 0.02, 20, 0.01) == 0


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("SAME", 2, "nothing to find: good and bad are the same within the tolerance"),
        ("INCONCLUSIVE", 3, "Give more --minutes and --blocks-max=40, on a quieter machine"),
        ("MISSING", 3, "undecided: the bad commit cannot run this case"),
        ("INCOMPARABLE", 2, "nothing was compared: give a GOOD and a BAD that can both run this"),
    ],
)
def test_only_what_is_the_same_is_nothing_to_find(state, code, words):
    figures = {"blocks": 3, "planned": 20, "blocks_to_decide": 40, "structure": ["2 x mul are new"]}
    found = Bisected("c", tuple(line(3)), Verdict("c", state, "why", figures=figures), None)
    *_, structure, last = bisected_text(found).splitlines()
    assert (found.code, words in last) == (code, True), last
    assert ("nothing to find" in last) == (state == "SAME")
    assert structure == "structure: 2 x mul are new"
