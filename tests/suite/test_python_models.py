"""Models of a team's own Python: what a factory returns is taken, or refused in one sentence."""

import json
import re
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench import team_code
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.models import creation_code, flops, load_model, parse_spec, skeleton
from vitbench.models.described import describe
from vitbench.models.weights import tensors_sha256
from vitbench.runtimes import RUNTIMES, Placement, load, variant

torch = pytest.importorskip("torch")
NUMBERS = count()
PHOTO = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8))
DATA = {"input_size": [3, 24, 24], "mean": [0.5] * 3, "std": [0.25] * 3}
SOURCE = """
import numpy as np
import torch
from torchvision import transforms as t

DATA = {"input_size": (3, 24, 24), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
EVAL = t.Compose([t.Resize((24, 24)), t.ToTensor(), t.Normalize([0.5] * 3, [0.25] * 3)])
NAMES = ["cat", "dog", "bird"]

def net(width=3, classes=3, bias=0.25):
    made = torch.nn.Sequential(torch.nn.Conv2d(3, width, 8, 8), torch.nn.Flatten(),
                               torch.nn.Dropout(), torch.nn.Linear(9 * width, classes))
    for number, each in enumerate(made.parameters()):
        torch.nn.init.constant_(each, bias + number)
    return made

def alone(**args): return net(**args)
def pair(): return net(), EVAL
def table(): return net(), DATA
def whole(): return net(), lambda image: EVAL(image).numpy(), NAMES
def file(): return [net(), DATA, "names.txt"]
def half(): return net().half(), DATA
def double(): return net().double(), DATA
def parallel(): return torch.nn.DataParallel(net()), DATA
def compiled(): return torch.compile(net()), DATA
def seedless():
    made = torch.nn.Linear(24, 3)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 24 * 24, 3)), DATA
def threads():
    torch.set_num_threads(7)
    torch.set_default_dtype(torch.float64)
    return net().float(), DATA

def nothing(): return None
def path(): return "model.pth"
def four(): return net(), DATA, NAMES, 1
def swapped(): return DATA, net()
def raises(): raise KeyError("checkpoint")
def scripted(): return torch.jit.script(net()), DATA
def meta():
    with torch.device("meta"):
        return net(), DATA
def quantized():
    import warnings; warnings.simplefilter("ignore")
    return torch.ao.quantization.quantize_dynamic(net(), {torch.nn.Linear}), DATA
def unseeded():
    made = net()
    made[0].weight.data += float(np.random.default_rng().normal())
    return made, DATA
def last(): return net(), lambda image: np.asarray(image.resize((24, 24)))
def gives_list(): return net(), lambda image: [1, 2]
def fails(): return net(), lambda image: image.sizes
def crops(): return net(), t.Compose([t.RandomCrop(24), t.ToTensor()])
def words(): return net(), "imagenet"
def lacks(): return net(), {"input_size": (3, 24, 24)}
def two_names(): return net(), DATA, ["cat", "dog"]
def odd_names(): return net(), DATA, 3
def tied():
    made = net(width=3, classes=27)
    made.append(torch.nn.Linear(27, 27))
    made[4].weight = made[3].weight
    made[4].bias = torch.nn.Parameter(made[3].bias.data[:27])
    return made, DATA
class Looks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net()
    def forward(self, images):
        return self.net(images) * (1.0 if np.isfinite(float(images.mean())) else 2.0)
def looks(): return Looks(), DATA
class Fails(torch.nn.Module):
    def forward(self, images):
        return images.size(9)
def wrong(): return Fails(), DATA
class Dicts(torch.nn.Module):
    def forward(self, images):
        return {"logits": images}
def dicts(): return Dicts(), DATA, NAMES
def one(): return net(classes=1), DATA
def features():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 3, 8, 8)), DATA
"""


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "src" / "acme_nets"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "vision.py").write_text(SOURCE)
    (folder / "names.txt").write_text("cat\ndog\nbird\n")
    path = [*sys.path]
    team_code.use([folder.parent])
    yield folder
    team_code.use([])
    sys.path[:] = path
    for name in ("acme_nets", "acme_nets.vision"):
        sys.modules.pop(name, None)


