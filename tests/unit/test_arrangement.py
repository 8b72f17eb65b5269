"""How cores are shared out: the texts of `--arrangement`, pins, and what `auto` tries."""

import pytest

from tests.conftest import ROOT
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.load.arrangement import Arrangement, fitting, parse, wanted
from vitbench.load.measuring import Loads, LoadSettings
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2x1", "2 x 1 thread, window 0 ms"),
        ("1x2", "1 x 2 threads, window 0 ms"),
        ("2x1x2.5", "2 x 1 thread, window 2.5 ms"),
        ("2streamsx1", "2 streams x 1 thread, window 0 ms"),
        ("4streamsx2x5", "4 streams x 2 threads, window 5 ms"),
    ],
)
def test_a_text_is_an_arrangement_and_back(text, words):
    assert str(parse(text)) == words
    assert parse(text).option == text


@pytest.mark.parametrize(
    "text",
    ["", "2", "0x1", "2x0", "ax1", "2x1x", "2x1x-3", "2x1x5x4",
     "2streams", "1streamsx1", "2x1streams"],
)  # fmt: skip
def test_another_text_is_refused(text):
    with pytest.raises(UserError, match=f"--arrangement={text}: expected auto, or"):
        wanted(text, (0, 1), 15.0)


def test_each_instance_has_cores_of_its_own():
    assert Arrangement(2, 2).pins((3, 5, 6, 7)) == [(3, 5), (6, 7)]


def test_streams_are_one_instance_on_all_of_their_cores():
    found = parse("2streamsx2")
    assert (found.instances, found.lanes, found.cores) == (1, 2, 4)
    assert found.pins((3, 5, 6, 7, 9)) == [(3, 5, 6, 7)]


def test_more_instances_than_cores_are_refused():
    with pytest.raises(UserError, match="--arrangement=3x1: 3 instances of 1 threads need 3 cores"):
        wanted("3x1", (0, 1), 15.0)
    assert wanted("2x1", (0, 1), 15.0) == [Arrangement(2, 1)]
    with pytest.raises(UserError, match="3streamsx1: 3 streams of 1 threads need 3 cores"):
        wanted("3streamsx1", (0, 1), 15.0)


def test_auto_tries_all_that_fit_two_cores_and_no_more():
    found = fitting(2, bound_ms=15.0)
    assert {(each.instances, each.threads) for each in found} == {(1, 1), (2, 1), (1, 2)}
    assert {each.window_ms for each in found} == {0.0, 3.8}
    assert all(each.cores <= 8 for each in fitting(8, 15.0))
    assert Arrangement(7, 1) in fitting(8, 15.0)
    assert {each.cores for each in fitting(1, 15.0)} == {1}


@pytest.mark.parametrize("bound", [0.1, 15.0, 1e6])
def test_auto_tries_nothing_twice_and_nothing_that_has_no_name(bound):
    found = fitting(2, bound)
    assert len(found) == len(set(found))
    assert [parse(each.option) for each in found] == found


def test_a_window_that_leaves_nothing_of_the_bound_is_refused():
    parse("1x1x14.9").require_window(15.0)
    words = "1x1x15: a window of 15 ms leaves nothing of the latency bound of 15 ms: name a shorter"
    with pytest.raises(UserError, match=words):
        parse("1x1x15").require_window(15.0)


def test_auto_tries_streams_where_the_runtime_has_them():
    streams = [str(each) for each in fitting(4, 15.0, streams=True) if each.streams]
    assert streams == ["4 streams x 1 thread, window 0 ms", "2 streams x 2 threads, window 0 ms"]
    assert not [each for each in fitting(1, 15.0, streams=True) if each.streams]


def arrangements(text, variant, device="cpu"):
    options = Options(
        models=(parse_spec("deit_tiny_patch16_224", ROOT),), weights=None, images=None,
        variants=(), reference="fp32", device="cpu", batches=(), threads=1, seconds=1.0,
        build_seconds=60.0, profile=False, calibration=None, verify_images=8, cache=None,
        rebuild=None,
    )  # fmt: skip
    loads = Loads(Session(options), LoadSettings(text))
    loads.cores = (0, 1)
    return loads.arrangements(Case("deit_tiny_patch16_224", variant, device, 1), 15.0)


def test_a_runtime_without_streams_has_no_such_arrangement():
    for variant, count in (("ort-int8-dynamic", 1), ("openvino-int8", 1), ("int8-dynamic", 0)):
        assert len([x for x in arrangements("auto", variant) if x.streams]) == count, variant
    assert arrangements("2streamsx1", "openvino-int8") == [parse("2streamsx1")]
    assert not [x for x in arrangements("auto", "ort-fp32", "cuda:0") if x.streams]
    words = "--arrangement=2streamsx1: eager has no streams of its own on cpu: name instances, such"
    with pytest.raises(Unavailable, match=words):
        arrangements("2streamsx1", "int8-dynamic")
