"""A package says how its input is made, and its code makes that without vitbench."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from vitbench.build.entry import Artifact
from vitbench.build.package import package
from vitbench.cli.codes import BROKEN, OK
from vitbench.cli.main import main
from vitbench.models import load_model, parse_spec
from vitbench.models.described import _picture, describe
from vitbench.models.preprocess import Described, as_array, tutorial
from vitbench.runtimes import RUNTIMES, VARIANTS, variant

SIZE = (3, 224, 224)


def of_timm(**settings):
    from timm.data import create_transform

    return as_array(create_transform(SIZE, is_training=False, **settings))


def of_transformers(name, **settings):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, name)(**settings)

    def apply(image):
        return np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0])

    return Described(apply, processor)


def grey():
    from torchvision import transforms

    plain = as_array(
        transforms.Compose([
            transforms.Resize((40, 30)), transforms.ToTensor(), transforms.Normalize([0.5], [0.2]),
        ])
    )  # fmt: skip
    return Described(lambda image: plain(image.convert("L")), plain.made_of, grey=True)


CASES = {
    "tutorial": tutorial,
    "timm": of_timm,
    "timm, squashed": lambda: of_timm(crop_mode="squash", interpolation="bicubic"),
    "timm, all of it": lambda: of_timm(crop_pct=1.0, interpolation="lanczos"),
    "timm, Inception": lambda: of_timm(mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=0.9),
    "grey": grey,
    "ViT": lambda: of_transformers("ViTImageProcessor"),
    "DeiT": lambda: of_transformers("DeiTImageProcessor"),
    "shortest edge": lambda: of_transformers("CLIPImageProcessor"),
    "SigLIP": lambda: of_transformers("SiglipImageProcessor"),
    "ConvNeXt": lambda: of_transformers("ConvNextImageProcessor", size={"shortest_edge": 224}),
    "ConvNeXt, squeezed": lambda: of_transformers("ConvNextImageProcessor"),
    "MobileViT": lambda: of_transformers("MobileViTImageProcessor", size={"shortest_edge": 288}),
    "not rescaled": lambda: of_transformers("ViTImageProcessor", do_rescale=False),
    "not normalized": lambda: of_transformers("ViTImageProcessor", do_normalize=False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_code_makes_the_pixels_of_the_preprocessing(tmp_path, name):
    preprocess = CASES[name]()
    steps, lines, reason = describe(preprocess)
    assert reason == ""
    made = {}
    exec("\n".join(lines), made)
    image = _picture(333, 250)  # none of those that it was proved on
    image.save(tmp_path / "a.png")
    found, wanted = made["preprocess"](tmp_path / "a.png"), preprocess(image)[None]
    assert found.shape == wanted.shape == (1, *steps["input"])
    assert found.dtype == np.float32
    levels = np.abs(found - wanted) * np.reshape(steps["std"], (1, -1, 1, 1)) * steps["scale"]
    assert (levels > 1.01).mean() < 0.01
    by_pillow = "timm" in name or name in ("tutorial", "grey")
    most = 0.01 if by_pillow else 12 if "squeezed" in name or name == "SigLIP" else 6
    assert steps["levels_off"] <= most
    assert levels.max() <= most


def test_files_are_opened_as_vitbench_opens_them(tmp_path):
    from vitbench.measure.images import read_image

    made, preprocess = {}, tutorial()
    exec("\n".join(describe(preprocess)[1]), made)
    drawn = _picture(300, 260)
    turned = Image.Exif()
    turned[0x0112] = 6
    drawn.save(tmp_path / "turned.jpg", exif=turned)
    half = drawn.convert("RGBA")
    half.putalpha(100)
    half.save(tmp_path / "transparent.png")
    drawn.convert("L").save(tmp_path / "grey.png")
    drawn.quantize(32).save(tmp_path / "palette.gif")
    drawn.convert("CMYK").save(tmp_path / "cmyk.jpg")
    for path in tmp_path.iterdir():
        wanted = preprocess(read_image(path))
        assert np.allclose(made["preprocess"](path)[0], wanted, atol=1e-5), path.name
    Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="8 bits"):
        made["preprocess"](tmp_path / "deep.png")


@pytest.mark.parametrize(
    ("preprocess", "words"),
    [
        (lambda _: np.zeros(SIZE, np.float32), "its kind is not known"),
        (Described(lambda _: np.zeros(SIZE), object()), "a function of the model's own code"),
        (Described(lambda _: np.zeros(SIZE), SimpleNamespace(do_resize=False)), "AttributeError"),
        (Described(lambda image: tutorial()(image) + 0.1, tutorial().made_of), "differ from its"),
        (Described(lambda image: tutorial()(image)[:, :9], tutorial().made_of), "of what becomes"),
    ],
)
def test_what_cannot_be_written_out_says_so(preprocess, words):
    steps, lines, reason = describe(preprocess)
    assert (steps, lines) == (None, [])
    assert reason.startswith("the preprocessing cannot be written out: ")
    assert words in reason


def test_a_step_that_is_not_known_is_named():
    assert "ResizeKeepRatio" in describe(of_timm(crop_mode="border"))[2]


def test_a_package_predicts_without_vitbench_what_predict_says(tmp_path, cache, capsys):
    import torch

    model = load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)
    recipe = variant("scripted")
    RUNTIMES[recipe.runtime].build(model, recipe, tmp_path / "artifact.pt", None)
    artifact = Artifact(tmp_path / "artifact.pt", "0", 1, "0", 1.0, True, {})
    file = package(model, recipe, artifact, {}, tmp_path / "out")
    turned = Image.Exif()
    turned[0x0112] = 6
    photo = tmp_path / "photo.jpg"
    _picture(350, 280).save(photo, quality=95, exif=turned)
    # As where neither vitbench nor what the model was made with is installed.
    script = """
