"""What a model answers is checked as it is loaded: logits of its classes, for one size of image."""

from dataclasses import replace

import numpy as np
import pytest

from vitbench import models
from vitbench.errors import UserError
from vitbench.models import Label, Model, Weights, load_model, parse_spec

torch = pytest.importorskip("torch")


class Answers(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


def square(image):  # noqa: ARG001 - any photograph
    return np.zeros((3, 8, 8), np.float32)


def as_it_is(image):
    return np.asarray(image, np.float32).transpose(2, 0, 1)


def refuse(_):
    raise ValueError("not that\nway")


@pytest.mark.parametrize(
    ("answer", "preprocess", "said"),
    [
        (lambda x: x.new_ones(1, 2), square, None),
        (lambda x: x.new_ones(1, 2) / 0, square, "values that are not finite"),
        (lambda x: x.new_ones(1, 1), square, "has one output"),
        (
            lambda x: x.new_ones(1, 3),
            square,
            "has 3 outputs and 2 labels, and the head",
        ),
        (lambda x: x.new_ones(1, 2, 2), square, r"answers an image with \(1, 2, 2\)"),
        (lambda x: [x], square, "answers an image with list"),
        (refuse, square, r"own preprocessing, \(3, 8, 8\) \(not that\): one of the two"),
        (lambda x: x.new_ones(1, 2), refuse, r"fails on a photograph \(not that\)"),
        (lambda x: x.new_ones(1, 2), as_it_is, r"several sizes, such as \(240, 320\)"),
    ],
)
def test_outputs(monkeypatch, tmp_path, answer, preprocess, said):
    spec = parse_spec("deit_tiny_patch16_224", tmp_path)
    labels = (Label("0", "a"), Label("1", "b"))
    weights = Weights("seeded", "0", None, True, "")
    made = Model(spec, Answers(answer), {"source": "timm"}, preprocess, labels, weights, True)

    class Source:
        @staticmethod
        def load(*_):
            return replace(made)

    monkeypatch.setattr(models, "SOURCES", {"timm": Source})
    if said is None:
        assert load_model(spec, None).architecture["image"] == [3, 8, 8]
        return
    with pytest.raises(UserError, match=said) as caught:
        load_model(spec, None)
    assert "\n" not in str(caught.value)
    assert "--model deit_tiny_patch16_224: " in str(caught.value)
