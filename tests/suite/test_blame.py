"""Blame with real int8 layers: a layer that is planted broken is found in each of its places."""

import pytest

from tests.helpers.layered import HARMLESS, PLACES, session
from vitbench.blame.asking import Asking
from vitbench.blame.bench import Bench
from vitbench.blame.layers import placed
from vitbench.blame.search import blame


def searched(folder, variant="int8-dynamic", **planted):
    bench = Bench(*session(folder, variant, **planted))
    return blame(Asking(bench.ask, 600), placed(bench.layers()), len(bench.sample.ids))


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(at, marks=[] if at == 5 else [pytest.mark.thorough], id=name)
        for at, name in enumerate(PLACES)
    ],
)
def test_a_layer_that_is_planted_broken_is_found(place, tmp_path):
    found = searched(tmp_path, place=place)
    assert found.base.agreement.state == "BROKEN"
    assert found.blamed == (PLACES[place],)
    assert found.gain(PLACES[place]).proven


def test_a_plant_that_breaks_nothing_is_not_blamed(tmp_path):
    found = searched(tmp_path, place=3, outlier=HARMLESS)
    assert found.blamed == ()
    assert {layer.name for layer in found.layers} == {*PLACES, "head"}
    assert len(found.costs.layers) == 13
