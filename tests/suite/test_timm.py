"""timm's folders, arguments and names: read as timm reads them, and its logits to the bit."""

import json
import re

import numpy as np
import pytest
import skimage.data
from PIL import Image

from vitbench.errors import UserError
from vitbench.models import creation_code, load_model, parse_spec, skeleton
from vitbench.models.timm_files import config_of
from vitbench.models.timm_names import current_name

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")
PHOTO = Image.fromarray(skimage.data.astronaut())
TINY = {"depth": 2, "embed_dim": 48, "num_heads": 3}
NAME = "vit_tiny_patch16_224"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def made(folder, name=NAME, classes=5, weights="model.safetensors", small=TINY, **args):
    """A folder as timm saves it for the hub."""
    from safetensors.torch import save_file
    from timm.models import save_for_hf

    torch.manual_seed(2)
    module = timm.create_model(name, num_classes=classes, **small, **args).eval()
    save_for_hf(module, folder, model_args={**small, **args}, safe_serialization=False)
    (folder / "pytorch_model.bin").unlink()
    if weights == "model.safetensors":
        save_file(module.state_dict(), folder / weights)
    else:
        torch.save(module.state_dict(), folder / weights)
    return folder


def changed(folder, **config):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))


def same_as_timm(folder, model):
    """Logits and images as timm's own; and the same module from the architecture alone."""
    theirs = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.randn(2, *model.architecture["image"])
    with torch.inference_mode():
        assert torch.equal(model.module(images), theirs(images))
    data = timm.data.resolve_model_data_config(theirs)
    transform = timm.data.create_transform(**data, is_training=False)
    if model.architecture["image"][0] == 3:
        assert np.array_equal(model.preprocess(PHOTO), transform(PHOTO).numpy())
    architecture = json.loads(json.dumps(model.architecture))
    scope: dict = {}
    exec(creation_code(architecture), scope)
    for bare in (skeleton(architecture), scope["model"]):
        bare.eval().load_state_dict(theirs.state_dict())
        with torch.inference_mode():
            assert torch.equal(bare(images), theirs(images))


@pytest.mark.parametrize(
    "args",
    [
        {"img_size": 64},
        {"img_size": [64, 96], "patch_size": 8},
        {"img_size": 64, "global_pool": "avg"},
        {"img_size": 64, "reg_tokens": 4, "class_token": False, "global_pool": "avg"},
        {"img_size": 64, "dynamic_img_size": True},
        {"img_size": 64, "in_chans": 1},
    ],
)
def test_a_folder_of_timms(tmp_path, args):
    folder = made(tmp_path / "mine", **args)
    model = load_model(parse_spec("./mine", tmp_path), None)
    same_as_timm(folder, model)
    size = 224 if "dynamic_img_size" in args else args["img_size"]
    size = size if isinstance(size, list) else [size, size]
    assert model.architecture["image"] == [args.get("in_chans", 3), *size]
    assert len(model.labels) == 5
    assert (model.weights.origin, model.spec.public) == ("checkpoint", "folder:mine")


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "best.pth"])
def test_other_files_of_weights(tmp_path, weights):
    folder = made(tmp_path / "mine", img_size=64, weights=weights)
    same_as_timm(folder, load_model(parse_spec("./mine", tmp_path), None))


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "vit_tiny_patch16_384"])
def test_other_architectures(tmp_path, name):
    """Two heads; and a size that is the registry's own."""
    folder = made(tmp_path / "mine", name, small={"depth": 1})
    same_as_timm(folder, load_model(parse_spec("./mine", tmp_path), None))


