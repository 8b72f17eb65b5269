"""The search for layers to blame, with an oracle whose answers are known."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from tests.helpers.fake_oracle import FakeOracle
from vitbench.blame.asking import Asking
from vitbench.blame.layers import blocks, kinds, placed
from vitbench.blame.picture import picture
from vitbench.blame.record import record
from vitbench.blame.search import blame, spread_over
from vitbench.blame.text import text
from vitbench.case import Case

KINDS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
TWELVE = [f"blocks.{block}.{kind}" for block in range(3) for kind in KINDS]
FORTY_NINE = [*(f"blocks.{block}.{kind}" for block in range(12) for kind in KINDS), "head"]
CASE = Case("m", "int8-dynamic", "cpu", 1)


def searched(costs, seconds=1e6, images=100, **more):
    oracle = FakeOracle(costs, **more)
    found = blame(Asking(oracle, seconds, oracle.now), placed(costs), images)
    return found, oracle


@pytest.mark.parametrize("names", [TWELVE, FORTY_NINE])
def test_a_broken_layer_is_found_in_each_place(names):
    for name in names:
        found, _ = searched({**dict.fromkeys(names, 1e-5), name: 0.9})
        assert found.blamed == (name,)
        assert next(iter(found.freed)) == name
        won = found.gain(name)
        assert won.proven
        assert (won.lost, won.won > 50, won.p_value < 0.01) == (0, True, True)


def test_two_broken_layers_are_found_though_freeing_either_wins_nothing():
    found, _ = searched({**dict.fromkeys(TWELVE, 1e-6), TWELVE[2]: 4.0, TWELVE[9]: 9.0})
    assert set(found.blamed) == {TWELVE[2], TWELVE[9]}
    assert [found.gain(name).error for name in found.blamed] == [0, 0]
    assert found.base.agreement.state == "BROKEN"
    assert found.together.agreement.state == "KEPT"


def test_layers_that_cost_the_same_are_not_blamed():
    for names in (TWELVE, FORTY_NINE):
        found, _ = searched({name: 0.001 * (1 + at % 3) for at, name in enumerate(names)})
        assert found.blamed == ()
        assert "no layer stands out" in text(record(found, CASE, 10, 100))


def test_groups_spare_the_layers_that_cost_nothing():
    """All of a whole kind and of the others' blocks are settled by one recipe each."""
    costs = {**dict.fromkeys(FORTY_NINE, 1e-9), "blocks.7.mlp.fc2": 0.5}
    found, oracle = searched(costs)
    assert found.blamed == ("blocks.7.mlp.fc2",)
    assert len(oracle.asked) < 30
    assert len(found.costs.untried) == 48
    assert set(found.costs.untried.values()) == {"its kind or block costs next to nothing"}


def test_what_was_not_tried_when_the_time_is_up_is_said():
    costs = {**dict.fromkeys(FORTY_NINE, 0.002), "blocks.7.mlp.fc2": 0.5}
    found, oracle = searched(costs, seconds=40.0)
    assert oracle.time <= 40
    assert found.blamed == ("blocks.7.mlp.fc2",)  # by promise it came first
    assert "blocks.7.mlp.fc2" in found.freed
    late = [name for name, why in found.costs.untried.items() if why == "the time was up"]
    assert len(late) > 20
    assert f"not tried: {len(late)} layers: the time was up" in text(record(found, CASE, 1, 100))


def interrupted(after, **more):
    """A search that Ctrl-C ends while the recipe after so many is measured."""
    oracle = FakeOracle({**dict.fromkeys(FORTY_NINE, 0.002), "blocks.7.mlp.fc2": 0.5})

    def ask(floats, rows):
        if len(oracle.asked) == after:
            raise KeyboardInterrupt
        return oracle(floats, rows)

    asking = Asking(ask, 1e6, oracle.now, **more)
    return blame(asking, placed(FORTY_NINE), 100), asking, oracle


def test_what_was_known_at_ctrl_c_is_kept():
    found, asking, oracle = interrupted(22, answers_interrupt=True)
    assert asking.interrupted
    assert asking.asked == len(oracle.asked) == 22  # none is begun afterwards
    assert found.blamed == ("blocks.7.mlp.fc2",)
    assert "to blame: blocks.7.mlp.fc2" in text(record(found, CASE, 10, 100))
    found, asking, _ = interrupted(0, answers_interrupt=True)
    assert found is None
    assert asking.interrupted


