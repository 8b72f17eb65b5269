"""What `vitbench blame` says and draws: several broken layers, and what is not known."""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.helpers.fake_oracle import FakeOracle
from vitbench.blame.asking import Asking
from vitbench.blame.layers import placed
from vitbench.blame.picture import picture
from vitbench.blame.record import record
from vitbench.blame.search import blame
from vitbench.blame.text import figures, text
from vitbench.blame.trial import Refusal
from vitbench.case import Case
from vitbench.cli.blame import _again
from vitbench.cli.main import parser
from vitbench.errors import UserError

KINDS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
NINE = [*(f"blocks.{block}.{kind}" for block in range(2) for kind in KINDS), "head"]
DEEP = [*(f"blocks.{block}.{kind}" for block in range(12) for kind in KINDS), "head"]
CASE = Case("m", "int8-dynamic", "cpu", 1)
SVG = "{http://www.w3.org/2000/svg}"


def searched(errors, ask=None, seconds=1e6, images=100, **more):
    """Errors alone of layers."""
    oracle = FakeOracle({name: error**2 for name, error in errors.items()})
    asked = (lambda floats, rows: ask(oracle, floats, rows)) if ask else oracle
    found = blame(Asking(asked, seconds, oracle.now), placed(errors), images, **more)
    return found, text(record(found, CASE, 10, images))


@pytest.mark.parametrize(
    ("errors", "limit"),
    [((0.67, 0.55, 0.22), 0.15), ((0.3, 0.3, 0.3), math.inf), ((0.5, 0.4), math.inf)],
)
def test_several_broken_layers_of_a_small_network_are_blamed(errors, limit):
    planted = dict(zip(NINE[1::3], errors, strict=False))
    found, said = searched({**dict.fromkeys(NINE, 0.004), **planted}, limit=limit)
    assert set(found.blamed) == {*planted}
    assert "(100% of the squared error)\nwith all of them in float: agreement" in said


def test_layers_within_the_limit_that_differ_little_are_not_blamed():
    found, said = searched(
        {name: 0.03 + 0.01 * (at % 3) for at, name in enumerate(NINE)}, limit=0.1
    )
    assert found.blamed == ()
    assert "spread over the layers" in said


def test_the_dearest_layer_of_a_sound_network_is_not_blamed():
    """Shares of a seeded ViT with three blocks: the first makes six times the mean."""
    shares = (36, 18, 17, 9, 7, 7, 7, 4, 3, 2, 1, 1, 0)
    names = [f"blocks.{block}.{kind}" for block in range(3) for kind in KINDS] + ["head"]
    found, _ = searched({n: 0.003 * s**0.5 for n, s in zip(names, shares, strict=True)}, limit=0.15)
    assert found.blamed == ()


def test_equally_broken_layers_of_a_deep_network_have_their_shares():
    """The cheap layers are not tried alone, so none of those tried costs what no layer costs."""
    broken = [f"blocks.{block}.mlp.fc2" for block in range(4)]
    found, _ = searched({**dict.fromkeys(DEEP, 1e-6), **dict.fromkeys(broken, 0.3)})
    assert set(found.blamed) == {*broken}
    assert [found.costs.share(name) for name in broken] == pytest.approx([0.25] * 4, abs=1e-6)


def test_what_no_layer_costs_is_not_what_all_cost():
    """Where all cost the same, the cheapest is no floor; where a floor is in each, it is."""
    found, _ = searched(dict.fromkeys(NINE, 0.1))
    assert sum(found.costs.share(name) for name in NINE) == pytest.approx(1)

    def floored(oracle, floats, rows):
        oracle.costs["floor"] = 0.01
        return oracle(floats, rows)

    found, _ = searched({**dict.fromkeys(NINE, 1e-6), NINE[3]: 0.3}, floored)
    assert found.costs.floor == pytest.approx(0.1)
    assert found.costs.share(NINE[3]) == pytest.approx(0.9)


def test_where_most_was_not_tried_no_spread_is_claimed():
    found, said = searched({**dict.fromkeys(NINE, 0.01), "head": 0.9}, seconds=7.0)
    assert not found.blamed
    assert "not known: 6 of 9 layers were not tried: give more --minutes" in said
    assert "spread" not in said


def test_outputs_that_are_not_finite_on_a_later_image_are_no_small_error():
    trial = FakeOracle({"a": 0.0001})(frozenset(), range(4))
    assert trial.error == 0.01
    assert replace(trial, delta_square=(0.0, math.inf, math.inf, math.inf)).error == math.inf


def refusing(sizes):
    def ask(oracle, floats, rows):
        found = oracle(floats, rows)
        return Refusal(floats, "took more than 1 GB") if len(floats) in sizes else found

    return ask


def test_refused_recipes_are_named_and_not_counted():
    found, said = searched({**dict.fromkeys(NINE, 0.001), NINE[3]: 0.8}, refusing({8}))
    assert "not known: the recipes of 9 of 9 layers were refused, as said below" in said
    assert "--minutes" not in said
    assert f"refused: {NINE[0]} alone in int8; {NINE[1]} alone in int8; " in said
    assert "head alone in int8: took more than 1 GB\n2 recipes in" in said
    assert len(found.refusals) == 9
    _, said = searched({**dict.fromkeys(NINE, 0.001), NINE[3]: 0.8}, refusing({1}))
    assert f"to blame: {NINE[3]}" in said
    assert f"refused: {NINE[3]} in float; " in said
    assert "not tried" not in said


