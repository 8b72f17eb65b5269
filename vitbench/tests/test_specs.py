"""What --model may name."""

import pytest

from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec, parse_specs
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
        ("~nobody-of-this-name/model", "--model ~nobody"),
        ("deit_tiny_patch16_224@", "does not exist"),
        ("hub:deit", "hub:ORG/REPO"),
    ],
)
def test_spec_that_names_nothing(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        parse_spec(text, tmp_path)


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
