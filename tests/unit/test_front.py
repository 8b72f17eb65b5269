"""Which slower variants are on the front: those that are surely better in something."""

import pytest

from tests.helpers.reports import report_of
from tests.unit.test_best import case, measured
from vitbench.judge.best import choose

IMAGES = 500


def variant(name, speedup, wrong, size=9.0, memory=700.0, effective=float(IMAGES)):
    """A variant that answers `wrong` of the images otherwise than fp32, which has none."""
    share = 1 - len(wrong) / IMAGES
    itself = {"lower": 1.0, "upper": 1.0} if name == "fp32" else {"lower": share - 0.01}
    rows = measured(
        name,
        speedup,
        size,
        memory,
        share=share,
        effective_images=effective,
        images=IMAGES,
        **itself,
    )
    top1 = [int(index in {*wrong}) for index in range(IMAGES)]
    rows[0]["extra_info"]["predictions"] = {
        "images": [f"{index}.jpg" for index in range(IMAGES)], "top1": top1,
        "margin": [1.0] * IMAGES,
    }  # fmt: skip
    return rows


def front(*variants, need="latency", least=0.9):
    (choice,) = choose(report_of(*(row for rows in variants for row in rows)), need, least)
    return [each.split("/")[1] for each in choice.front], choice


@pytest.mark.parametrize(
    ("wrong", "effective", "joins"),
    [
        (30, 500.0, True),
        (2, 500.0, False),  # 99.6 % against 100 %
        (30, 27.0, False),  # crops of 27 photographs are not 500 images
        (4, 500.0, False),  # p = 0.0625
        (5, 500.0, True),  # p = 0.031
    ],
)
def test_a_slower_variant_joins_for_agreement_that_is_shown(wrong, effective, joins):
    found, choice = front(
        variant("fp32", 1.0, (), effective=effective),
        variant("int8", 3.0, range(wrong), effective=effective),
    )
    assert found == (["fp32", "int8"] if joins else ["int8"])
    if not joins:
        assert choice.out[case("fp32")].endswith("; in nothing surely better than int8/cpu/b1")


def test_many_variants_are_tested_as_one_family():
    """5 images of 500 are enough for one pair (p = 0.031), not for one of six or more pairs."""
    others = [variant(f"v{n}", 2.0 - n / 10, range(5)) for n in range(3)]
    found, _ = front(variant("fp32", 1.0, ()), *others)
    assert found == ["v0"]


def test_it_must_agree_more_than_each_faster_one_on_the_front():
    """bf16 is above int8; fp32 is above int8, and not above bf16."""
    found, choice = front(
        variant("fp32", 1.0, ()), variant("bf16", 2.0, (1,)), variant("int8", 3.0, range(40))
    )
    assert found == ["bf16", "int8"]
    assert choice.out[case("fp32")].endswith("; in nothing surely better than bf16/cpu/b1")


def test_other_images_than_fp32s_show_nothing():
    """Both disagree on as many, but on other images."""
    found, _ = front(
        variant("fp32", 1.0, ()), variant("bf16", 2.0, range(40)),
        variant("int8", 3.0, range(100, 140)),
    )  # fmt: skip
    assert found == ["fp32", "int8"]


def test_without_the_answers_of_the_agreement_reference_agreement_shows_nothing():
    found, _ = front(variant("bf16", 2.0, ()), variant("int8", 3.0, range(40)))
    assert found == ["int8"]


@pytest.mark.parametrize(
    ("figures", "joins"),
    [
        ({"memory": 660.0}, False),  # 6 %: two processes of one variant differ by as much
        ({"memory": 600.0}, True),
        ({"size": 8.95}, False),
        ({"size": 8.0}, True),
    ],
)
def test_size_and_memory_count_beyond_their_spread(figures, joins):
    found, choice = front(variant("fast", 3.0, ()), variant("slow", 1.0, (), **figures))
    assert found == (["fast", "slow"] if joins else ["fast"])
    (need,) = figures
    _, choice = front(variant("fast", 3.0, ()), variant("slow", 1.0, (), **figures), need=need)
    assert choice.best == case("slow")
    assert case("slow") in choice.front, "what is best for the need is"


def test_one_may_be_better_than_each_faster_one_in_something_else():
    """Smaller than the fastest, and with less memory than the second."""
    found, _ = front(
        variant("first", 3.0, (), size=9.0, memory=300.0),
        variant("second", 2.0, (), size=5.0, memory=900.0),
        variant("third", 1.0, (), size=7.0, memory=500.0),
    )
    assert found == ["first", "second", "third"]
