"""A project's own recipe: what its transform gets, what a runtime builds of what it returns, and
the sentence for each way to fail."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vitbench import team_code
from vitbench.build.entry import key
from vitbench.build.identity import of_artifact
from vitbench.build.transform import built, transformed
from vitbench.errors import WorkerFailed
from vitbench.models import load_model, parse_spec
from vitbench.runtimes import RUNTIMES, Placement, Variant, load
from vitbench.runtimes.limits import INT8

pytestmark = pytest.mark.filterwarnings("ignore:Lite Interpreter:DeprecationWarning")

SPEC = "deit_tiny_patch16_224,img_size=32,depth=2,embed_dim=24,num_heads=3,num_classes=5"
IMAGES = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
CODE = """
import torch

class Twice(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return self.inner(images) * 2.0

def twice(module, images):
    assert images is None, f"not calibrated, and images are {type(images)}"
    assert not module.training and all(p.dtype == torch.float32 for p in module.parameters())
    return Twice(module)

def smooth(module, images):
    assert isinstance(images, torch.Tensor) and images.shape == (3, 3, 32, 32)
    assert images.dtype == torch.float32
    with torch.no_grad():
        module.patch_embed.proj.weight.mul_(1 + images.abs().mean())
    return module.train()

class Deciding(Twice):
    def forward(self, images):
        return getattr(self, "in" + "ner")(images) * (2.0 if float(images.std()) else 1.0)

def deciding(module, images):
    return Deciding(module)

def int8(module, images):
    return torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear}, dtype=torch.qint8)

def local(module, images):
    class Local(Twice):
        pass
    return Local(module)

def parametrized(module, images):
    torch.nn.utils.parametrizations.weight_norm(module.head)
    return module

def raises(module, images):
    return module.no_such_layer

def table(module, images):
    return {"module": module}

def features(module, images):
    module.reset_classifier(0)
    return module

def half(module, images):
    return module.half()

def one(module):
    return module

