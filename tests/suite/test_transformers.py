"""Models of transformers: folders and the hub's cache, in the formats that it writes itself."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.helpers import hf_folder
from tests.suite.test_models import PHOTO, logits, offline  # noqa: F401 - of every test here
from vitbench.errors import UserError
from vitbench.models import creation_code, load_model, parse_spec, skeleton

TINY = {
    "model_type": "vit", "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 192, "image_size": 64, "patch_size": 16,
    "id2label": {"0": "cat", "1": "dog", "2": "cup"}, "label2id": {"cat": 0, "dog": 1, "cup": 2},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder, written by transformers itself."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = {k: v for k, v in TINY.items() if k != "model_type"}
    config["id2label"] = {int(k): v for k, v in TINY["id2label"].items()}
    ViTForImageClassification(ViTConfig(**config)).save_pretrained(tmp_path / "my_model")
    ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "my_model")
    return tmp_path / "my_model"


def test_hugging_face_folder(tmp_path, folder):
    from transformers import AutoImageProcessor, ViTForImageClassification

    model = load_model(parse_spec("./my_model/", tmp_path), None)
    images = model.preprocess(PHOTO)[None]
    processor = AutoImageProcessor.from_pretrained(folder)
    expected = processor(images=PHOTO, return_tensors="np")["pixel_values"]
    assert np.array_equal(images, expected)
    theirs = ViTForImageClassification.from_pretrained(folder).eval()
    reference = logits(lambda x: theirs(pixel_values=x).logits, images)
    assert np.array_equal(logits(model.module, images), reference)
    assert [label.name for label in model.labels] == ["cat", "dog", "cup"]


@pytest.mark.parametrize("name", ["DeiTForImageClassification", None])
def test_a_folder_of_transformers_own_deit(tmp_path, name):
    """transformers has two image classifiers of DeiT; a config may say which."""
    import transformers

    numbers = {k: v for k, v in TINY.items() if isinstance(v, int)}
    config = transformers.DeiTConfig(**numbers, num_labels=3)
    theirs = transformers.DeiTForImageClassification(config).eval()
    theirs.save_pretrained(tmp_path / "deit")
    transformers.DeiTImageProcessor(
        size={"height": 72, "width": 72}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(tmp_path / "deit")
    if name is None:
        file = tmp_path / "deit" / "config.json"
        told = json.loads(file.read_text())
        del told["architectures"]
        file.write_text(json.dumps(told))
    model = load_model(parse_spec("./deit/", tmp_path), None)
    images = model.preprocess(PHOTO)[None]
    reference = logits(lambda x: theirs(pixel_values=x).logits, images)
    assert np.array_equal(logits(model.module, images), reference)
    again = skeleton(model.architecture)
    again.load_state_dict(model.module.state_dict())
    assert np.array_equal(logits(again.eval(), images), reference)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", '{"model_type": "bert"}', "model_type is 'bert'"),
        ("model.safetensors", "garbage", "model.safetensors is not a checkpoint"),
        ("model.safetensors", None, "model.safetensors is missing"),
    ],
)
def test_damaged_folder(tmp_path, folder, file, text, words):
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(UserError, match=words):
        load_model(parse_spec("./my_model/", tmp_path), None)


def test_hugging_face_cache(tmp_path, folder, monkeypatch):
    """A hub name, from the cache as the hub's client lays it out."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    repo = cache / "models--me--mine"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    (repo / "snapshots").mkdir()
    folder.rename(repo / "snapshots" / ("0" * 40))
    model = load_model(parse_spec("hf:me/mine", tmp_path), "auto")
    assert model.weights.origin == "pretrained"
    assert len(model.labels) == 3
    # As `from_pretrained` of the model alone leaves the cache.
    (repo / "snapshots" / ("0" * 40) / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"has its weights and lacks preprocessor_config\.json"):
        load_model(parse_spec("hf:me/mine", tmp_path), "auto")


def test_an_exported_graph_has_no_mask(tmp_path, folder):  # noqa: ARG001 - folder writes
    """transformers makes one of nothing but True under export, and runtimes would keep it."""
    import torch

    model = load_model(parse_spec("./my_model/", tmp_path), None)
    graph = torch.export.export(model.module, (torch.zeros(1, 3, 64, 64),)).graph
    attentions = [node for node in graph.nodes if "dot_product" in str(node.target)]
    assert len(attentions) == 2
    assert all([*node.args, None][3] is None and not node.kwargs.get("attn_mask")
               for node in attentions)  # fmt: skip


@pytest.mark.parametrize("text", ["vit_tiny_patch16_224", "./my_model/"])
def test_creation_code_makes_the_same_module(tmp_path, folder, text):  # noqa: ARG001 - folder writes
    model = load_model(parse_spec(text, tmp_path), "seeded")
    images = model.preprocess(PHOTO)[None]
    for bare in (skeleton(model.architecture), _executed(creation_code(model.architecture))):
        bare.load_state_dict(model.module.state_dict())
        assert np.array_equal(logits(bare.eval(), images), logits(model.module, images))
    json.dumps(dict(model.architecture))


def _executed(code):
    names = {}
    exec(code, names)
    return names["model"]


def test_one_network_from_two_libraries_gives_the_same_logits(tmp_path):
    """A folder as the hub's: transformers' ViT with the weights of timm's DeiT."""
    import torch

    ours = load_model(parse_spec("deit_tiny_patch16_224", ROOT), "bundled")
    theirs = load_model(parse_spec(f"hf={hf_folder.write(tmp_path)}", ROOT), None)
    image = Image.effect_noise((300, 260), 80).convert("RGB")
    images = torch.from_numpy(ours.preprocess(image))[None]
    with torch.inference_mode():
        assert torch.allclose(ours.module(images), theirs.module(images), atol=1e-5)
    assert [label.name for label in theirs.labels] == [label.name for label in ours.labels]
