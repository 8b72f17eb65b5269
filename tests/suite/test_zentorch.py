"""AMD's backend of torch.compile: where it is unavailable, and, where it is installed, what it is.

It is an extra that the tests of every change do without: `pip install '.[zentorch]'` first.
"""

import copy
import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitbench.cli.main import main
from vitbench.environment import installed
from vitbench.errors import Unavailable
from vitbench.models import load_model, parse_spec
from vitbench.runtimes import (
    RUNTIMES,
    VARIANTS,
    Placement,
    catalogue,
    load,
    onednn,
    torch_common,
    variant,
    zentorch,
    zentorch_layers,
)

NAMES = [row.name for row in VARIANTS if row.runtime == "zentorch"]
SPEC = "vit_tiny_patch16_224,img_size=64,embed_dim=64,depth=2,num_heads=4,num_classes=10"
ALL = ("avx512_f", "avx512_bf16", "avx512_vnni")
needed = pytest.mark.skipif(
    catalogue.declared(variant("zentorch-fp32")) is not None,
    reason=str(catalogue.declared(variant("zentorch-fp32"))),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"zentorch": None}, r"zentorch is not installed \(pip install .*\[zentorch\]'\)"),
        ({"zentorch": "2.11.0.3"}, "zentorch 2.11.0.3 is installed; NAME needs zentorch>=2.12.1.1"),
        ({"zentorch": "2.14.0.1"}, "zentorch 2.14.0.1 is for torch 2.14, and torch 2.12.1 is"),
        ({"torch": "2.13.0"}, "zentorch 2.12.1.1 is for torch 2.12, and torch 2.13.0 is"),
        ({"zentorch": "2.12.1.1", "torch": "2.12.0+cpu"}, None),
    ],
)  # fmt: skip
def test_it_needs_the_release_for_this_torch(monkeypatch, name, found, sentence):
    versions = {"torch": "2.12.1", "zentorch": "2.12.1.1", "torchao": "0.17.0", **found}
    monkeypatch.setattr(catalogue, "installed", versions.get)
    said = catalogue.declared(variant(name))
    if sentence is None:
        assert said is None
    else:
        assert said is not None
        assert re.fullmatch(sentence.replace("NAME", name) + "( installed)?", said), said


@pytest.mark.skipif(installed("zentorch") is not None, reason="zentorch is installed")
def test_the_list_and_a_run_say_what_to_install(capsys):
    main(["list", "--json"])
    rows = {row["variant"]: row for row in json.loads(capsys.readouterr().out)["variants"]}
    assert {rows[name]["available"] for name in NAMES} == {False}
    assert all("'.[zentorch]'" in rows[name]["reason"] for name in NAMES)
    for name in NAMES:
        with pytest.raises(Unavailable, match="zentorch is not installed"):
            catalogue.require(variant(name), "cpu")
    with pytest.raises(Unavailable, match="zentorch cannot be imported"):
        zentorch.version()


@pytest.mark.parametrize(
    ("has", "unavailable"),
    [
        (ALL, {}),
        (ALL[:2], {"zentorch-int8": "AVX512-VNNI"}),
        (ALL[:1], {"zentorch-bf16": "AVX512-BF16", "zentorch-int8": "AVX512-BF16 and AVX512-VNNI"}),
        ((), {"zentorch-fp32": "AVX-512", "zentorch-bf16": "AVX-512 and AVX512-BF16",
              "zentorch-int8": "AVX-512 and AVX512-BF16 and AVX512-VNNI"}),
    ],
)  # fmt: skip
def test_it_needs_the_instructions_of_its_operators(monkeypatch, has, unavailable):
    monkeypatch.setattr(torch_common, "require_compiler", lambda: None)
    monkeypatch.setattr(torch_common, "capabilities", lambda: [*has])
    for name in ("zentorch-fp32", "zentorch-bf16", "zentorch-int8"):
        if name not in unavailable:
            zentorch.supports(variant(name), "cpu")
            continue
        with pytest.raises(Unavailable) as said:
            zentorch.supports(variant(name), "cpu")
        assert str(said.value) == f"{name} needs a CPU with {unavailable[name]}"


@pytest.mark.parametrize("kernel", ["ref_int8:any", "brg_matmul:avx512_core_vnni", None])
def test_torchao_s_products_are_not_left_to_onednn_s_reference(monkeypatch, kernel):
    monkeypatch.setattr(torch_common, "require_compiler", lambda: None)
    monkeypatch.setattr(torch_common, "capabilities", lambda: [*ALL])
    monkeypatch.setattr(onednn, "signed_int8_kernel", lambda: kernel)
    zentorch.supports(variant("zentorch-int8"), "cpu")
    if kernel != "ref_int8:any":
        zentorch.supports(variant("zentorch-int8-torchao"), "cpu")
        return
    with pytest.raises(Unavailable, match="only its reference kernel"):
        zentorch.supports(variant("zentorch-int8-torchao"), "cpu")


