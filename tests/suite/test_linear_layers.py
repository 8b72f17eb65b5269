"""Linear layers whose weights a network reads itself stay float, and are counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitbench import models
from vitbench.errors import Unavailable
from vitbench.models.base import Model, ModelSpec, Weights
from vitbench.runtimes import (
    RUNTIMES,
    Placement,
    aot_inductor,
    executorch,
    load,
    torchscript,
    variant,
)
from vitbench.runtimes.linear_layers import layer_record, replaceable, require_call
from vitbench.runtimes.network import observed

IMAGE = (3, 32, 32)
IMAGES = np.random.default_rng(0).normal(size=(3, *IMAGE)).astype(np.float32)
BLOCK = {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}
# timm's networks that read a weight of their own, at a size that costs nothing, and how many of
# their linear layers that are: q, k and v of each block; in ConViT, of each that attends by place.
READERS = {
    "beit_base_patch16_224": (BLOCK, 2),
    "eva02_tiny_patch14_224": ({**BLOCK, "img_size": 56}, 2),
    "vit_tiny_patch16_dinov3_qkvb": (BLOCK, 2),
    "swinv2_tiny_window8_256": (
        {"img_size": 64, "depths": (1, 1), "embed_dim": 24, "num_heads": (2, 2), "window_size": 4},
        2,
    ),
    "convit_tiny": (
        {"img_size": 64, "depth": 2, "embed_dim": 12, "num_heads": 4, "local_up_to_layer": 1},
        1,
    ),
}  # fmt: skip
PLAIN = {"vit_tiny_patch16_224": (BLOCK, 0), "cait_xxs24_224": (BLOCK, 0)}


class Source:
    """A source of models for `models.skeleton`: timm's, with arguments."""

    @staticmethod
    def skeleton(architecture):
        import timm

        torch.manual_seed(0)
        return timm.create_model(
            architecture["name"], num_classes=7, **architecture["arguments"]
        ).eval()


@pytest.fixture
def made(monkeypatch):
    """Call it with a name of timm and arguments for the model."""
    monkeypatch.setattr(models, "SOURCES", {**models.SOURCES, "small": Source})

    def make(name, arguments):
        size = arguments["img_size"]
        architecture = {
            "source": "small", "name": name, "arguments": arguments, "image": [3, size, size],
        }  # fmt: skip
        return model_of(Source.skeleton(architecture), architecture)

    return make


def model_of(module, architecture):
    spec = ModelSpec("m", "small", "m", None, "m")
    weights = Weights("seeded", "0", None, True, "planted")
    module = module.eval().requires_grad_(False)
    return Model(spec, module, architecture, None, (), weights, scriptable=True)


def built(model, name, path):
    """What the runtime says of its layers, and the logits of IMAGES' like from the loaded file."""
    recipe = variant(name)
    runtime = RUNTIMES[recipe.runtime]
    path = path / f"artifact{runtime.suffix(recipe)}"
    layers = runtime.build(model, recipe, path, None)
    image = model.architecture["image"]
    images = np.random.default_rng(0).normal(size=(3, *image)).astype(np.float32)
    with torch.inference_mode():
        wanted = model.module(torch.from_numpy(images)).numpy()
    found = load(Placement(path, recipe, "cpu", model.architecture, 1)).logits(images)
    return layers, np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("name", [*READERS, *PLAIN])
def test_a_layer_whose_weight_is_read_elsewhere_stays_float(made, tmp_path, name):
    arguments, read = {**READERS, **PLAIN}[name]
    model = made(name, arguments)
    linears = sum(type(each) is torch.nn.Linear for each in model.module.modules())
    layers, error = built(model, "int8-dynamic", tmp_path)
    names = layers.pop("quantized_names")
    assert [type(model.module.get_submodule(each)) for each in names] == [torch.nn.Linear] * len(
        names
    )
    assert layers == {
        "quantized_layers": linears - read,
        "float_layers": read,
        "float_by_option": 0,
    }
    assert len(names) == linears - read
    assert 0 < error < 0.15
    assert type(next(iter(model.module.modules()))).__module__.startswith("timm")


@pytest.mark.parametrize("name", ["scripted-int8", "lite-int8"])
def test_a_graph_of_such_a_network_is_the_same(made, tmp_path, name):
    arguments, read = READERS["eva02_tiny_patch14_224"]
    layers, error = built(made("eva02_tiny_patch14_224", arguments), name, tmp_path)
    assert layers["float_layers"] == read
    assert error < 0.15


