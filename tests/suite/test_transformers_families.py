"""Every family of transformers: its images, its answers, and the module again without its files."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers import hf_families as families
from tests.helpers.every_variant import outcome
from tests.suite.test_models import PHOTO, logits, offline  # noqa: F401 - of every test here
from tests.suite.test_transformers import _executed
from vitbench.errors import UserError
from vitbench.models import creation_code, load_model, parse_spec, skeleton
from vitbench.runtimes import variant


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
    assert reference.std() > 1e-3
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


@pytest.mark.parametrize("name", families.TOWERS)
def test_a_tower_embeds_as_transformers_own(tmp_path, name):
    import transformers

    folder = families.write_tower(tmp_path / name, name)
    model = load(folder)
    assert (model.head, model.labels) == ("embedding", ())
    images = model.preprocess(PHOTO)[None]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    assert np.array_equal(images, processor(images=PHOTO, return_tensors="np")["pixel_values"])
    kind, _, _, _, embedding = families.TOWERS[name]
    theirs = getattr(transformers, kind).from_pretrained(folder).eval()

    def embed(x):
        if embedding is None:  # of the whole
            return theirs.get_image_features(pixel_values=x).pooler_output
        return theirs(pixel_values=x)[embedding].flatten(1)

    reference = logits(embed, images)
    assert reference.std() > 1e-3
    assert np.allclose(logits(model.module, images), reference, atol=1e-6)
    for again in (skeleton(model.architecture), _executed(creation_code(model.architecture))):
        again.load_state_dict(model.module.state_dict())
        assert np.allclose(logits(again.eval(), images), reference, atol=1e-6)
    (note,) = model.notes
    assert f"{reference.shape[1]} numbers" in note
    names = model.module.state_dict()
    assert not any("text" in each for each in names)


# A whole is read as its tower is, DeiT's and DINOv2's networks stand here already.
GRAPHS = {*families.CLASSIFIERS, *families.TOWER_NAMES} - {
    "deit", "dinov2", "tower-vit", "tower-whole-clip", "tower-whole-siglip",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_it_is_traced_and_its_linear_layers_are_quantized(tmp_path, name):
    """Other runtimes build from the same module: `test_every_variant` has them."""
    model = load(families.any_of(tmp_path / name, name))
    with torch_threads(1):
        for recipe in ("scripted", "int8-dynamic"):
            found = outcome(model, variant(recipe), tmp_path)
            assert found["relative_error"] <= variant(recipe).limits.relative_error, (recipe, found)


@contextmanager
def torch_threads(count):
    """A deployment sets torch's number of threads for the whole process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def without(folder, *words):
    """The folder's weights without the tensors whose names have one of the words."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    kept = {k: v for k, v in load_file(file).items() if not any(word in k for word in words)}
    save_file(kept, file, metadata={"format": "pt"})


def test_a_vit_without_a_pooler_is_embedded_by_its_cls_token(tmp_path):
    from transformers import ViTModel

    folder = families.write_tower(tmp_path / "vit", "vit")
    without(folder, "pooler")
    model = load(folder)
    images = model.preprocess(PHOTO)[None]
    theirs = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    reference = logits(lambda x: theirs(pixel_values=x).last_hidden_state[:, 0], images)
    assert np.allclose(logits(model.module, images), reference, atol=1e-6)
    assert "has no pooler" in model.notes[0]
    again = skeleton(model.architecture)
    again.load_state_dict(model.module.state_dict())
    without(folder, "layernorm_after")
    with pytest.raises(UserError, match=r"does not fit its config.json \(ViTModel\)"):
        load(folder)


def test_a_tower_that_hides_parts_at_random_is_refused(tmp_path):
    from transformers import ViTMAEConfig, ViTMAEModel

    ViTMAEModel(ViTMAEConfig(**families.VIT)).save_pretrained(tmp_path / "mae")
    families.write_tower(tmp_path / "vit", "vit")
    (tmp_path / "vit" / "preprocessor_config.json").rename(
        tmp_path / "mae" / "preprocessor_config.json"
    )
    with pytest.raises(UserError, match="another embedding each time"):
        load(tmp_path / "mae")


@pytest.mark.parametrize(
    ("config", "head"),
    [
        ({"problem_type": "multi_label_classification"}, "multi-label"),
        ({"problem_type": "multi_label_classification", "num_labels": 1}, "binary"),
        ({"problem_type": "regression", "num_labels": 2}, "regression"),
        ({"problem_type": "regression", "num_labels": 1}, "regression"),
        ({"problem_type": "single_label_classification"}, "single-label"),
        ({}, "single-label"),
        ({"num_labels": 1}, None),
    ],
)
def test_problem_type_says_the_head(tmp_path, config, head):
    folder = families.write(tmp_path / "vit", "vit", **config)
    if head is None:
        with pytest.raises(UserError, match='say what the output is with head = "binary"'):
            load(folder)
        model = load_model(replace(parse_spec(str(folder), tmp_path), head="binary"), None)
        assert model.head == "binary"
    else:
        assert load(folder).head == head