def test_older_and_poorer_configs(tmp_path):
    """All in one table; without fixed_input_size; and of transformers' wrapper of timm."""
    folder = made(tmp_path / "mine", img_size=64)
    config = json.loads((folder / "config.json").read_text())
    changed(folder, pretrained_cfg={"input_size": [3, 64, 64], "mean": [0.5] * 3, "std": [0.5] * 3})
    same_as_timm(folder, load_model(parse_spec("./mine", tmp_path), None))
    old = config_of({**config["pretrained_cfg"], "architecture": NAME, "num_classes": 5}, folder)
    assert (old.architecture, old.pretrained["num_classes"]) == (NAME, 5)
    assert old.pretrained["input_size"] == [3, 64, 64]
    from safetensors.torch import load_file, save_file

    wrapped = {**config, "model_type": "timm_wrapper", "label_names": list("abcde")}
    (folder / "config.json").write_text(json.dumps(wrapped))
    plain = load_file(folder / "model.safetensors")
    save_file({f"timm_model.{n}": t for n, t in plain.items()}, folder / "model.safetensors")
    model = load_model(parse_spec("./mine", tmp_path), None)
    assert all(model.module.state_dict()[n].equal(t) for n, t in plain.items())
    assert [label.name for label in model.labels] == list("abcde")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, None),
        ({"problem_type": "multi_label_classification"}, None),
        ({"pretrained_cfg": None}, "has no pretrained_cfg"),
    ],
)
def test_what_transformers_saves_of_a_timm_model(tmp_path, config, said):
    """It writes null for no arguments, and names for classes that have none."""
    transformers = pytest.importorskip("transformers")
    pretrained = {"input_size": [3, 160, 160], "mean": [0.4] * 3, "std": [0.3] * 3}
    wrapper = transformers.TimmWrapperConfig(
        architecture="test_vit4", num_labels=5, pretrained_cfg=pretrained
    )
    theirs = transformers.TimmWrapperForImageClassification(wrapper).eval()
    theirs.save_pretrained(folder := tmp_path / "mine")
    assert json.loads((folder / "config.json").read_text())["model_args"] is None
    changed(folder, **config)
    if said:
        with pytest.raises(UserError, match=said):
            load_model(parse_spec("./mine", tmp_path), None)
        return
    model = load_model(parse_spec("./mine", tmp_path), None)
    assert model.head == ("multi-label" if config else "single-label")
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = processor(PHOTO, return_tensors="pt")["pixel_values"]
    assert np.array_equal(model.preprocess(PHOTO), pixels[0].numpy())
    with torch.inference_mode():
        assert torch.equal(model.module(pixels), theirs(pixels).logits)
    assert model.labels[4].name == "class 4"


def test_what_timm_adapts_is_adapted_with_a_line(tmp_path):
    """Positions of another size of image, in a folder; a file must fit as it is."""
    folder = made(tmp_path / "mine", img_size=64)
    changed(folder, model_args={**TINY, "img_size": 96})
    model = load_model(parse_spec("./mine", tmp_path), None)
    same_as_timm(folder, model)
    (note,) = model.notes
    assert note.startswith("timm has adapted model.safetensors: 1 tensors are renamed or resized")
    assert note.endswith("such as pos_embed")
    more = "".join(f",{name}={value}" for name, value in TINY.items())
    spec = parse_spec(f"{NAME}@mine/model.safetensors{more},img_size=96", tmp_path)
    with pytest.raises(UserError, match=r"pos_embed has shape .*img_size=384"):
        load_model(spec, None)


def test_a_grey_model_takes_grey_photographs(tmp_path):
    made(tmp_path / "mine", img_size=64, in_chans=1)
    model = load_model(parse_spec("./mine", tmp_path), None)
    found = model.preprocess(PHOTO)
    assert found.shape == (1, 64, 64)
    assert np.array_equal(found, model.preprocess(PHOTO.convert("L").convert("RGB")))
    assert model.notes == ("photographs are made grey for it",)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_classes": 7}, r"says num_classes 7, and the head of model\.safetensors has 5"),
        ({"architecture": "vit_tinny_patch16_224"}, "did you mean vit_tiny_patch16_224"),
        ({"model_args": {**TINY, "depth": 3}}, r"model\.safetensors does not fit .*blocks\.2\."),
        ({"model_args": {"nonsense": 1}}, r"config\.json: timm cannot make .* with nonsense=1"),
        ({"model_args": {"checkpoint_path": "x.pth"}}, "checkpoint_path is no argument"),
        ({"model_args": {**TINY, "features_only": True}}, "config.json"),
        ({"pretrained_cfg": {"mean": "grey"}}, r"config\.json"),
        ({"model_args": 3}, r"config\.json is no config of timm's"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path, config, said):
    folder = made(tmp_path / "mine", img_size=64)
    changed(folder, **config)
    with pytest.raises(UserError, match=said) as caught:
        load_model(parse_spec("./mine", tmp_path), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("classes", "said"), [(1, "one output"), (2, None)])
