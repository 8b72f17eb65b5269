"""Every model source, from files in the formats of the hubs, which these tests write."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.conftest import IMAGES, ROOT
from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec
from vitbench.models.checkpoint import read_checkpoint
from vitbench.models.preprocess import TUTORIAL, tutorial
from vitbench.models.weights import tensors_sha256

PHOTO = Image.fromarray(skimage.data.astronaut())


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def logits(module, images):
    import torch

    with torch.inference_mode():
        return module(torch.from_numpy(images)).numpy()


@pytest.fixture(scope="module")
def deit():
    """DeiT-Tiny's state dict with seven classes, as its authors save it."""
    import timm
    import torch

    torch.manual_seed(3)
    return timm.create_model("deit_tiny_patch16_224", num_classes=7).eval().state_dict()


@pytest.mark.parametrize("ending", ["model.pth", "plain.pth", "safetensors"])
def test_checkpoint_files(tmp_path, deit, ending):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / f"best.{ending}"
    if ending == "safetensors":
        save_file(deit, path)
    else:
        torch.save({"model": deit, "epoch": 3} if ending == "model.pth" else deit, path)
    model = load_model(parse_spec(f"deit_tiny_patch16_224@{path}", tmp_path), None)
    assert model.weights.origin == "checkpoint"
    assert not model.weights.synthetic
    assert len(model.labels) == 7
    assert all(model.module.state_dict()[k].equal(v) for k, v in deit.items())


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(UserError, match=r"evil\.pth"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "ran").exists(), "the planted pickle does nothing: the test proves nothing"


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_damaged_config_beside_a_checkpoint_is_named(tmp_path, deit, text):
    import torch

    torch.save(deit, tmp_path / "model.pth")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json, beside the checkpoint, cannot be read"):
        load_model(parse_spec(f"deit_tiny_patch16_224@{tmp_path / 'model.pth'}", ROOT), None)


def test_a_checkpoint_brings_its_preprocessing_and_labels(tmp_path, deit):
    """A folder as timm saves it for the hub; and one of ours, which says its `input`."""
    import torch

    torch.save(deit, tmp_path / "model.pth")
    spec = parse_spec(f"deit_tiny_patch16_224@{tmp_path / 'model.pth'}", ROOT)
    names = [f"n{index}" for index in range(7)]
    timms = {
        "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5], "crop_pct": 1.0,
                           "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"},
        "label_names": names, "label_descriptions": {"n0": "lemon"},
    }  # fmt: skip
    plain = load_model(spec, None).preprocess(PHOTO)
    (tmp_path / "config.json").write_text(json.dumps(timms))
    model = load_model(spec, None)
    found = model.preprocess(PHOTO)
    assert found.min() >= -1 <= found.max() <= 1
    assert not np.allclose(found, plain)
    assert [label.name for label in model.labels[:2]] == ["lemon", "n1"]
    (tmp_path / "config.json").write_text(json.dumps({"input": TUTORIAL}))
    assert np.array_equal(load_model(spec, None).preprocess(PHOTO), tutorial()(PHOTO))


def test_a_checkpoint_of_another_architecture(tmp_path, deit):
    from safetensors.torch import save_file

    save_file(deit, tmp_path / "tiny.safetensors")
    spec = parse_spec("deit_small_patch16_224@tiny.safetensors", tmp_path)
    with pytest.raises(UserError, match=r"cls_token has shape \(1, 1, 192\), expected"):
        load_model(spec, None)


HUBCONF = 'dependencies = ["torch", "timm"]\nfrom models_of_hub import *\n'
HUBMODELS = """
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer

@register_model
def deit_tiny_patch16_224(pretrained=False, **kwargs):
    if pretrained:
        raise OSError("no network")
    return VisionTransformer(img_size=224, patch_size=16, embed_dim=48, depth=2, num_heads=3)
"""


def test_torch_hub_leaves_timm_as_it_was(tmp_path, monkeypatch):
    """Code as DeiT's registers timm's own names again; it lies in torch.hub's cached folder."""
    import timm
    import torch

    repo = tmp_path / "someone_deit_main"
    repo.mkdir()
    (repo / "hubconf.py").write_text(HUBCONF)
    (repo / "models_of_hub.py").write_text(HUBMODELS)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    before = set(timm.list_models())
    spec = parse_spec("hub:someone/deit:main:deit_tiny_patch16_224", tmp_path)
    model = load_model(spec, "auto")
    assert model.weights.synthetic
    assert "no network" in model.weights.note
    assert logits(model.module, model.preprocess(PHOTO)[None]).shape == (1, 1000)
    assert set(timm.list_models()) == before
    assert timm.create_model("deit_tiny_patch16_224", num_classes=3).embed_dim == 192
    assert "models_of_hub" not in sys.modules
    (repo / "models_of_hub.py").write_text(f"{HUBMODELS}# other code, and so another model\n")
    other = load_model(spec, "auto")
    assert other.weights.sha256 == model.weights.sha256
    assert other.architecture != model.architecture


def test_the_bundled_preprocessing_is_the_tutorials():
    from torchvision import transforms as t
    from torchvision.transforms import InterpolationMode

    model = load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)
    theirs = t.Compose(
        [
            t.Resize(256, interpolation=InterpolationMode.BICUBIC),
            t.CenterCrop(224),
            t.ToTensor(),
            t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    assert np.array_equal(model.preprocess(PHOTO), theirs(PHOTO).numpy())
    assert model.weights.origin == "bundled"
    assert model.weights.file_sha256.startswith("d368b587")


def test_timms_preprocessing_is_timms():
    import timm

    model = load_model(parse_spec("vit_tiny_patch16_224", ROOT), "seeded")
    config = timm.data.resolve_model_data_config(model.module)
    theirs = timm.data.create_transform(**config, is_training=False)
    assert np.array_equal(model.preprocess(PHOTO), theirs(PHOTO).numpy())
    assert model.labels[805].name == "soccer ball"


def test_seeded_weights_are_the_same_in_every_process_and_synthetic():
    code = (
        "from pathlib import Path; from vitbench.models import load_model, parse_spec;"
        "print(load_model(parse_spec('vit_tiny_patch16_224', Path('.')), 'seeded').weights.sha256)"
    )
    import torch

    state = torch.random.get_rng_state()
    model = load_model(parse_spec("vit_tiny_patch16_224", ROOT), "seeded")
    assert state.equal(torch.random.get_rng_state())
    done = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout.split()[-1] == model.weights.sha256 == tensors_sha256(model.module)
    assert model.weights.synthetic


@pytest.mark.thorough
@pytest.mark.skipif(
    not IMAGES.is_dir(), reason="the labelled test images are not beside this checkout"
)
def test_the_bundled_checkpoint_is_as_good_as_its_readme_says():
    import torch

    from vitbench.measure.classes import class_indices
    from vitbench.measure.folder import folder_photos
    from vitbench.measure.sample import make_sample

    model = load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)
    photos = folder_photos(IMAGES, 500)
    folders = sorted({photo.folder for photo in photos})
    sample = make_sample(photos, model.preprocess, class_indices(folders, model.labels), "images")
    with torch.inference_mode():
        found = torch.cat([model.module(x) for x in torch.from_numpy(sample.images[:]).split(50)])
    assert len(photos) == 500
    assert (found.argmax(1).numpy() == sample.labels).mean() == pytest.approx(0.636, abs=0.01)
