"""From the photograph to the answer: every front half, on every kind of photograph."""

from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.helpers.layered import session
from vitbench.errors import Unavailable, UserError
from vitbench.models.preprocess import as_array, tutorial
from vitbench.photo import backends, decoders, measuring, photographs, resizers
from vitbench.photo.backends import BACKENDS
from vitbench.photo.chain import Answer, chained
from vitbench.photo.judging import FrontState, own
from vitbench.photo.photographs import LARGE, TURNED, USUAL, Photograph
from vitbench.photo.pixels import LEAST, PixelLimit, _largest
from vitbench.photo.steps import Steps
from vitbench.plugin.cases import asks_for
from vitbench.report.misfit import typed
from vitbench.report.row import PhotoRow
from vitbench.runtimes import RUNTIMES, Placement, load, variant
from vitbench.runtimes.catalogue import require
from vitbench.show.photo import from_the_photograph

PLAIN = [name for name, each in BACKENDS.items() if each.resizer]
# Mean levels of 255 off the model's own preprocessing, at most: where a library resizes otherwise.
OTHER = {"opencv": 1.5, "opencv-plain": 6.0}
LOSSLESS = 0.02
SCALED = {"12 MP": 0.5, "1 MP": 0.5}


def kinds(*left_out):
    return [each for each in photographs.photographs() if each.name not in left_out]


def front_of(name, steps):
    """Skips where a package is missing."""
    try:
        return BACKENDS[name].front_half(steps)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def steps():
    return Steps.of(tutorial())


def levels(found, wanted, steps):
    """How far images are from each other, in levels of 255."""
    return np.abs(found - wanted) / np.abs(steps.factor)


@pytest.mark.parametrize("name", PLAIN)
def test_a_front_half_makes_what_the_model_s_preprocessing_makes(name, steps):
    front, wanted = front_of(name, steps), own(tutorial())
    for each in kinds(LARGE, "truncated"):
        made, true = front(each.jpeg), wanted(each.jpeg)
        assert made.shape == true.shape == steps.image
        assert made.dtype == np.float32
        assert made.flags.c_contiguous
        most = SCALED.get(each.name, LOSSLESS) if "scaled" in name else OTHER.get(name, LOSSLESS)
        assert levels(made, true, steps).mean() < most, each.name


@pytest.mark.parametrize("name", PLAIN)
def test_a_photograph_that_ends_in_its_middle_is_refused(name, steps):
    front = front_of(name, steps)
    with pytest.raises(UserError, match=r"the photograph cannot be read .*truncated"):
        front(photographs.named("truncated").jpeg)
    with pytest.raises(UserError, match="is not an image"):
        front(b"no photograph")


def test_photographs_are_of_the_kinds_that_services_get():
    found = {each.name: each for each in kinds()}
    assert found[USUAL].size == (500, 375)
    assert found[LARGE].size == (4000, 3000)
    modes = {name: Image.open(BytesIO(each.jpeg)).mode for name, each in found.items()}
    assert (modes["grey"], modes["CMYK"], modes["progressive"]) == ("L", "CMYK", "RGB")
    assert Image.open(BytesIO(found["progressive"].jpeg)).info["progressive"]
    assert Image.open(BytesIO(found["turned"].jpeg)).getexif()[0x0112] == TURNED
    assert [name for name, each in found.items() if not each.whole] == ["truncated"]
    plain = [name for name, each in found.items() if decoders.is_plain(each.jpeg)]
    assert plain == [name for name in found if name not in ("CMYK", "truncated")]


@pytest.fixture(scope="module")
def limit(steps):
    return PixelLimit.of(own(tutorial()), steps)


KEPT = FrontState("KEPT", "it: its answers are the same: KEPT")


@pytest.mark.parametrize("name", PLAIN)
def test_pixels_decide_where_answers_do_not(name, steps, limit):
    """What is found of the answers is KEPT, as random weights have it whatever the pixels are."""
    found = limit.judged(KEPT, name, front_of(name, steps))
    if name == "opencv-plain":
        assert found.state == "BROKEN"
        assert found.sentence.startswith("opencv-plain: pixels are off by 0.")
        assert found.pixels > limit.most
    else:
        assert found == replace(KEPT, pixels=found.pixels)
        assert 0 <= found.pixels <= limit.most


@pytest.mark.parametrize("number", [0, 1], ids=["panorama", "tall"])
def test_a_side_that_shrinks_is_antialiased_beside_one_that_grows(steps, number):
    both = replace(steps, resize=(224, 224), crop=None)
    jpeg = photographs.long_ones()[number].jpeg
    wanted = (resizers.by_pillow(both)(decoders.by_pillow(jpeg)),)
    pixels = PixelLimit((jpeg,), wanted, 0.07)
    for front in PLAIN:
        off = pixels.difference(front_of(front, both))
        assert (off <= pixels.most) == (front != "opencv-plain"), (front, off)