def test_heads_that_name_no_class(tmp_path, classes, said):
    folder = made(tmp_path / "mine", classes=classes, img_size=64)
    (tmp_path / "alone").mkdir()
    (folder / "model.safetensors").rename(tmp_path / "alone" / "best.safetensors")
    more = "".join(f",{name}={value}" for name, value in {**TINY, "img_size": 64}.items())
    alone = f"{NAME}@alone/best.safetensors{more}"
    made(folder, classes=classes, img_size=64)
    for text in ("./mine", alone):
        if said is None:
            assert len(load_model(parse_spec(text, tmp_path), None).labels) == classes
            continue
        with pytest.raises(UserError, match=said):
            load_model(parse_spec(text, tmp_path), None)


def test_a_model_without_a_head_is_an_embedding(tmp_path):
    """A folder that says so; and a classifier's weights with num_classes=0, whose head is left."""
    folder = made(tmp_path / "mine", classes=0, img_size=64)
    model = load_model(parse_spec("./mine", tmp_path), None)
    same_as_timm(folder, model)
    assert model.head == "embedding"
    more = "".join(f",{name}={value}" for name, value in {**TINY, "img_size": 64}.items())
    (folder / "model.safetensors").rename(tmp_path / "alone.safetensors")
    with pytest.raises(UserError, match=r"has no head: .* give num_classes = 0 for an embedding"):
        load_model(parse_spec(f"{NAME}@alone.safetensors{more}", tmp_path), None)
    whole = made(tmp_path / "whole", img_size=64)
    for text in ("./whole,num_classes=0", f"{NAME}@whole/model.safetensors{more},num_classes=0"):
        model = load_model(parse_spec(text, tmp_path), None)
        assert model.head == "embedding"
        assert "the classifier of model.safetensors is left out: head.bias, head" in model.notes[0]
        theirs = timm.create_model(f"local-dir:{whole}", pretrained=True, num_classes=0).eval()
        images = torch.randn(2, 3, 64, 64)
        with torch.inference_mode():
            assert torch.equal(model.module(images), theirs(images))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Writes a repository as the hub's cache has it; gives the folder of its files."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def write(repo="acme/vit", revision="main", **args):
        repository = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
        snapshot = repository / "snapshots" / (revision[0] * 40)
        made(snapshot, img_size=64, **args)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / revision).write_text(snapshot.name)
        return snapshot

    return write


def test_a_repository_of_the_hub(hub, tmp_path):
    folder, _ = hub(), hub(revision="v2", classes=7)
    model = load_model(parse_spec("hf_hub:acme/vit", tmp_path), None)
    same_as_timm(folder, model)
    assert (model.weights.origin, model.weights.note) == ("pretrained", "acme/vit, cached")
    assert (model.spec.name, model.spec.public) == ("acme-vit", "hf-hub:acme/vit")
    model = load_model(parse_spec("hf-hub:acme/vit@v2", tmp_path), None)
    assert len(model.labels) == 7
    theirs = timm.create_model("hf-hub:acme/vit@v2", pretrained=True)  # from that cache
    assert theirs.state_dict()["head.bias"].equal(model.module.state_dict()["head.bias"])


def test_arguments_of_a_repository_are_timm_s(hub, tmp_path):
    hub()
    model = load_model(parse_spec("hf-hub:acme/vit,img_size=96,in_chans=1", tmp_path), None)
    theirs = timm.create_model("hf-hub:acme/vit", pretrained=True, img_size=96, in_chans=1).eval()
    images = torch.randn(2, 1, 96, 96)
    with torch.inference_mode():
        assert torch.equal(model.module(images), theirs(images))
    assert "timm has adapted model.safetensors: 2 tensors" in model.notes[0]


def test_what_the_hub_s_cache_lacks_is_one_sentence(hub, tmp_path):
    with pytest.raises(
        UserError, match=r"hf-hub:acme/none: acme/none is not in the hub's cache \(.*hub\)"
    ):
        load_model(parse_spec("hf-hub:acme/none", tmp_path), None)
    folder = hub()
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="acme/vit: its weights are not in the hub's cache"):
        load_model(parse_spec("hf-hub:acme/vit", tmp_path), "pretrained")
    model = load_model(parse_spec("hf-hub:acme/vit", tmp_path), "seeded")
    assert (model.weights.origin, len(model.labels)) == ("seeded", 5)
    with pytest.raises(UserError, match="no bundled checkpoint for hf-hub:acme/vit"):
        load_model(parse_spec("hf-hub:acme/vit", tmp_path), "bundled")