def loaded(factory, text="", **more):
    spec = parse_spec(f"mine=py:acme_nets.vision:{factory}{text}", Path())
    return load_model(replace(spec, **more), None)


def same_again(model):
    """The same module from the architecture alone, which is JSON; and by the code of a package."""
    images = torch.randn(2, *model.architecture["image"])
    architecture = json.loads(json.dumps(model.architecture))
    scope: dict = {}
    exec(creation_code(architecture), scope)
    for bare in (skeleton(architecture), scope["model"].eval()):
        with torch.inference_mode():
            assert torch.equal(bare(images), model.module(images))


@pytest.mark.parametrize(
    ("factory", "more", "names"),
    [
        ("alone", {"preprocessing": DATA}, ["class 0", "class 1", "class 2"]),
        ("alone", {"preprocessing": DATA, "args": {"classes": 2}}, ["class 0", "class 1"]),
        ("pair", {}, ["class 0", "class 1", "class 2"]),
        ("table", {"labels": ("a", "b", "c")}, ["a", "b", "c"]),
        ("whole", {}, ["cat", "dog", "bird"]),
        ("whole", {"labels": ("a", "b", "c")}, ["a", "b", "c"]),
        ("file", {}, ["cat", "dog", "bird"]),
        ("one", {"head": "binary", "labels": ("ham", "spam")}, ["ham", "spam"]),
        ("one", {"head": "regression"}, []),
    ],
)  # fmt: skip
def test_what_a_factory_returns(factory, more, names):
    model = loaded(factory, **more)
    assert [label.name for label in model.labels] == names
    assert (model.weights.origin, model.weights.synthetic) == ("factory", False)
    assert not any(each.training for each in model.module.modules())
    image = model.preprocess(PHOTO)
    assert (image.shape, image.dtype) == ((3, 24, 24), np.float32)
    assert -2 <= image.min() < -0.5 < 0.5 < image.max() <= 2
    same_again(model)


@pytest.mark.parametrize(
    ("factory", "note"),
    [
        ("half", "the factory's weights in float16 are taken in float32"),
        ("double", "the factory's weights in float64 are taken in float32"),
        ("parallel", "the factory's DataParallel is taken off its module"),
        pytest.param(
            "compiled", "the factory's OptimizedModule is taken off its module",
            marks=pytest.mark.thorough,
        ),
    ],
)  # fmt: skip
def test_what_is_changed_is_said(factory, note):
    model = loaded(factory)
    assert model.notes == (note,)
    assert {each.dtype for each in model.module.parameters()} == {torch.float32}
    plain = loaded("table").module.state_dict()
    assert all(each.equal(plain[name]) for name, each in model.module.state_dict().items())


def test_settings_change_what_the_factory_says_and_not_its_function():
    model = loaded("table", preprocessing={"mean": [0.0, 0.0, 0.0]})
    assert "mean [0, 0, 0] (the model says [0.5, 0.5, 0.5])" in model.notes[0]
    assert np.allclose(model.preprocess(PHOTO) - 2, loaded("table").preprocess(PHOTO), atol=1e-6)


def test_a_timm_module_brings_its_own_preprocessing(package):
    timm = pytest.importorskip("timm")
    model_config = pytest.importorskip("timm.data.model_config")
    (package / "timms.py").write_text(
        "import timm\ndef tiny():\n    return timm.create_model('vit_tiny_patch16_224', depth=1,"
        " embed_dim=48, num_heads=3, num_classes=4, img_size=48)\n"
    )
    model = load_model(parse_spec("mine=py:acme_nets.timms:tiny", Path()), None)
    data = model_config.resolve_input_data_config(model.module)
    wanted = timm.data.create_transform(**data, is_training=False)(PHOTO).numpy()
    assert np.array_equal(model.preprocess(PHOTO), wanted)
    assert model.weights.synthetic


