"""Image processors of transformers: as it prepares images itself, or refused before any work."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers import hf_families
from tests.suite.test_models import PHOTO
from tests.suite.test_transformers_files import (
    SIZE,
    SMALL,
    as_transformers,
    change,
    folder,  # noqa: F401 - a fixture
    load,
    offline,  # noqa: F401 - of every test here
    refused,
    write,
    written,  # noqa: F401 - a fixture
)
from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("CLIP", {"size": {"shortest_edge": 64}, "crop_size": 64}),
        ("CLIP", {"size": {"shortest_edge": 80}, "crop_size": {"height": 64, "width": 64}}),
        ("ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 0.875}),
        ("DeiT", {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}}),
        ("ViT", {"size": {"height": 64, "width": 64}, "do_normalize": False}),
        ("Beit", {"size": 64, "do_center_crop": False}),
    ],
)
def test_processors_of_other_models_prepare_as_transformers_does(folder, kind, options):  # noqa: F811
    import transformers

    (folder / "preprocessor_config.json").unlink()
    getattr(transformers, f"{kind}ImageProcessor")(**options).save_pretrained(folder)
    assert as_transformers(folder, load(folder))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": {"height": 32, "width": 32}}, "makes images of 3 x 32 x 32"),
        ({"size": {"height": 32}}, "preprocessor_config.json"),
        ({"size": {"shortest_edge": 64}}, "resize to a height and a width, or add a center crop"),
        ({"do_resize": False}, "makes images of 3 x 240 x 320 from a photograph of 320 x 240"),
        ({"do_center_crop": True, "crop_size": {"height": 48, "width": 48}}, "3 x 48 x 48"),
        ({"image_mean": [0.5, 0.5]}, "takes no photograph of 320 x 240 pixels"),
        ({"image_processor_type": "NoImageProcessor"}, "is no image processor of transformers"),
        (
            {"image_processor_type": None, "feature_extractor_type": "WhisperFeatureExtractor"},
            "names WhisperFeatureExtractor, which is no image processor of transformers",
        ),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "and no images of height and width"),
        ({"size": {"height": 64, "width": 64}}, None),
        ({"size": 64}, None),
        ({"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor"}, None),
    ],
)
def test_a_processor_that_does_not_fit_is_refused(folder, values, words):  # noqa: F811
    change(folder / "preprocessor_config.json", **values)
    if words is None:
        assert as_transformers(folder, load(folder))
    else:
        assert words in refused(folder)


def test_images_that_are_not_square(tmp_path):
    import transformers

    write(tmp_path / "vit", image_size=[64, 96])
    assert "3 x 64 x 96" in refused(tmp_path / "vit")
    size = {"height": 64, "width": 96}
    transformers.ViTImageProcessor(size=size).save_pretrained(tmp_path / "vit")
    model = load(tmp_path / "vit")
    assert model.architecture["image"] == [3, 64, 96]
    assert as_transformers(tmp_path / "vit", model)


def test_without_a_processor_a_vit_says_whose_defaults_and_a_deit_is_refused(tmp_path):
    import transformers

    write(tmp_path / "vit", processor=False)
    (note,) = load(tmp_path / "vit").notes
    assert "preprocessor_config.json is missing" in note
    assert "64 x 64, bilinear, mean [0.5, 0.5, 0.5]" in note
    config = transformers.DeiTConfig(**SMALL, num_labels=6)
    transformers.DeiTForImageClassification(config).save_pretrained(tmp_path / "deit")
    assert "preprocessor_config.json is missing" in refused(tmp_path / "deit")


def given(folder, **preprocessing):  # noqa: F811
    spec = replace(parse_spec(str(folder), folder.parent), preprocessing=preprocessing)
    return load_model(spec, None)


def test_a_user_s_mean_and_interpolation_are_the_processor_s(folder):  # noqa: F811
    from transformers import ViTImageProcessor

    model = given(folder, mean=[0.1, 0.2, 0.3], interpolation="bicubic")
    theirs = ViTImageProcessor(size=SIZE, image_mean=[0.1, 0.2, 0.3], resample=3)
    wanted = theirs(images=PHOTO, return_tensors="np")["pixel_values"][0]
    assert np.array_equal(model.preprocess(PHOTO), wanted)
    (note,) = model.notes
    assert "mean [0.1, 0.2, 0.3] (the model says [0.5, 0.5, 0.5])" in note
    assert not given(folder, mean=[0.5, 0.5, 0.5]).notes


def test_settings_that_a_processor_does_not_heed_are_refused(folder, tmp_path):  # noqa: F811
    with pytest.raises(UserError, match="crop_pct is a word of timm; size and crop"):
        given(folder, crop_pct=0.9)
    mobile = hf_families.write(tmp_path / "mobile", "mobilevit")
    with pytest.raises(UserError, match="MobileViTImageProcessor does not heed mean"):
        given(mobile, mean=[0.1, 0.2, 0.3])