number = 3
"""


@pytest.fixture
def acme(tmp_path):
    """A project with a package `acmeNNN` of a name of its own: modules are imported once."""
    name = f"acme{abs(hash(tmp_path))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "quant.py").write_text(CODE)
    team_code.use([tmp_path])
    yield f"{name}.quant"
    team_code.use([])


@pytest.fixture
def model():
    return load_model(parse_spec(SPEC, Path.cwd()), "seeded")


def logits(module):
    with torch.inference_mode():
        return module(torch.from_numpy(IMAGES)).numpy()


def deployed(model, recipe, folder, calibration=None):
    """What a runtime loads of what it built."""
    runtime = RUNTIMES[recipe.runtime]
    path = folder / f"artifact{runtime.suffix(recipe)}"
    built(runtime, model, recipe, path, calibration)
    return load(Placement(path, recipe, "cpu", model.architecture, 1))


def recipe_of(runtime, transform, **more):
    return Variant(
        "own", runtime, more.pop("precision", "fp32"), INT8, "", transform=transform, **more
    )


@pytest.mark.parametrize("runtime", ["eager", "torchscript", "lite"])
def test_what_a_transform_returns_is_built_and_loaded(acme, model, tmp_path, runtime):
    plain = logits(model.module)
    deployment = deployed(model, recipe_of(runtime, f"{acme}:twice"), tmp_path)
    np.testing.assert_allclose(deployment.logits(IMAGES), 2 * plain, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["twice", "smooth"])
@pytest.mark.parametrize("runtime", sorted({*RUNTIMES} - {"tuned", "endpoint"}))
def test_every_runtime_builds_a_transformed_module(acme, model, tmp_path, runtime, name):
    """Float, whatever the recipe says its precision is: the transform quantizes."""
    if runtime == "zentorch":
        pytest.importorskip("zentorch")
    images = IMAGES if name == "smooth" else None
    wanted = logits(transformed(model, f"{acme}:{name}", images).module)
    again = load_model(parse_spec(SPEC, Path.cwd()), "seeded")
    recipe = recipe_of(runtime, f"{acme}:{name}", precision="int8", calibrated=images is not None)
    deployment = deployed(again, recipe, tmp_path, images)
    np.testing.assert_allclose(deployment.logits(IMAGES), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("runtime", ["eager", "torchscript"])
def test_a_transform_may_quantize_itself(acme, model, tmp_path, runtime):
    plain = logits(model.module)
    recipe = recipe_of(runtime, f"{acme}:int8", precision="int8")
    found = deployed(model, recipe, tmp_path).logits(IMAGES)
    error = np.linalg.norm(found - plain) / np.linalg.norm(plain)
    assert 0 < error < 0.1


def test_a_runtime_quantizes_what_a_transform_smoothed(acme, model, tmp_path):
    recipe = recipe_of("eager", f"{acme}:smooth", precision="int8", calibrated=True,
                       options={"engine": "host"})  # fmt: skip
    found = deployed(model, recipe, tmp_path, IMAGES)
    smoothed = logits(model.module)
    error = np.linalg.norm(found.logits(IMAGES) - smoothed) / np.linalg.norm(smoothed)
    assert 0 < error < 0.1


def test_a_module_leaves_training_behind(acme, model):
    made = transformed(model, f"{acme}:smooth", IMAGES).module
    assert not any(each.training for each in made.modules())
    assert not any(each.requires_grad for each in made.parameters())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("twise", r"ACME has no twise; nearest: twice.*"),
        ("number", r"number is of type int and no function"),
        ("raises", r"raises AttributeError: .*'no_such_layer' \(acme\d+/quant.py, line \d+\)"),
        ("smooth", r"raises AssertionError \(acme\d+/quant.py, line \d+\)"),
        ("one", r"cannot be called \(.*\): it is one\(module\)"),
        ("table", "returns dict: it should return a torch.nn.Module"),
        ("features", r"returns a module that answers an image with \(1, 24\), and the model "
         r"answers with \(1, 5\)"),
        ("half", r"returns a module that does not take a float32 image \(1, 3, 32, 32\): "
         "RuntimeError: .*"),
    ],
)  # fmt: skip
def test_a_transform_that_fails_is_one_sentence(acme, model, name, sentence):
    with pytest.raises(WorkerFailed) as failure:
        transformed(model, f"{acme}:{name}", None)
    wanted = f"the transform {re.escape(acme)}:{name}:? {sentence.replace('ACME', re.escape(acme))}"
    assert re.fullmatch(wanted, str(failure.value)), failure.value


def test_a_calibrated_recipe_gives_images_and_another_none(acme, model):
    transformed(model, f"{acme}:twice", None)
    with pytest.raises(WorkerFailed, match=r"not calibrated, and images are .*Tensor"):
        transformed(model, f"{acme}:twice", IMAGES)


def test_a_module_that_is_not_found(model):
    with pytest.raises(WorkerFailed, match=r"nowhere.quant:f: there is no module nowhere"):
        transformed(model, "nowhere.quant:f", None)


@pytest.mark.parametrize("name", ["local", "parametrized"])
def test_eager_says_what_it_cannot_save(acme, model, tmp_path, name):
    with pytest.raises(WorkerFailed) as failure:
        deployed(model, recipe_of("eager", f"{acme}:{name}"), tmp_path)
    assert re.fullmatch(
        rf"the module that the transform {re.escape(acme)}:{name} returns cannot be pickled "
        r"\(.*\): define its classes and functions at the top of a module, or choose a runtime "
        "that writes a graph, such as torchscript",
        str(failure.value),
    )
    deployed(load_model(parse_spec(SPEC, Path.cwd()), "seeded"),
             recipe_of("torchscript", f"{acme}:{name}"), tmp_path)  # fmt: skip


def test_what_a_runtime_cannot_build_is_said(acme, model, tmp_path):
    recipe = recipe_of("aot_inductor", f"{acme}:int8", precision="int8")
    with pytest.raises(WorkerFailed) as failure:
        deployed(model, recipe, tmp_path)
    assert str(failure.value).startswith(
        f"the runtime aot_inductor cannot build the module that the transform {acme}:int8 returns: "
    )


def test_what_our_own_variants_skip_a_model_for_fails_a_recipe(acme, model, tmp_path):
    """A skip would leave the run green after the edit that broke the recipe."""
    with pytest.raises(WorkerFailed, match="a trace of it does not serve") as failure:
        deployed(model, recipe_of("torchscript", f"{acme}:deciding"), tmp_path)
    assert f"cannot build the module that the transform {acme}:deciding returns" in str(
        failure.value
    )


def test_eager_says_which_code_is_missing(acme, model, tmp_path, monkeypatch):
    recipe = recipe_of("eager", f"{acme}:twice")
    deployed(model, recipe, tmp_path)
    name = acme.partition(".")[0]
    for each in (name, acme):
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(tmp_path)])
    with pytest.raises(WorkerFailed, match=f"own cannot be loaded: its module needs code .*{name}"):
        load(Placement(tmp_path / "artifact.pt", recipe, "cpu", model.architecture, 1))


def test_a_network_of_transformers_can_be_saved_whole(tmp_path):
    from transformers import ViTConfig, ViTForImageClassification

    from vitbench.models.transformers_network import network

    config = ViTConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=3,
                       intermediate_size=24, image_size=32, num_labels=5)  # fmt: skip
    module = network(ViTForImageClassification(config), "logits").eval()
    torch.save(module, tmp_path / "whole.pt")
    again = torch.load(tmp_path / "whole.pt", weights_only=False)
    assert not again.training
    np.testing.assert_array_equal(logits(again), logits(module))


def test_the_key_of_an_artifact_has_the_function_its_source_and_its_images(acme, model, tmp_path):
    def of(name, calibration=None):
        recipe = recipe_of("eager", f"{acme}:{name}", calibrated=calibration is not None)
        return key(of_artifact(model, recipe, calibration))

    found = [of("twice"), of("twice"), of("int8"), of("smooth", "a"), of("smooth", "b")]
    assert found[0] == found[1]
    assert len(set(found)) == 4
    source = tmp_path / acme.partition(".")[0] / "quant.py"
    source.write_text(source.read_text() + "# an edit\n")
    assert of("twice") != found[0]
