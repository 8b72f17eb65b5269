"""Folders of transformers in all the forms that it writes, and those that it does not take."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.suite.test_models import PHOTO, logits, offline  # noqa: F401 - of every test here
from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec

SMALL = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 96, "image_size": 64, "patch_size": 16,
}  # fmt: skip
SIZE = {"height": 64, "width": 64}


def write(folder, processor=True, **config):
    """A ViT of six classes, unless told, as transformers saves it."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = ViTForImageClassification(ViTConfig(**{**SMALL, "num_labels": 6, **config}))
    model.save_pretrained(folder)
    if processor:
        ViTImageProcessor(size=SIZE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("written") / "vit")


@pytest.fixture
def folder(tmp_path, written):
    return shutil.copytree(written, tmp_path / "vit")


def load(folder):
    return load_model(parse_spec(str(folder), folder.parent), None)


def refused(folder):
    with pytest.raises(UserError) as found:
        load(folder)
    assert "\n" not in str(found.value)
    return str(found.value)


def change(file, **values):
    """Set values of a JSON file; None takes one out."""
    content = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def as_transformers(folder, model):
    """Whether the images and the logits are transformers' own."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    images = model.preprocess(PHOTO)[None]
    processor = AutoImageProcessor.from_pretrained(folder)
    assert np.array_equal(images, processor(images=PHOTO, return_tensors="np")["pixel_values"])
    theirs = AutoModelForImageClassification.from_pretrained(folder).eval()
    reference = logits(lambda x: theirs(pixel_values=x).logits, images)
    return np.array_equal(logits(model.module, images), reference)


def state_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def in_shards(folder, kind):
    """The folder with its weights as one `.bin`, as two, or as transformers' own shards."""
    import torch
    from transformers import ViTForImageClassification

    state = state_of(folder)
    if kind == "safetensors":
        model = ViTForImageClassification.from_pretrained(folder)
        model.save_pretrained(folder, max_shard_size="50KB")
    elif kind == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        names = {name: f"pytorch_model-0000{1 + n % 2}-of-00002.bin"
                 for n, name in enumerate(sorted(state))}  # fmt: skip
        for file in set(names.values()):
            torch.save({n: state[n] for n in names if names[n] == file}, folder / file)
        index = {"metadata": {}, "weight_map": names}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["safetensors", "bin", "bins"])
def test_weights_in_shards_and_in_torchs_own_files(folder, kind):
    whole = load(folder)
    in_shards(folder, kind)
    files = sorted([*folder.glob("*.bin"), *folder.glob("model-*")])
    assert len(files) > 1 or kind == "bin"
    model = load(folder)
    assert as_transformers(folder, model)
    assert model.weights.sha256 == whole.weights.sha256
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    lines = "".join(f"{each}  {file.name}\n" for each, file in zip(digests, files, strict=True))
    several = hashlib.sha256(lines.encode()).hexdigest()
    assert model.weights.file_sha256 == (digests[0] if kind == "bin" else several)
    assert not model.notes
    files[-1].unlink()
    lost = "model.safetensors" if kind == "bin" else files[-1].name
    assert f"{lost} is missing" in refused(folder)


def test_the_files_that_transformers_prefers_are_read_and_the_others_named(folder):
    import torch

    torch.save({}, folder / "pytorch_model.bin")
    model = load(folder)
    assert as_transformers(folder, model)
    assert model.notes == (
        "model.safetensors is read, as transformers does, pytorch_model.bin left out",
    )


def test_tensors_that_transformers_does_not_take_are_counted(folder):
    from safetensors.torch import save_file

    state = state_of(folder)
    state["teacher.weight"] = state["classifier.weight"].clone()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert load(folder).notes == (
        "1 tensors that transformers does not take are left out, such as teacher.weight",
    )


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_that_would_execute_is_refused(folder, tmp_path):
    import torch

    trace = tmp_path / "executed"
    in_shards(folder, "bin")
    torch.save({"x": Bomb(str(trace))}, folder / "pytorch_model.bin")
    assert "nothing was executed" in refused(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "is not JSON"),
        ("[]", "is no JSON object"),
        ("{}", "names no files"),
        ('{"weight_map": {"x": "../model.safetensors"}}', "is no file beside it"),
        ('{"weight_map": {"x": 3}}', "is no file beside it"),
    ],
)
def test_an_index_that_is_none(folder, content, words):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(content)
    assert words in refused(folder)


@pytest.mark.parametrize("kind", ["whole", "bins"])
def test_a_pointer_of_git_lfs_is_no_weights(folder, kind):
    file = folder / "model.safetensors"
    if kind == "bins":
        in_shards(folder, "bins")
        file = folder / "pytorch_model-00002-of-00002.bin"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    said = refused(folder)
    assert f"{file.name} is a pointer of Git LFS and not the weights" in said


