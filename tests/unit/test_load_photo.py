"""Photographs as samples of a load: what is sent, what answers, and which front half it is."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.helpers.layered import session
from vitbench.errors import Unavailable, UserError, WrongOutputs
from vitbench.load.answers import made
from vitbench.load.photo_samples import make_photo_samples
from vitbench.load.samples import LoadSamples
from vitbench.photo import choosing, photographs
from vitbench.photo.backends import BACKENDS
from vitbench.photo.photographs import LARGE, USUAL, Photograph


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A session of a small model, its case, and its photographs under load; none has 12 MP."""
    folder = tmp_path_factory.mktemp("load")
    own, found = session(folder, "fp32", images=24)
    own.verified(found)
    small = photographs.named("1 MP").jpeg
    kinds = tuple(
        replace(each, jpeg=small) if each.name == LARGE else each
        for each in photographs.photographs()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "photographs", lambda: kinds)
        yield own, found, make_photo_samples(own, found, folder, "pillow")


def jpegs(samples):
    with np.load(samples.request["samples"]) as arrays:
        return [arrays[str(number)].tobytes() for number in range(len(arrays.files))]


def answering(case, **changes):
    """What a serving process answers with, of a request that crossed a pipe."""
    own, found, samples = case
    request = {**own.placement(found).to_json(), **samples.request, **changes}
    (answer,) = made(json.loads(json.dumps(request)))
    return answer


def test_a_serving_process_answers_from_the_bytes_on(case):
    samples = case[2]
    outputs = answering(case)(np.arange(samples.known, dtype=np.uint32))
    samples.check.own(outputs, "instance 1")
    assert samples.check.timed([3], outputs[3:4], [outputs], alone=True) == 1


def test_another_preprocessing_under_load_is_caught(case):
    samples, steps = case[2], case[2].request["steps"]
    answer = answering(case, steps={**steps, "order": "BGR", "std": [2 * x for x in steps["std"]]})
    outputs = answer(np.arange(samples.known, dtype=np.uint32))
    with pytest.raises(WrongOutputs, match="the outputs of instance 1 before its runs under load"):
        samples.check.own(outputs, "instance 1")


def test_what_is_sent_are_photographs_and_new_ones_that_nobody_saw(case):
    samples = case[2]
    found = [np.asarray(Image.open(BytesIO(each))) for each in jpegs(samples)]
    assert {each.shape for each in found} == {(375, 500, 3)}
    assert len({each.tobytes() for each in found[: samples.known]}) == samples.known
    others = [found[number] for number in samples.new]
    assert len({each.tobytes() for each in others}) == len(samples.new)
    sizes = [len(jpegs(samples)[number]) for number in samples.new]
    assert max(sizes) < 1.1 * min(sizes)  # none takes longer to decode
    assert samples.photo.sizes.startswith(f"{samples.known} JPEG photographs of {USUAL}, ")
    assert samples.photo.front.sentence.startswith("pillow: ")


def chosen(case, monkeypatch, **rows):
    own, found, _ = case
    monkeypatch.setattr(choosing, "BACKENDS", rows)
    monkeypatch.setattr(choosing, "NAMES", tuple(rows))
    query = Photograph("a query", photographs.named("portrait").jpeg)
    return choosing.chosen_front(own, found, [query], ["one"])


def test_the_fastest_front_half_is_left_out_where_it_is_broken(case, monkeypatch):
    pillow = BACKENDS["pillow"]
    black = np.zeros((3, 32, 32), np.float32)
    nothing = replace(
        pillow, name="nothing", resizer=lambda _: lambda _: black, decoder=lambda _: lambda x: x
    )
    found = chosen(case, monkeypatch, nothing=nothing, pillow=pillow)
    assert (found.name, found.state != "BROKEN") == ("pillow", True)
    assert found.judged == len(photographs.whole()) + 1
    with pytest.raises(UserError, match="no front half keeps its limits: nothing: answers a photo"):
        chosen(case, monkeypatch, nothing=nothing)
    lacking = replace(pillow, packages=("no_such_package",))
    with pytest.raises(Unavailable, match="no front half: pillow: no_such_package is not inst"):
        chosen(case, monkeypatch, pillow=lacking)


def test_texts_of_the_option():
    assert LoadSamples.parse("tensor") == LoadSamples()
    assert LoadSamples.parse("photo") == LoadSamples(photo=True)
    assert LoadSamples.parse("photo:pillow") == LoadSamples(True, "pillow")
    for text in ("jpeg", "photo:", "tensor:pillow"):
        with pytest.raises(UserError, match=f"--load-samples={text}: expected tensor, photo, or"):
            LoadSamples.parse(text)
    for front in ("onnx-graph", "fastest"):
        with pytest.raises(UserError, match=f"samples=photo:{front}: FRONT is one of pillow, torc"):
            LoadSamples.parse(f"photo:{front}")