@pytest.mark.parametrize(("refused", "seconds", "recipes"), [(["b"], 2, 1), ([], 122, 2)])
def test_the_time_of_a_process_that_is_started_again_is_not_a_recipes(refused, seconds, recipes):
    """After a refusal, the model is read again before the next recipe: 120 s that it did not take.
    Without a refusal, what a recipe takes counts, whatever it says itself."""
    oracle = FakeOracle({"a": 0.1}, refused=refused)

    def ask(floats, rows):
        oracle.seconds = 1.0 if floats else 122.0
        found = oracle(floats, rows)
        return found if isinstance(found, Refusal) else replace(found, seconds=2.0)

    asking = Asking(ask, 600, oracle.now)
    asking.try_floats(frozenset("b"), range(3))
    asking.try_floats(frozenset(), range(3))
    assert (asking.expected(3), asking.asked) == (seconds, recipes)


@pytest.mark.parametrize(("build", "images"), [(4.0, 200), (0.0, 84)])
def test_a_slow_build_takes_no_images_away(build, images):
    """Of 120 s a third is for five recipes on all images: 8.4 s each."""

    def ask(oracle, floats, rows):
        each = 0.01 if build else 0.1
        oracle.seconds = build + each * len(rows)
        return replace(oracle(floats, rows), build_seconds=build)

    found, said = searched(dict.fromkeys(NINE, 0.01), ask, seconds=120.0, images=200)
    assert len(found.base.delta_square) == images
    assert ("images of 200" in said) == (images < 200)


def test_an_error_is_called_what_its_head_calls_it():
    known = {"head": "embedding", "relative_error": 0.1, "agreement": None}
    assert figures(known) == "centred relative error 0.1000"
    assert figures({**known, "head": "single-label"}) == "relative logit error 0.1000"


def test_what_one_blamed_layer_in_float_gives_is_said():
    _, said = searched({**dict.fromkeys(NINE, 0.01), NINE[3]: 0.9})
    answer = said.splitlines()[3]
    assert answer.startswith("with it in float: agreement")
    assert answer.endswith(": KEPT")


def test_one_is_singular_and_a_share_above_the_whole_is_explained():
    found, said = searched({"head": 0.9}, images=1)
    assert said.startswith("m/int8-dynamic/cpu/b1: 1 int8 layer, 1 image\n")
    assert "above 100%" not in said
    over = replace(found, costs=replace(found.costs, whole=0.8))
    known = record(over, CASE, 10, 1)
    assert "a share above 100%: alone the layer makes more error than all together" in text(known)
    assert known["ranked_on"] == {
        "images": 1, "relative_error": 0.8, "squared_error": pytest.approx(0.64), "floor": 0.0,
    }  # fmt: skip


def test_the_next_command_has_the_options_that_were_given():
    words = ["blame", CASE.id, "--model=m=timm:a", "--images=my images", "--minutes=2.5"]
    chosen = parser().parse_args(words)
    assert [*_again(chosen)] == words[2:]
    assert [*_again(parser().parse_args(words[:2]))] == []


def test_a_device_without_its_number_is_told_the_number():
    with pytest.raises(UserError, match="a CUDA device has a number: m/int8/cuda:0/b1"):
        Case.parse("m/int8/cuda/b1")
    with pytest.raises(UserError, match="expected MODEL/VARIANT/DEVICE/bN"):
        Case.parse("m/int8/cuda/1")


HF = ("attention.attention.query", "attention.attention.key", "output.dense")


@pytest.mark.parametrize(
    "names",
    [NINE, ["head"], [*(f"vit.encoder.layer.{b}.{k}" for b in range(3) for k in HF), "classifier"]],
)
def test_the_words_of_a_picture_do_not_overlap(names):
    """By the width of DejaVu Sans, which is a wide font: 7.1 of 12 pixels a letter."""
    found, _ = searched(dict.fromkeys(names, 0.1))
    drawn = ElementTree.fromstring(picture(record(found, CASE, 10, 100)))
    width = int(drawn.get("width"))
    assert width >= 440
    texts = [(int(each.get("x")), 7.1 * len(each.text), each) for each in drawn.iter(f"{SVG}text")]
    heads = [(x, wide, each.text) for x, wide, each in texts if each.get("y") == "66"]
    assert all(x + w / 2 < y - v / 2 for (x, w, _), (y, v, _) in pairwise(heads))
    assert all(wide < x for x, wide, each in texts if each.get("text-anchor") == "end")
    last, wide, word = heads[-1]
    assert (word, last + wide / 2 < width) == ("other", True)
    cells = {
        cell[0].text.partition(":")[0]: int(cell.get("x"))
        for cell in drawn.iter(f"{SVG}rect")
        if len(cell)
    }
    outside = cells.pop(names[-1])
    assert all(outside > x for x in cells.values())