class Reads(torch.nn.Module):
    """A network with a linear layer that it calls, and one whose weight or bias it reads."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        self.one, self.two = torch.nn.Linear(32, 8), torch.nn.Linear(8, 4)

    def forward(self, images):
        x = self.one(images.mean((1, 2)))
        if self.what == "weight":
            return torch.nn.functional.linear(x, self.two.weight)
        if self.what == "bias":
            return self.two(x) + self.two.bias
        if self.what == "device":
            return self.two(x.to(self.two.weight.device))
        return self.two.forward(x)


@pytest.mark.parametrize("what", ["weight", "bias", "device", "nothing"])
def test_whatever_is_read_of_a_layer(what):
    module = Reads(what)
    assert replaceable(module, IMAGE) == (["one", "two"] if what == "nothing" else ["one"])
    assert {type(module.one), type(module.two)} == {torch.nn.Linear}


def test_where_nothing_can_be_quantized_the_variant_is_unavailable():
    class Alone(Reads):
        def forward(self, images):
            x = torch.nn.functional.linear(images.mean((1, 2)), self.one.weight)
            return torch.nn.functional.linear(x, self.two.weight)

    with pytest.raises(Unavailable, match="reads the weights of its 2 linear layers itself"):
        replaceable(Alone(""), IMAGE)
    with pytest.raises(Unavailable, match="the model has no linear layer"):
        replaceable(torch.nn.Flatten(), IMAGE)


def test_pt2e_takes_no_network_in_part():
    recipe = variant("pt2e-int8")
    with pytest.raises(Unavailable, match="reads the weights of 1 of its 2 linear layers itself"):
        aot_inductor.suits(observed(Reads("weight"), IMAGE), recipe)
    aot_inductor.suits(observed(Reads("nothing"), IMAGE), recipe)


def test_what_a_network_shows():
    class Asks(Reads):
        """Its first layer answers the same query whatever the image is."""

        def forward(self, images):
            query = self.one(torch.ones(4, 32)).mean()
            return self.two(input=images.mean((1, 2, 3))[:, None].expand(-1, 8) + query)

    module = Asks("")
    found = observed(module, IMAGE)
    assert (found.linear, found.read, found.fixed) == (("one", "two"), set(), {"one"})
    assert found.operators["aten.linear.default"] == 2
    assert not module.one._forward_pre_hooks
    found = observed(Reads("bias"), IMAGE)
    assert (found.read, found.fixed) == ({"two"}, set())
    assert observed(torch.nn.Flatten(), IMAGE).linear == ()


@pytest.mark.parametrize("name", ["int8-dynamic", "scripted-int8", "lite-int8", "tuned-int8"])
def test_int8_suits_a_network_with_a_layer_to_quantize(name):
    recipe = variant(name)
    suits = RUNTIMES[recipe.runtime].suits
    with pytest.raises(Unavailable, match="the model has no linear layer"):
        suits(observed(torch.nn.Flatten(), IMAGE), recipe)
    suits(observed(Reads("weight"), IMAGE), recipe)
    torchscript.suits(observed(torch.nn.Flatten(), IMAGE), variant("scripted"))


def test_a_derived_layer_is_counted_as_float():
    network = torch.nn.Sequential(torch.nn.MultiheadAttention(8, 2), torch.nn.Linear(8, 8))
    assert layer_record(network, ["1"], variant("int8-dynamic")) == {
        "quantized_layers": 1,
        "float_layers": 1,
        "float_by_option": 0,
        "quantized_names": ["1"],
    }


def test_a_network_that_fails_with_replaced_layers_says_how():
    class Strict(torch.nn.Module):
        def forward(self, _):
            raise TypeError("linear(): argument 'weight' must be Tensor, not method\n  at line 7")

    with pytest.raises(Unavailable) as caught:
        require_call(Strict(), IMAGE)
    assert str(caught.value).endswith("TypeError: linear(): argument 'weight' must be Tensor, not "
                                      "method")  # fmt: skip


def test_executorch_takes_no_convolution_of_three_dimensions():
    class Cube(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = torch.nn.Conv3d(1, 4, (3, 8, 8))

        def forward(self, images):
            return self.patches(images[:, None]).flatten(2).mean(-1)

    recipe = variant("executorch-fp32")
    with pytest.raises(Unavailable, match=r"^XNNPACK does not take aten\.conv3d\.default of this"):
        executorch.suits(observed(Cube(), IMAGE), recipe)
    executorch.suits(observed(torch.nn.Conv2d(3, 4, 8), IMAGE), recipe)


class Unscriptable(torch.nn.Module):
    """TorchScript has no keyword arguments by a dict; `fixed` has the number of images decide."""

    def __init__(self, fixed):
        super().__init__()
        self.fixed, self.head = fixed, torch.nn.Linear(32, 4)

    def forward(self, images):
        x = images.mean(**{"dim": (1, 2)})
        return self.head(x * len([*images]) if self.fixed else x)


@pytest.mark.parametrize("name", ["scripted", "scripted-int8"])
def test_what_cannot_be_scripted_is_traced(tmp_path, name):
    model = model_of(Unscriptable(fixed=False), {"image": list(IMAGE)})
    _, error = built(model, name, tmp_path)
    assert error < 0.05


def test_a_trace_that_serves_one_batch_only_is_unavailable():
    model = model_of(Unscriptable(fixed=True), {"image": list(IMAGE)})
    with pytest.raises(Unavailable, match=r"cannot script the model \(.+\), and a trace of it"):
        torchscript.graph(model, model.module, variant("scripted"))


def test_a_model_that_is_known_not_to_be_scripted_is_not_tried(monkeypatch):
    monkeypatch.delattr(torch.jit, "script")
    model = replace(model_of(Unscriptable(fixed=False), {"image": list(IMAGE)}), scriptable=False)
    assert torchscript.graph(model, model.module, variant("scripted"))


def test_a_weight_that_is_read_in_the_first_call_alone_is_noticed(made, tmp_path):
    """ConViT keeps what it made by a weight; whoever loads the file has not called it yet."""
    arguments, read = READERS["convit_tiny"]
    model = made("convit_tiny", arguments)
    with torch.inference_mode():
        model.module(torch.zeros(1, *model.architecture["image"]))
    layers, error = built(model, "int8-dynamic", tmp_path)
    assert layers["float_layers"] == read
    assert error < 0.15


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["executorch-fp32", "executorch-int8-dynamic"])
def test_executorch_takes_a_bias_that_the_network_puts_together(made, tmp_path, name):
    """EVA-02 adds the bias of q, nothing for k, and that of v: XNNPACK takes a constant alone."""
    pytest.importorskip("executorch", reason="executorch is in the extra runtimes")
    arguments, _ = READERS["eva02_tiny_patch14_224"]
    model = made("eva02_tiny_patch14_224", arguments)
    model.module.head.weight *= 1000  # timm's are smaller than a step of int8
    _, error = built(model, name, tmp_path)
    assert error < 0.15
