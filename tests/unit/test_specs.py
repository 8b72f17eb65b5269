"""What --model may name."""

import json
from dataclasses import asdict

import pytest

from vitbench.errors import UserError
from vitbench.models import ModelSpec, load_model, parse_spec, parse_specs
from vitbench.models.checkpoint import read_checkpoint


@pytest.mark.parametrize(
    ("text", "name", "source", "ident", "public"),
    [
        ("deit_tiny_patch16_224", "deit_tiny_patch16_224", "timm", "deit_tiny_patch16_224", None),
        ("timm:vit_tiny_patch16_224", "vit_tiny_patch16_224", "timm", "vit_tiny_patch16_224",
         "vit_tiny_patch16_224"),
        ("mine=hf:google/vit-base-patch16-224", "mine", "hf", "google/vit-base-patch16-224",
         "hf:google/vit-base-patch16-224"),
        ("hf:google/vit-base-patch16-224", "google-vit-base-patch16-224", "hf",
         "google/vit-base-patch16-224", None),
        ("hub:facebookresearch/deit:main:deit_base", "hub-deit_base", "hub",
         "facebookresearch/deit:main:deit_base", None),
        ("deit_base_patch16_224@a=b.pth", "deit_base_patch16_224-a-b", "timm",
         "deit_base_patch16_224", "deit_base_patch16_224@a=b.pth"),
        ("./my_model/", "my_model", "hf", "my_model", "folder:my_model"),
        ("py:acme.vision:tiny", "acme.vision-tiny", "py", "acme.vision:tiny", None),
        ("mine=py:acme:Nets.tiny@a=b.pth", "mine", "py", "acme:Nets.tiny",
         "py:acme:Nets.tiny@a=b.pth"),
    ],
)  # fmt: skip
def test_spec(tmp_path, text, name, source, ident, public):
    (tmp_path / "a=b.pth").touch()
    (tmp_path / "my_model").mkdir()
    spec = parse_spec(text, tmp_path)
    assert (spec.name, spec.source, spec.ident) == (name, source, ident)
    assert spec.public == (public or text)
    assert str(tmp_path) not in spec.public


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hf:a/b/c", "hf:ORG/NAME"),
        ("hf:", "hf:ORG/NAME"),
        ("hf:./mine", r"expected hf:ORG/NAME; a folder here is written \./NAME"),
        ("hf:a--b/c", "expected hf:ORG/NAME$"),
        ("hf:a/b.", "expected hf:ORG/NAME$"),
        ("google/vit-base", "does not exist; .* hub: hf:google/vit-base$"),
        ("hf-hub:vit_tiny_patch16_224", r"expected hf-hub:ORG/NAME\[@REVISION\]"),
        ("local-dir:nothing", "nothing does not exist"),
        ("local-dir:file", "file is a file; name the folder"),
        ("~nobody-of-this-name/model", "--model ~nobody"),
        ("deit_tiny_patch16_224@", "does not exist"),
        ("hub:deit", "hub:ORG/REPO"),
        ("py:acme.vision", "expected py:package.module:factory"),
        ("py:acme/vision.py:tiny", "expected py:package.module:factory"),
        ("py:acme:tiny@", "does not exist"),
        ("py:acme:tiny@mine", "mine is a folder; name a checkpoint file"),
    ],
)
def test_spec_that_names_nothing(tmp_path, text, words):
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words):
        parse_spec(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "ema", "args"),
    [
        ("deit@best.pth,ema=false", "deit-best-ema-false", False, {}),
        ("x=deit@best.pth,ema=true", "x", True, {}),
        ("deit@odd,ema=no", "deit-odd-ema-no", None, {}),
        ("vit,img_size=384,global_pool=avg", "vit-img_size-384-global_pool-avg", None,
         {"img_size": 384, "global_pool": "avg"}),
        ("vit@best.pth,img_size=384,ema=false,qkv_bias=false",
         "vit-best-img_size-384-ema-false-qkv_bias-false", False,
         {"img_size": 384, "qkv_bias": False}),
    ],
)  # fmt: skip
def test_settings_behind_a_spec(tmp_path, text, name, ema, args):
    (tmp_path / "best.pth").touch()
    (tmp_path / "odd,ema=no").touch()
    spec = parse_spec(text, tmp_path)
    assert (spec.name, spec.ema, spec.args) == (name, ema, args)
    assert spec.public == text.removeprefix("x=")
    assert ModelSpec(**json.loads(json.dumps(asdict(spec)))) == spec


def test_settings_of_the_preprocessing_are_of_every_source(tmp_path):
    more = ",crop_pct=1,mean=[0.5, 0.4,0.3],interpolation=bilinear"
    wanted = {"crop_pct": 1, "mean": [0.5, 0.4, 0.3], "interpolation": "bilinear"}
    for text in ("vit", "hf:google/vit", "py:acme:tiny", "hub:a/b:c"):
        spec = parse_spec(text + more, tmp_path)
        assert (spec.preprocessing, spec.args, spec.public) == (wanted, {}, text + more)
    spec = parse_spec("py:acme:tiny,depth=2,crop_pct=0.9,img_size=[64,96]", tmp_path)
    assert (spec.preprocessing, spec.args) == (
        {"crop_pct": 0.9},
        {"depth": 2, "img_size": [64, 96]},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deit_tiny_patch16_224@best.pth,ema=1", "ema is true or false"),
        ("deit_tiny_patch16_224@best.pth,ema=true,ema=false", "sets one thing twice"),
        ("deit_tiny_patch16_224,ema=true", "belongs behind a checkpoint"),
        ("hf:google/vit-base-patch16-224,img_size=384", "only a timm model and a factory take"),
    ],
)
def test_settings_that_set_nothing(tmp_path, text, said):
    (tmp_path / "best.pth").touch()
    with pytest.raises(UserError, match=said):
        parse_spec(text, tmp_path)


def test_a_folder_is_timms_or_transformers_by_its_config(tmp_path):
    for name, config in {
        "timm": {"architecture": "vit_tiny_patch16_224"},
        "wrapped": {"architecture": "vit_tiny_patch16_224", "model_type": "timm_wrapper"},
        "hf": {"architectures": ["ViTForImageClassification"], "model_type": "vit"},
        "both": {"architecture": "x", "model_type": "vit"},
        "neither": [],
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "bare").mkdir()
    sources = {each: parse_spec(f"./{each}", tmp_path).source
               for each in ("timm", "wrapped", "hf", "both", "neither", "bare")}  # fmt: skip
    assert sources == {"timm": "timm", "wrapped": "timm", **dict.fromkeys(
        ("hf", "both", "neither", "bare"), "hf")}  # fmt: skip


def test_a_text_file_is_no_checkpoint(tmp_path):
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(UserError, match=r"notes\.txt.*not in torch's format") as caught:
        read_checkpoint(tmp_path / "notes.txt")
    assert len(str(caught.value).splitlines()) == 1


def test_a_tag_that_timm_does_not_have(tmp_path):
    with pytest.raises(UserError, match="fb_in1k"):
        load_model(parse_spec("deit_tiny_patch16_224.nope", tmp_path), "seeded")


def test_two_models_of_one_name(tmp_path):
    with pytest.raises(UserError, match="NAME=SPEC"):
        parse_specs(["deit_tiny_patch16_224", "timm:deit_tiny_patch16_224"], tmp_path)