def test_a_model_of_transformers_answers_with_its_logits(package, tmp_path):
    """And is prepared for by the processor that was saved with it, or that the factory returns."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        image_size=32, patch_size=16, id2label={0: "cat", 1: "dog"},
    )  # fmt: skip
    theirs = transformers.ViTForImageClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    size, mean = {"height": 32, "width": 32}, [0.4] * 3
    processor = transformers.ViTImageProcessor(size=size, image_mean=mean)
    (package / "hf.py").write_text(
        "import transformers\n"
        f"PATH = {str(tmp_path)!r}\n"
        "def net(): return transformers.AutoModelForImageClassification.from_pretrained(PATH)\n"
        "def pair():\n"
        f"    return net(), transformers.ViTImageProcessor(size={size}, image_mean={mean})\n"
    )
    with pytest.raises(UserError, match="nothing says how photographs are prepared"):
        load_model(parse_spec("mine=py:acme_nets.hf:net", Path()), None)
    processor.save_pretrained(tmp_path)
    pixels = processor(PHOTO, return_tensors="pt")["pixel_values"]
    for name in ("net", "pair"):
        model = load_model(parse_spec(f"mine=py:acme_nets.hf:{name}", Path()), None)
        assert [label.name for label in model.labels] == ["cat", "dog"]
        assert np.array_equal(model.preprocess(PHOTO), pixels[0].numpy())
        with torch.inference_mode():
            assert torch.equal(model.module(pixels), theirs(pixels).logits)
        same_again(model)


def test_weights_that_are_random_numbers_are_synthetic_and_the_same_each_time():
    model, again = loaded("seedless"), loaded("seedless")
    assert model.weights == again.weights
    assert model.weights.synthetic
    assert "2 tensors are random numbers, such as 1.weight" in model.weights.note
    same_seed = skeleton(model.architecture)
    assert tensors_sha256(same_seed) == model.weights.sha256


def test_a_factory_leaves_torch_and_random_numbers_as_they_were():
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.random.get_rng_state()
    state = np.random.get_state()[1].copy()
    loaded("threads")
    assert before[:2] == (torch.get_num_threads(), torch.get_default_dtype())
    assert torch.equal(before[2], torch.random.get_rng_state())
    assert np.array_equal(state, np.random.get_state()[1])


def test_a_checkpoint_fills_the_factory_s_module(tmp_path):
    module = loaded("table").module
    other = {name: each + 1 for name, each in module.state_dict().items()}
    torch.save({"state_dict": {f"module.{n}": t for n, t in other.items()}}, tmp_path / "best.pth")
    model = loaded("table", f"@{tmp_path / 'best.pth'}")
    assert all(each.equal(other[name]) for name, each in model.module.state_dict().items())
    assert (model.weights.origin, model.weights.synthetic) == ("checkpoint", False)
    assert model.spec.public == "py:acme_nets.vision:table@best.pth"
    with pytest.raises(
        UserError, match=r"best.pth does not fit .*0.bias has shape \(3,\), exp"
    ) as e:
        loaded("alone", f"@{tmp_path / 'best.pth'},width=4", preprocessing=DATA)
    assert "NAME@PATH" not in str(e.value)


def test_an_edit_of_the_team_s_source_is_another_architecture(package):
    before = loaded("table").architecture["code"]
    (package / "__init__.py").write_text("# another\n")
    assert loaded("table").architecture["code"] != before


@pytest.mark.parametrize("name", ["fp32", "bf16", "int8-dynamic", "scripted"])
@pytest.mark.parametrize("factory", ["table", "tied", "looks"])
def test_a_recipe_of_torch_builds_it_and_loads_it(factory, name, tmp_path):
    model, recipe = loaded(factory), variant(name)
    runtime = RUNTIMES[recipe.runtime]
    path = tmp_path / f"artifact{runtime.suffix(recipe)}"
    images = np.random.default_rng(0).normal(size=(2, 3, 24, 24)).astype(np.float32)
    with torch.inference_mode():
        wanted = model.module(torch.from_numpy(images)).numpy()
    runtime.build(model, recipe, path, None)
    deployment = load(Placement(path, recipe, "cpu", model.architecture, 1))
    error = np.linalg.norm(deployment.logits(images) - wanted) / np.linalg.norm(wanted)
    assert error < (1e-5 if name in ("fp32", "scripted") else 0.05)


def test_operations_are_counted_where_the_network_looks_at_values():
    assert flops(loaded("looks")) == flops(loaded("table")) > 0


def test_a_package_says_how_photographs_are_prepared_or_why_not():
    steps, code, _ = describe(loaded("pair").preprocess)
    assert (steps["input"], steps["mean"], bool(code)) == ([3, 24, 24], [0.5] * 3, True)
    steps, code, why = describe(loaded("whole").preprocess)
    assert (steps, code) == (None, [])
    assert why.endswith("cannot be written out: it is a function of the model's own code")


ONE_OF = "expected a torch.nn.Module, or (module, preprocess), or (module, preprocess, labels)"


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("tabel", "acme_nets.vision has no tabel; nearest: table"),
        ("NAMES", "NAMES is of type list and no function"),
        ("raises", "raises KeyError: 'checkpoint' (acme_nets/vision.py, line"),
        ("nothing", f"returns NoneType: {ONE_OF}"),
        ("path", f"returns str: {ONE_OF}"),
        ("four", f"returns (Sequential, dict, list, int): {ONE_OF}"),
        ("swapped", f"returns (dict, Sequential): {ONE_OF}"),
        ("scripted", "returns a ScriptModule: vitbench builds from the plain module"),
        ("meta", "returns a module on the meta device: it has no weights"),
        ("quantized", "in its state dict is"),
        ("unseeded", "returns other weights in each call, such as 0.weight, although"),
        ("alone", "nothing says how photographs are prepared for the model: return (module, prep"),
        ("last", "returns an image of shape (24, 24, 3): expected (3, H, W), channels first"),
        ("gives_list", "preprocess returns list: expected a tensor or an array (3, H, W)"),
        ("fails", "preprocess raises AttributeError: 'Image' object has no attribute 'sizes' ("),
        ("crops", "makes other images of one photograph each time: return the one of evaluation"),
        ("words", "returns a preprocess of type str: expected a function of a PIL image, or"),
        ("lacks", "preprocessing has no mean and no std: write preprocessing = { input_size = [3,"),
        ("two_names", "labels has 2 labels, and the model has 3 outputs"),
        ("odd_names", "returns labels of type int: expected a list of texts, or the path"),
        ("wrong", "the model does not take the images of its preprocessing, (3, 24, 24): I"),
        ("wrong", " (acme_nets/vision.py, line "),
        ("dicts", "the model answers an image with dict and not with one row of outputs"),
        ("one", 'say what the output is with head = "binary" (the logit of yes) or head ='),
        ("features", "the model answers an image with (1, 3, 3, 3)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_factory_is_one_sentence(factory, said):
    with pytest.raises(UserError) as caught:
        loaded(factory)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--model py:acme_nets.vision:{factory}")
    assert "\n" not in str(caught.value)


def test_a_model_of_a_file_is_named_by_it_and_its_name():
    with pytest.raises(UserError, match=r"^pyproject.toml: the model 'mine' returns NoneType: exp"):
        loaded("nothing", origin="pyproject.toml")


@pytest.mark.thorough
def test_a_project_s_own_model_is_built_in_processes_of_their_own(tmp_path, monkeypatch, capsys):
    """They find it below the project's import root, and an edit of what it imports builds again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(team_code, "_roots", [])
    own = tmp_path / "src" / "acme_own"
    own.mkdir(parents=True)
    (own / "__init__.py").touch()
    (own / "vision.py").write_text("from acme_own.base import *\n")
    (own / "base.py").write_text(SOURCE)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.vitbench.models]\nmine = { py = "acme_own.vision:table" }\n'
    )
    PHOTO.save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    asked = ["predict", "photo.png", "--variant=fp32", f"--cache={tmp_path / 'cache'}"]
    for changed, built in ((False, True), (False, False), (True, True)):
        if changed:
            (own / "base.py").write_text(SOURCE + "# edited\n")
        assert main(asked) == 0
        answer = capsys.readouterr()
        assert ("building mine/fp32" in answer.err) == built
        seconds = re.findall(
            r"built mine/fp32 in (.*) s; with the start of a pro.* (.*) s", answer.err
        )
        assert len(seconds) == built
        assert all(float(build) < float(all_of_it) + 0.5 for build, all_of_it in seconds)
        assert "mine (3 classes; factory weights" in answer.out


def test_a_function_and_settings_of_a_preprocessing_are_one_too_many():
    with pytest.raises(UserError, match="preprocess is a function, which preprocessing = "):
        loaded("pair", preprocessing={"mean": [0.0, 0.0, 0.0]})
