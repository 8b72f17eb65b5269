"""Every family of transformers: its images, its answers, and the module again without its files."""

import json

import numpy as np
import pytest

from tests.helpers import hf_families as families
from tests.suite.test_models import PHOTO, logits, offline  # noqa: F401 - of every test here
from tests.suite.test_transformers import _executed
from vitbench.models import creation_code, load_model, parse_spec, skeleton


def load(folder):
    return load_model(parse_spec(str(folder), folder.parent), None)


@pytest.mark.parametrize("name", families.CLASSIFIERS)
def test_a_classifier_answers_as_transformers_own(tmp_path, name):
    import transformers

    folder = families.write(tmp_path / name, name)
    model = load(folder)
    images = model.preprocess(PHOTO)[None]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    assert np.array_equal(images, processor(images=PHOTO, return_tensors="np")["pixel_values"])
    kind = getattr(transformers, families.CLASSIFIERS[name][0])
    theirs = kind.from_pretrained(folder).eval()
    reference = logits(lambda x: theirs(pixel_values=x).logits, images)
    assert reference.shape == (1, families.CLASSES)
    assert np.allclose(logits(model.module, images), reference, atol=1e-6)
    for again in (skeleton(model.architecture), _executed(creation_code(model.architecture))):
        again.load_state_dict(model.module.state_dict())
        assert np.allclose(logits(again.eval(), images), reference, atol=1e-6)
    json.dumps(dict(model.architecture))


def test_a_teacher_s_answer_is_the_mean_of_both_heads(tmp_path):
    import torch
    from transformers import DeiTForImageClassificationWithTeacher as Teacher

    folder = families.write(tmp_path / "deit", "deit-teacher")
    model = load(folder)
    images = torch.from_numpy(model.preprocess(PHOTO)[None])
    with torch.inference_mode():
        theirs = Teacher.from_pretrained(folder).eval()(pixel_values=images)
        answer = model.module(images)
    assert not torch.allclose(theirs.cls_logits, theirs.distillation_logits, atol=1e-3)
    mean = (theirs.cls_logits + theirs.distillation_logits) / 2
    assert torch.allclose(answer, mean, atol=1e-6)