def test_a_local_directory_as_timm_writes_it(tmp_path):
    folder = made(tmp_path / "mine", img_size=64)
    model = load_model(parse_spec("local-dir:mine", tmp_path), None)
    same_as_timm(folder, model)
    assert model.spec.public == "folder:mine"
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UserError, match=r"config\.json is no config of timm's: it names no arch"):
        load_model(parse_spec("local-dir:mine", tmp_path), None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("nonsense=1", "timm cannot make .*nonsense=1: .*unexpected keyword argument 'nonsense'"),
        ("pretrained=true", "pretrained is no argument .*: --weights says which"),
        ("checkpoint_path=x", "checkpoint_path is no argument .*: write NAME@PATH"),
        ("in_chans=4", "the model takes images of 4 channels; photographs have 3"),
        ("num_classes=-1", "num_classes is -1, which is no number of classes"),
        ("global_pool=maxx", "timm cannot make .*global_pool='maxx'"),
    ],
)
def test_an_argument_that_timm_does_not_take(tmp_path, more, said):
    with pytest.raises(UserError, match=said) as caught:
        load_model(
            parse_spec(f"{NAME},depth=1,embed_dim=48,num_heads=3,{more}", tmp_path), "seeded"
        )
    assert "\n" not in str(caught.value)


def test_weights_of_transformers_in_a_timm_name(tmp_path):
    torch.save({"vit.embeddings.patch_embeddings.projection.bias": torch.ones(2)},
               tmp_path / "hf.pth")  # fmt: skip
    with pytest.raises(UserError, match="transformers' names of tensors and not timm's: give"):
        load_model(parse_spec("test_vit@hf.pth", tmp_path), None)


def test_arguments_behind_a_name(tmp_path):
    text = f"{NAME},img_size=64,depth=1,num_classes=4"
    model = load_model(parse_spec(text, tmp_path), "seeded")
    assert model.architecture["image"] == [3, 64, 64]
    assert len(model.module.blocks) == 1
    assert len(model.labels) == 4


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("vit_base_patch16_224_in21k", "vit_base_patch16_224.augreg_in21k"),
        ("vit_deit_tiny_patch16_224", "deit_tiny_patch16_224"),
    ],
)
def test_names_that_timm_has_changed(name, current):
    from timm.models._registry import get_deprecated_models

    assert get_deprecated_models().get(name, current) == current
    if name in get_deprecated_models():
        assert current_name(name, "mine") == (current, (f"timm calls {name} {current} today",))
    assert current_name(current, "mine") == (current, ())
    with pytest.raises(UserError, match=r"timm has no vit_.*nope; it has vit_base_patch16_224"):
        current_name("vit_base_patch16_224_in21k.nope", "mine")


def test_a_name_that_timm_does_not_know_may_be_meant_for_a_project_s_model():
    with pytest.raises(UserError, match=r"has no model colour; .*; `vitbench list` names the mod"):
        current_name("colour", "mine")


def test_a_changed_name_has_the_classes_of_the_present_one(tmp_path):
    spec = parse_spec("vit_tiny_patch16_224_in21k,depth=1", tmp_path)
    model = load_model(spec, None)
    assert len(model.labels) == 21843
    assert "timm calls" in model.notes[0]
    assert "timm/vit_tiny_patch16_224.augreg_in21k is not in the cache" in model.weights.note


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vit_small_patch14_dinov2,num_classes=9", "has no head: the 9 classes are made up"),
        ("vit_small_patch14_dinov2", None),
        ("vit_base_patch32_clip_224.openai", "the 512 outputs of .* are taken for an embedding"),
        ("vit_tiny_patch16_224", None),
    ],
)
def test_a_line_where_outputs_are_no_classes(tmp_path, name, said):
    model = load_model(parse_spec(f"{name},depth=1,embed_dim=48,num_heads=3", tmp_path), "seeded")
    assert (model.notes == ()) if said is None else re.search(said, model.notes[0])
    embeds = name in ("vit_small_patch14_dinov2", "vit_base_patch32_clip_224.openai")
    assert model.head == ("embedding" if embeds else "single-label")