def test_a_folder_of_a_tokenizer_is_no_model(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "tokenizer.json").write_text("{}")
    assert "config.json cannot be read (No such file" in refused(tmp_path / "words")


def test_adapters_are_not_left_out_in_silence(folder):
    (folder / "adapter_config.json").write_text("{}")
    assert "merge them into the model" in refused(folder)


def test_a_classifier_without_a_head_is_refused_unless_it_embeds(tmp_path):
    folder = write(tmp_path / "vit", num_labels=0)
    assert "has no head (num_labels is 0), and its outputs are features: compare" in refused(folder)
    model = load_model(replace(parse_spec(str(folder), tmp_path), head="embedding"), None)
    assert (model.head, model.labels) == ("embedding", ())
    assert "names class" not in "".join(model.notes)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": ["vit"]}, "model_type is ['vit'] (ViTForImageClassification)"),
        ({"model_type": "mine", "architectures": ["Mine"]}, "does not know"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "neither an image"),
        ({"model_type": "bert", "architectures": None}, "model_type is 'bert', which is neither"),
        (
            {"model_type": "detr", "architectures": ["DetrForObjectDetection"]},
            "names DetrForObjectDetection, which is neither an image classifier nor an image tower",
        ),
        (
            {"architectures": "ViTForMaskedImageModeling"},
            "of 'vit' vitbench reads ViTForImageClassification, ViTModel",
        ),
        ({"problem_type": "ranking"}, "problem_type is 'ranking': expected one of single_label_"),
        (
            {"model_type": "imagegpt", "architectures": ["ImageGPTForImageClassification"]},
            "ImageGPTForImageClassification takes input_ids, and vitbench gives a model images",
        ),
        ({"quantization_config": {"quant_method": "gptq"}}, "are quantized already (gptq)"),
        ({"hidden_size": "x"}, "config.json is no config that transformers takes"),
        ({"image_size": 128}, "makes images of 3 x 64 x 64"),
        ({"num_channels": 1}, "takes images of 1 channels"),
        ({"architectures": None}, None),
    ],
)
def test_configs_of_other_models(folder, values, words):
    change(folder / "config.json", **values)
    if words is None:
        assert as_transformers(folder, load(folder))
    else:
        assert words in refused(folder)


def test_names_that_leave_out_an_output_stay_with_their_number(tmp_path):
    names = {0: "cat", 2: "dog"}
    folder = write(tmp_path / "vit", num_labels=2, id2label=names, label2id={})
    model = load(folder)
    assert [label.name for label in model.labels] == ["cat", "class 1"]
    assert "id2label names class 2 (dog)" in model.notes[0]
    change(folder / "config.json", id2label={"cat": "0", "dog": "1"})
    assert "id2label has the key 'cat'" in refused(folder)


def test_a_folder_of_checkpoints_names_them(folder):
    for name in ("checkpoint-10", "checkpoint-20"):
        shutil.copytree(folder, folder.parent / "run" / name)
    said = refused(folder.parent / "run")
    assert "run has no config.json, but checkpoint-10 and checkpoint-20 in it have: name" in said


def test_a_config_of_other_classes_than_the_weights(folder):
    """transformers takes names from id2label alone; without it there are two classes."""
    change(folder / "config.json", id2label=None, label2id={"a": 0, "b": 1, "c": 2})
    said = refused(folder)
    assert "does not fit its config.json, which says 2 classes" in said
    assert "in the file, (2" in said


def test_weights_without_a_classifier(folder):
    from safetensors.torch import save_file

    state = {k: v for k, v in state_of(folder).items() if "classifier" not in k}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert "has no classifier" in refused(folder)


def test_the_cache_of_the_hub_may_hold_shards(tmp_path, folder, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    in_shards(folder, "bins")
    repo = tmp_path / "hub" / "models--me--mine"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    snapshot = repo / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot)
    model = load_model(parse_spec("hf:me/mine", tmp_path), "auto")
    assert model.weights.sha256 == load(folder).weights.sha256
    change(snapshot / "config.json", architecture="vit_tiny_patch16_224", model_type=None)
    with pytest.raises(UserError, match=r"are timm's, .* write hf-hub:me/mine"):
        load_model(parse_spec("hf:me/mine", tmp_path), "auto")
    shutil.copy(folder / "config.json", snapshot)
    (snapshot / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(UserError, match=r"a part of its weights and lacks pytorch_model-00002"):
        load_model(parse_spec("hf:me/mine", tmp_path), "auto")