import runpy, sys
sys.modules.update(dict.fromkeys(["vitbench", "torchvision", "timm"]))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

    def predicted(*arguments):
        return subprocess.run(
            [sys.executable, "-I", "-c", script, str(file.with_name("predict.py")), *arguments],
            cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False,
        )  # fmt: skip

    done = predicted("photo.jpg", "3")
    assert done.returncode == 0, done.stderr[-500:]
    threads = f"--threads={torch.get_num_threads()}"
    assert main(["predict", str(photo), "--top=3", f"--cache={cache}", threads]) == OK
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("  fp32 ")]
    assert [line.split()[1:] for line in lines] == [x.split() for x in done.stdout.splitlines()]
    assert len(lines) == 3
    good, answered = photo.rename(tmp_path / "good.jpg"), lines[0]
    photo.write_bytes(good.read_bytes()[:9000])
    assert main(["predict", str(photo), str(good), f"--cache={cache}", threads]) == BROKEN
    said = capsys.readouterr()
    assert f"{photo} cannot be read (image file is truncated" in said.err
    assert said.out.splitlines()[-2:] == ["  good.jpg", answered]
    done = predicted("photo.jpg")
    assert done.returncode == 1
    assert done.stderr.startswith("photo.jpg cannot be read (image file is truncated")
    manifest = json.loads(file.with_name("manifest.json").read_text())
    assert manifest["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert manifest["preprocessing"]["resize"] == {"size": 256, "interpolation": "bicubic"}
    assert manifest["preprocessing"]["exif_orientation"] == "not applied"


@pytest.mark.parametrize("name", {row.runtime: row.name for row in VARIANTS}.values())
def test_every_runtime_has_code_that_classifies(name):
    row = variant(name)
    lines = RUNTIMES[row.runtime].calling_code(row, "images")
    compile("\n".join(lines), "classify", "exec")
    assert any(line.strip().startswith("logits = model(") for line in lines)


def test_executorch_is_given_the_images_in_the_memory_s_order():
    """Preprocessing leaves a view with the channels moved; ExecuTorch does not look at strides."""
    torch = pytest.importorskip("torch")
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3).transpose(0, 3, 1, 2)
    lines = RUNTIMES["executorch"].calling_code(variant("executorch-fp32"), "image")
    seen = {"image": image, "model": lambda x: torch.as_strided(x, (1, 24), (24, 1))}
    exec("\n".join(lines), seen)
    assert seen["logits"].tolist() == [image.flatten().tolist()]
