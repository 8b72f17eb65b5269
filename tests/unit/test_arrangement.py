"""How cores are shared out: the texts of `--arrangement`, pins, and what `auto` tries."""

import pytest

from vitbench.errors import UserError
from vitbench.load.arrangement import Arrangement, fitting, parse, wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2x1", "2 x 1 thread, window 0 ms"),
        ("1x2", "1 x 2 threads, window 0 ms"),
        ("2x1x2.5", "2 x 1 thread, window 2.5 ms"),
    ],
)
def test_a_text_is_an_arrangement_and_back(text, words):
    assert str(parse(text)) == words
    assert parse(text).option == text


@pytest.mark.parametrize("text", ["", "2", "0x1", "2x0", "ax1", "2x1x", "2x1x-3", "2x1x5x4"])
def test_another_text_is_refused(text):
    with pytest.raises(UserError, match=f"--arrangement={text}: expected auto, or"):
        wanted(text, (0, 1), 15.0)


def test_each_instance_has_cores_of_its_own():
    assert Arrangement(2, 2).pins((3, 5, 6, 7)) == [(3, 5), (6, 7)]


def test_more_instances_than_cores_are_refused():
    with pytest.raises(UserError, match="--arrangement=3x1: 3 instances of 1 threads need 3 cores"):
        wanted("3x1", (0, 1), 15.0)
    assert wanted("2x1", (0, 1), 15.0) == [Arrangement(2, 1)]


def test_auto_tries_all_that_fit_two_cores_and_no_more():
    found = fitting(2, bound_ms=15.0)
    assert {(each.instances, each.threads) for each in found} == {(1, 1), (2, 1), (1, 2)}
    assert {each.window_ms for each in found} == {0.0, 3.8}
    assert all(each.cores <= 8 for each in fitting(8, 15.0))
    assert Arrangement(7, 1) in fitting(8, 15.0)
    assert {each.cores for each in fitting(1, 15.0)} == {1}