def test_ctrl_c_ends_a_search_that_does_not_answer_it():
    with pytest.raises(KeyboardInterrupt):
        interrupted(22)


def test_fewer_images_are_taken_where_all_would_take_the_time():
    oracle = FakeOracle(dict.fromkeys(TWELVE, 0.001))
    asking = Asking(lambda f, rows: timed(oracle, f, rows), 60.0, oracle.now)
    found = blame(asking, placed(TWELVE), 1000)
    assert oracle.time <= 60
    assert 32 <= len(found.base.delta_square) < 500
    assert "images of 1000" in text(record(found, CASE, 1, 1000))


def timed(oracle, floats, rows):
    oracle.seconds = len(rows) / 32
    return oracle(floats, rows)


def test_a_recipe_that_cannot_be_built_is_named_and_the_others_go_on():
    costs = {**dict.fromkeys(TWELVE, 1e-4), TWELVE[4]: 0.5}
    found, _ = searched(costs, refused=[TWELVE[0]])
    # Only the recipe that leaves TWELVE[0] in int8, alone, was built.
    assert found.costs.untried == dict.fromkeys(TWELVE[1:], "planted")
    assert len(found.refusals) >= 11


def test_nothing_measured_is_nothing_found():
    oracle = FakeOracle({"a": 1.0}, refused=["a"])
    asking = Asking(lambda floats, rows: oracle(floats | {"a"}, rows), 9.0, oracle.now)
    assert blame(asking, placed(["a"]), 10) is None
    assert asking.refusals[0].reason == "planted"


def test_one_layer_alone_is_to_blame_without_a_recipe_in_float():
    found, _ = searched({"head": 0.9})
    assert (found.blamed, found.freed, found.together) == (("head",), {}, None)


def test_layers_are_placed_by_the_last_number_of_their_names():
    names = [
        "layers.0.blocks.1.attn.qkv",
        "layers.1.blocks.1.attn.qkv",
        "vit.layers.3.o_proj",
        "head",
    ]
    found = placed([*names, "mlp.0"])
    assert [each.block for each in found] == [
        "layers.0.blocks.1", "layers.1.blocks.1", "vit.layers.3", "", "",
    ]  # fmt: skip
    assert [each.kind for each in found] == ["attn.qkv", "attn.qkv", "o_proj", "head", "mlp.0"]
    assert [len(group.layers) for group in kinds(found)] == [2, 1, 1, 1]
    assert [group.name for group in blocks(found)][-2:] == ["head", "mlp.0"]


def test_images_are_spread_evenly():
    assert spread_over(5, 10) == [0, 1, 2, 3, 4]
    assert spread_over(10, 4) == [0, 2, 5, 7]


def test_the_picture_frames_the_blamed_layer_and_greys_what_is_unknown():
    found, _ = searched({**dict.fromkeys(FORTY_NINE, 1e-9), "blocks.7.mlp.fc2": 0.5})
    drawn = ElementTree.fromstring(picture(record(found, CASE, 10, 100)))
    cells = {
        cell[0].text.partition(":")[0]: cell
        for cell in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if len(cell)
    }
    assert set(cells) == set(FORTY_NINE)
    framed = [name for name, cell in cells.items() if cell.get("stroke")]
    assert framed == ["blocks.7.mlp.fc2"]
    assert cells["head"].get("fill") == "#e3e3e3"


def test_a_broken_layer_whose_error_is_no_number_is_blamed_and_written_as_null():
    class Infinite(FakeOracle):
        def __call__(self, floats, rows):
            found = super().__call__(floats, rows)
            if "b" not in floats:
                object.__setattr__(found.agreement, "relative_error", math.nan)
            return found

    oracle = Infinite({"a": 0.01, "b": 0.01, "c": 0.01})
    found = blame(Asking(oracle, 1e6, oracle.now), placed("abc"), 20)
    assert found.blamed == ("b",)
    layer = record(found, CASE, 10, 20)["layers"][1]
    assert (layer["name"], layer["alone_error"], layer["blamed"]) == ("b", None, True)
    assert "not finite" in text(record(found, CASE, 10, 20))