# What follows needs the package itself.


@pytest.fixture(scope="module")
def model():
    return load_model(parse_spec(SPEC, Path.cwd()), "seeded")


@pytest.fixture(scope="module")
def images(model):
    shape = (8, *model.architecture["image"])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture
def placed(model, tmp_path):
    """The Placement of a variant, built from the model anew."""

    def build(name, **options):
        row = variant(name)
        row = replace(row, options={**row.options, **options})
        runtime = RUNTIMES[row.runtime]
        runtime.supports(row, "cpu")
        path = tmp_path / f"{name}{runtime.suffix(row)}"
        again = load_model(parse_spec(SPEC, Path.cwd()), "seeded")
        runtime.build(again, row, path, None)
        return Placement(path, row, "cpu", model.architecture, 1)

    return build


def error(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@needed
@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_it_computes_the_model_in_its_own_operators(model, images, placed, name):
    import torch

    with torch.inference_mode():
        wanted = model.module(torch.from_numpy(images)).numpy()
    try:
        placement = placed(name)
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    found = load(placement)
    assert error(found.logits(images), wanted) < variant(name).limits.relative_error
    one = images[:1]
    counts = zentorch.structure(placement, one)["operators"]
    linear = {each: n for each, n in counts.items() if "linear" in each}
    assert sum(linear.values()) == 9, counts
    assert any("sdpa" in each for each in counts)
    if name == "zentorch-int8":
        assert placement.path.stat().st_size < 0.75 * placed("zentorch-bf16").path.stat().st_size


@pytest.fixture
def settings():
    """Inductor's settings, as they were afterwards, and nothing that was compiled before."""
    import torch
    import torch._inductor.config

    torch.compiler.reset()
    with torch._inductor.config.patch({"freezing": False, "joint_custom_post_pass": None}):
        yield torch._inductor.config
    torch.compiler.reset()


@needed
@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES[:-1])
def test_the_code_of_a_package_answers_alike(images, placed, name, settings):
    import torch

    placement = placed(name)
    code = zentorch.loading_code(placement)
    given = {"images": images[:1]}
    exec("\n".join([code, *zentorch.calling_code(placement.variant, "images")]), given)
    assert settings.freezing
    settings.freezing = False
    torch.compiler.reset()
    assert error(load(placement).logits(images[:1]), given["logits"]) < 1e-3


def zentorch_operators(placement, images):
    counts = RUNTIMES["inductor"].structure(placement, images)["operators"]
    return sum(count for name, count in counts.items() if "zentorch" in name)


@needed
@pytest.mark.thorough
def test_what_is_compiled_beside_it_stays_what_it_is(images, placed, settings):
    """Before and after, to the bit; and with the backend's own habit, which is planted, not."""
    import torch

    one, compiled = images[:1], placed("compiled")
    before = load(compiled).logits(one)
    torch.compiler.reset()
    load(placed("zentorch-fp32")).logits(one)
    torch.compiler.reset()
    assert settings.joint_custom_post_pass is None
    assert np.array_equal(load(compiled).logits(one), before)
    assert zentorch_operators(compiled, one) == 0

    with torch.inference_mode():
        torch.compile(torch.nn.Linear(4, 4), backend="zentorch")(torch.ones(2, 4))
    assert zentorch_operators(compiled, one) > 0


@needed
def test_a_layer_does_not_answer_with_the_weights_of_one_that_is_gone():
    """ZenDNN knows a weight by its address, and a freed one's is the next one's."""
    import torch

    zentorch.version()
    torch.manual_seed(0)
    x = torch.randn(8, 256)
    for _ in range(8):
        layer = torch.nn.Linear(256, 512)
        with torch.inference_mode():
            for found in (int8 := zentorch_layers._linear()(layer), copy.deepcopy(int8)):
                assert error(found(x).numpy(), layer(x).numpy()) < 0.05
        del layer, int8, found


@needed
def test_its_import_leaves_the_log_and_inductor_s_settings():
    import torch._inductor.config

    handlers = [*logging.root.handlers]
    shims = dict(torch._inductor.config.aot_inductor.custom_ops_to_c_shims)
    zentorch.version()
    assert logging.root.handlers == handlers
    assert torch._inductor.config.aot_inductor.custom_ops_to_c_shims == shims == {}
