"""Versions that take turns are apart, one that replaces another is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitbench.history.version_groups import version_groups


def apart(text):
    """The groups of runs whose only version is a letter."""
    return [
        "".join(text[run] for run in group.members)
        for group in version_groups([{"v": x} for x in text])
    ]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", [""]),
        ("AAABBB", ["AAABBB"]),
        ("AAABBBCCC", ["AAABBBCCC"]),
        ("AAAABAAAA", ["AAAABAAAA"]),  # an upgrade, taken back
        ("AAABBBAABBBB", ["AAABBBAABBBB"]),  # and made again
        ("ABABAB", ["AAA", "BBB"]),
        ("AABBAABBAABB", ["AAAAAA", "BBBBBB"]),
        ("ABCABCABC", ["AAA", "BBB", "CCC"]),
        ("ABBABAABBA", ["AAAAA", "BBBBB"]),  # in no order
        ("AAAAAAABABABAB", ["AAAAAAAAAA", "BBBB"]),  # a matrix that began late
        ("AAAAAABABBABBBBBB", ["AAAAAABABBABBBBBB"]),  # a fleet upgraded one by one
        ("ABABABCCC", ["AAA", "BBBCCC"]),  # one that replaced both goes on with the last
        ("A1A2A3A4A5", ["AAAAA", "12345"]),  # a nightly build beside what stays
        ("ABABACBCBCBC", ["AAACCCC", "BBBBB"]),
    ],
)
def test_turns(text, right):
    assert apart(text) == right


def words(sets):
    return [group.words for group in version_groups(sets)]


PYTHONS = ("3.11.9", "3.12.3")


def test_a_lane_is_named_by_what_takes_turns_alone():
    days = [{"torch": "2.12.1", "python": python} for _ in range(4) for python in PYTHONS]
    assert words(days) == ["python 3.11.9", "python 3.12.3"]
    assert words(days[:2]) == [""]


def test_an_upgrade_within_a_matrix_goes_on_in_each_lane():
    days = [
        {"torch": torch, "python": python}
        for torch in ("2.12.1", "2.13.0") for _ in range(4) for python in PYTHONS
    ]  # fmt: skip
    assert [len(group.members) for group in version_groups(days)] == [8, 8]


def test_an_upgrade_that_one_lane_gets_later_goes_on_too():
    days = [
        {"torch": "2.12.1" if day < late else "2.13.0", "python": python}
        for day in range(20) for python, late in zip(PYTHONS, (8, 12), strict=True)
    ]  # fmt: skip
    assert words(days) == ["python 3.11.9", "python 3.12.3"]


def test_each_of_a_matrix_of_two_packages_is_a_lane():
    days = [
        {"torch": torch, "python": python}
        for _ in range(4) for torch in ("2.12.1", "2.13.0") for python in PYTHONS
    ]  # fmt: skip
    assert words(days) == [
        f"python {python}, torch {torch}" for python in PYTHONS for torch in ("2.12.1", "2.13.0")
    ]


def test_packages_that_change_together_are_one_matter():
    days = [
        {"torch": torch, "torchvision": vision}
        for _ in range(4) for torch, vision in (("2.12.1", "0.27.1"), ("2.13.0", "0.28.0"))
    ]  # fmt: skip
    assert words(days) == ["torch 2.12.1", "torch 2.13.0"]


def test_the_next_patch_of_a_version_goes_on_with_its_own():
    days = [
        {"python": python}
        for pair in (PYTHONS, ("3.11.10", "3.12.4")) for _ in range(4) for python in pair
    ]  # fmt: skip
    assert words(days) == ["python 3.11.10", "python 3.12.4"]


def test_a_release_does_not_go_on_with_nightly_builds():
    days = [
        {"torch": torch}
        for day in range(12)
        for torch in ("2.12.1" if day < 6 else "2.13.0", f"2.14.0.dev202601{day:02}")
    ]
    assert words(days) == ["torch 2.13.0", "torch 2.14.0.dev20260111"]


def test_a_package_that_only_some_have_takes_turns_too():
    days = [versions for _ in range(4) for versions in ({"a": "1"}, {"a": "1", "b": "2"})]
    assert words(days) == ["b none", "b 2"]


SETS = st.lists(st.dictionaries(st.sampled_from("ab"), st.sampled_from("123"), max_size=2))


@given(SETS)
def test_every_run_is_in_one_lane_and_no_two_have_one_name(sets):
    found = version_groups(sets)
    assert sorted(run for group in found for run in group.members) == list(range(len(sets)))
    assert len({group.words for group in found}) == len(found)
    assert all(list(group.members) == sorted(group.members) for group in found)