def test_pixels_add_nothing_to_what_is_broken_or_not_seen(steps, limit):
    broken = FrontState("BROKEN", "it: other answers: BROKEN")
    plain = front_of("opencv-plain", steps)
    assert limit.judged(broken, "it", plain).sentence == broken.sentence
    assert limit.judged(KEPT, "it", None) == KEPT

    def refusing(jpeg):
        return plain(jpeg[: len(jpeg) // 2])

    assert limit.judged(broken, "it", refusing) == broken
    refused = limit.judged(KEPT, "it", refusing)
    assert refused.state == "BROKEN"
    assert refused.sentence.startswith("it: refuses what Pillow reads: the photograph")


def test_the_limit_on_pixels_is_of_any_normalisation_and_leaves_room_where_nothing_shrinks(
    steps, limit
):
    half = replace(steps, mean=(0.5,) * 3, std=(0.5,) * 3)
    made = resizers.by_pillow(half)
    other = PixelLimit.of(lambda jpeg: made(decoders.by_pillow(jpeg)), half)
    assert other.most == pytest.approx(limit.most, rel=0.1)
    grey = [np.ones((3, 2, 2), np.float32)]
    assert _largest(grey, grey) == 0
    assert _largest([grey[0] * 2], grey) == float("inf")
    ramp = [np.arange(12, dtype=np.float32).reshape(3, 2, 2)]
    assert np.isnan(_largest([ramp[0] * np.nan, ramp[0]], ramp * 2))
    assert limit.most > LEAST


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("squashed", {"crop_mode": "squash", "interpolation": "bilinear"}),
        ("odd size", {"crop_pct": 0.9, "interpolation": "bicubic"}),
    ],
)
def test_other_sizes_and_kernels(words, settings):
    from timm.data import create_transform

    preprocess = as_array(create_transform((3, 97, 97), is_training=False, **settings))
    steps, wanted = Steps.of(preprocess), own(preprocess)
    for name in ("pillow", "torchvision", "simplejpeg"):
        front = front_of(name, steps)
        for each in kinds(LARGE, "truncated"):
            off = levels(front(each.jpeg), wanted(each.jpeg), steps)
            assert off.mean() < 0.05, (words, name, each.name)


def test_blue_first_and_the_other_corner(steps):
    odd = replace(steps, order="BGR", crop=(97, 131), crop_at="floor", image=(3, 97, 131))
    jpeg = photographs.named("portrait").jpeg
    pixels = decoders.by_pillow(jpeg)
    turned = replace(odd, order="RGB", mean=odd.mean[::-1], std=odd.std[::-1])
    true = resizers.by_pillow(turned)(pixels)[::-1]
    for by in (resizers.by_torch, resizers.by_torchvision):
        assert levels(by(odd)(pixels), true, odd).mean() < LOSSLESS


def test_what_a_library_cannot_do_is_said(steps, monkeypatch):
    with pytest.raises(Unavailable, match="no hamming interpolation"):
        resizers.by_torch(replace(steps, interpolation="hamming"))
    with pytest.raises(Unavailable, match="larger than what is resized"):
        resizers.by_torch(replace(steps, resize=200))
    with pytest.raises(Unavailable, match="takes grey images"):
        resizers.by_torch(replace(steps, image=(1, 224, 224)))
    monkeypatch.setattr(backends, "find_spec", {"torch": "there"}.get)
    with pytest.raises(Unavailable, match=r"^cv2 is not installed: pip install .*\[photo\]"):
        BACKENDS["opencv"].front_half(steps)
    with pytest.raises(Unavailable, match=r"^simplejpeg and openvino are not .*\[photo,runtimes\]"):
        BACKENDS["openvino-graph"]._require()
    with pytest.raises(Unavailable, match="a part of the graph of a variant of openvino"):
        BACKENDS["openvino-graph"].front_half(steps)


def test_the_largest_outputs_are_named_first():
    answer = Answer.of(np.array([[0.1, 3, 2, 2, -1, 9, 0]], np.float32))
    assert answer.best.tolist() == [[5, 1, 2, 3, 0]]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A session of a small model, its case, and what Pillow's chain answers."""
    made, case = session(tmp_path_factory.mktemp("photo"), "fp32", images=24)
    judge = measuring._judge(made, case)
    deployment = made.deployment(case)
    preprocess = made.model("m").preprocess
    reference = judge.outputs(chained(own(preprocess), deployment))
    return made, case, judge, deployment, reference


def state(case, decode, resizer=resizers.by_pillow):
    made, _, judge, deployment, reference = case
    make = resizer(Steps.of(made.model("m").preprocess))
    chain = chained(lambda jpeg: make(decode(jpeg)), deployment)
    return judge.judged("it", chain, reference, BACKENDS["pillow"].limits)


def guessing(jpeg):
    """As decoders do that fill up what is missing."""
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return np.asarray(Image.open(BytesIO(jpeg)).convert("RGB"))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def strict(jpeg):
    if not decoders.is_plain(jpeg):
        raise UserError("the photograph is of another kind")
    return decoders.by_pillow(jpeg)


