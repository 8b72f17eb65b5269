"""What a user sets of a model's preprocessing and labels: it is used, told, and refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.errors import UserError
from vitbench.models import labels, load_model, parse_spec
from vitbench.models.described import describe
from vitbench.models.preprocess import CROP_MODES, INTERPOLATIONS, SETTINGS, checked, tutorial
from vitbench.models.timm_images import of_tutorial

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
TINY = "vit_tiny_patch16_224,num_classes=4,img_size=48,depth=1,embed_dim=48,num_heads=3"


def test_the_words_are_timm_s():
    config = pytest.importorskip("timm.data.config")
    from timm.data.transforms import _str_to_torch_interpolation

    data = config.resolve_data_config({"input_size": (3, 8, 8)})
    assert set(data) == set(SETTINGS)
    assert set(_str_to_torch_interpolation) == set(INTERPOLATIONS)
    assert data["crop_mode"] in CROP_MODES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"man": [0.5]}, "man = [0.5]: there is no such setting; nearest: mean"),
        ({"interpolation": "bicubbic"}, "lanczos; nearest: bicubic"),
        ({"crop_mode": "centre"}, 'crop_mode = "centre": expected center, squash, border; near'),
        ({"std": [0.5, 0, 0.5]}, "std has 0: pixels are divided by it"),
        ({"std": [0.5, -1, 0.5]}, "std has -1"),
        ({"mean": [0.5, 0.5]}, "mean = [0.5, 0.5] has 2 numbers, and the images have 3 channels"),
        ({"mean": 0.5}, "mean = 0.5 is no list of numbers"),
        ({"mean": ["a", 1, 2]}, "is no list of numbers"),
        ({"mean": [0.5, float("nan"), 0.5]}, "is no list of numbers"),
        ({"crop_pct": 1.2}, "crop_pct = 1.2 is not above 0 and at most 1"),
        ({"crop_pct": 0}, "crop_pct = 0 is not above 0"),
        ({"crop_pct": True}, "crop_pct = True is not above 0"),
        ({"input_size": [224, 224]}, "expected channels, height and width, such as [3, 224, 224]"),
        ({"input_size": 224}, "expected channels, height and width"),
        ({"input_size": [1, 64, 64]}, "has 1 channels, and the model takes 3"),
    ],
)
def test_a_bad_value_is_one_sentence(given, said):
    with pytest.raises(UserError) as caught:
        checked(given, 3, "mine")
    assert str(caught.value).startswith("mine: preprocessing: ")
    assert said in str(caught.value)


def test_good_values_are_taken():
    given = {"mean": [0.5, 0.5, 0], "std": [1, 1, 1], "interpolation": "lanczos", "crop_pct": 1,
             "crop_mode": "squash", "input_size": [3, 32, 48]}  # fmt: skip
    assert checked(given, 3, "mine") == {**given, "mean": (0.5, 0.5, 0), "std": (1, 1, 1),
                                         "input_size": (3, 32, 48)}  # fmt: skip


def test_the_tutorial_s_is_itself_in_timm_s_words():
    """The same pixels, so that a change of one value changes that alone; and no sentence."""
    same, notes = of_tutorial({"crop_pct": 0.875}, "mine")
    assert np.array_equal(same(PHOTO), tutorial()(PHOTO))
    assert notes == ()
    darker, notes = of_tutorial({"mean": [0.4, 0.4, 0.4]}, "mine")
    assert not np.array_equal(darker(PHOTO), tutorial()(PHOTO))
    assert notes == (
        "preprocessing is set by the user: mean [0.4, 0.4, 0.4] (the model says "
        "[0.485, 0.456, 0.406])",
    )


def loaded(text=TINY, **set_by_user):
    return load_model(replace(parse_spec(text, Path()), **set_by_user), "seeded")


def test_a_timm_model_is_given_what_the_user_set():
    pytest.importorskip("timm")
    size = loaded().architecture["image"]
    given = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 1.0], "crop_mode": "squash",
             "interpolation": "bilinear", "crop_pct": 1.0}  # fmt: skip
    model = loaded(preprocessing=given)
    small = PHOTO.resize(size[:0:-1], Image.Resampling.BILINEAR)
    wanted = (np.asarray(small) / 255 - given["mean"]) / given["std"]
    # torchvision's ToTensor and Normalize, of what Pillow resizes.
    assert np.allclose(model.preprocess(PHOTO), wanted.transpose(2, 0, 1), atol=1e-5)
    (note,) = model.notes
    assert note.startswith("preprocessing is set by the user: mean [0.1, 0.2, 0.3] (the model")
    steps, _, _ = describe(model.preprocess)
    assert steps["mean"] == pytest.approx(given["mean"])
    assert steps["resize"] == {"size": size[1:], "interpolation": "bilinear"}


def test_a_size_that_the_model_does_not_take():
    pytest.importorskip("timm")
    with pytest.raises(UserError, match=r"Requested image size \(64, 64\), but the model requires"):
        loaded(preprocessing={"input_size": [3, 64, 64]})
    free = loaded(f"{TINY},dynamic_img_size=true", preprocessing={"input_size": [3, 64, 64]})
    assert free.architecture["image"] == [3, 64, 64]


def test_labels_are_the_user_s(tmp_path):
    pytest.importorskip("timm")
    file = tmp_path / "labels.txt"
    file.write_text("\ufeffcat\r\ndog\nhot dog \nbird\n\n", encoding="utf-8")
    names = ("cat", "dog", "hot dog", "bird")
    assert tuple(each.name for each in loaded(labels=str(file)).labels) == names
    assert tuple(each.id for each in loaded(labels=names).labels) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb\n", "labels = labels.txt has 2 labels, and the model has 3 outputs"),
        ("a\nb\nc\nd", "has 4 labels, and the model has 3 outputs"),
        ("a\n\nc", "labels = labels.txt: label 2 is empty"),
        (b"\xff\xfe", r"labels.txt cannot be read as labels \("),
        (None, r"labels.txt cannot be read as labels \("),
    ],
)
def test_labels_that_are_none_of_the_model(tmp_path, text, said):
    file = tmp_path / "labels.txt"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=f"mine: .*{said}"):
        labels.given(str(file), (3,), "mine")
    with pytest.raises(UserError, match="mine: labels has 2 labels"):
        labels.given(("a", "b"), (3,), "mine")