def test_a_front_half_that_is_right_is_not_broken(case):
    found = state(case, decoders.by_pillow)
    assert found.state != "BROKEN"
    assert found.agreement.relative_error < 1e-4


def test_limits_leave_room_for_a_level_here_and_there(case):
    made, _, judge, deployment, reference = case
    preprocess = made.model("m").preprocess
    rough = replace(deployment, read=lambda output: np.round(deployment.read(output), 1))
    assert judge.room(preprocess, deployment, reference) < 0.01
    assert judge.room(preprocess, rough, reference) > 0.01


@pytest.mark.parametrize(
    ("decode", "words"),
    [
        (guessing, "answers a photograph that ends in its middle: BROKEN"),
        (strict, "refuses what Pillow reads: the photograph is of another kind: BROKEN"),
        (lambda jpeg: decoders.by_pillow(jpeg)[..., ::-1], "BROKEN"),
        (lambda jpeg: np.rot90(decoders.by_pillow(jpeg)), "BROKEN"),
        (lambda jpeg: decoders.by_pillow(jpeg)[::8, ::8], "BROKEN"),
    ],
    ids=["guesses", "refuses", "blue first", "turned", "without antialiasing"],
)
def test_a_front_half_that_is_wrong_is_broken(case, decode, words):
    found = state(case, decode)
    assert found.state == "BROKEN"
    assert found.sentence.endswith(words)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        pytest.param("openvino-graph", "openvino-fp32", marks=pytest.mark.thorough),
        ("onnx-graph", "ort-fp32"),
    ],
)
def test_a_graph_takes_the_preprocessing_in(case, tmp_path, name, recipe):
    made, fp32, judge, other, reference = case
    model, row = made.model("m"), variant(recipe)
    steps, runtime = Steps.of(model.preprocess), RUNTIMES[row.runtime]
    try:
        require(row, "cpu")
        path = tmp_path / f"graph{runtime.suffix(row)}"
        runtime.build(model, row, path, None)
        placement = Placement(path, row, "cpu", model.architecture, 1)
        whole = replace(BACKENDS[name], decoder=BACKENDS["simplejpeg"].decoder)
        chain = whole.chain(steps, placement, load(placement))
    except Unavailable as reason:
        pytest.skip(str(reason))
    found = judge.judged(name, chain, reference, BACKENDS[name].limits)
    assert found.state != "BROKEN", found.sentence
    assert found.agreement.relative_error < 0.02
    with pytest.raises(Unavailable, match="only a graph of"):
        BACKENDS[name].chain(steps, made.placement(fp32), other)


def test_a_case_is_timed_from_the_photograph_on(case, monkeypatch):
    made, asked = case[:2]
    made.options = replace(made.options, seconds=0.05)
    small = Photograph(LARGE, photographs.named("1 MP").jpeg)
    kinds_of = tuple(small if each.name == LARGE else each for each in kinds())
    monkeypatch.setattr(photographs, "photographs", lambda: kinds_of)
    found = measuring.measure_photo(made, asked, 4)
    fronts = {each.name: each for each in found.fronts}
    assert list(fronts) == ["own", *BACKENDS]
    assert fronts["onnx-graph"].state == "unavailable"
    assert fronts["pillow"].pixel_difference < 1e-6
    assert fronts["opencv-plain"].pixel_difference is None or (
        fronts["opencv-plain"].state == "BROKEN"
    )
    assert fronts["own"].seconds.keys() == fronts["pillow"].seconds.keys() == {USUAL, LARGE}
    assert [each.photograph.name for each in found.timed] == [USUAL, LARGE]
    assert found.timed[0].front in fronts
    assert fronts[found.timed[0].front].state in ("KEPT", "UNPROVEN")
    benchmark = {
        "group": "photo", "stats": {"data": [1.0], "median": 1.0}, "extra_info": found.to_json(),
    }  # fmt: skip
    row = typed(benchmark, PhotoRow, "row")
    assert row.extra_info.judged == 24 + len(kinds_of) - 1

    class Shown:
        case, typed = asked, {"photo": row}

    lines = list(from_the_photograph([Shown]))
    assert lines[0].startswith("m/fp32/cpu/b1: 500 x 375, 55 kB: ")
    assert any(line.startswith("  pillow: ") and "by itself" in line for line in lines)
    assert any("photographs; pixels may be off by " in line for line in lines)
    assert any(line.startswith("  pillow: ") and "; pixels off by " in line for line in lines)


@pytest.mark.parametrize(
    ("args", "keyword", "asked"),
    [
        (["benchmarks"], "", False),
        (["benchmarks/test_latency.py"], "photograph", False),
        (["benchmarks/test_photo.py::test_photo_to_answer[m/fp32/cpu/b1]"], "", True),
        ([], "photo and fp32", True),
    ],
)
def test_it_runs_where_it_is_asked_for(args, keyword, asked):
    option = {"vitbench_arrangement": "auto", "keyword": keyword}  # of what is under load
    config = SimpleNamespace(option=SimpleNamespace(**option), args=args)
    assert asks_for("photo", config) is asked
