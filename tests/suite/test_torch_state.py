"""What recipes set in torch: those for CUDA as far as a CPU can show it, and Inductor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from vitbench.errors import Unavailable
from vitbench.models import load_model, parse_spec
from vitbench.runtimes import (
    RUNTIMES,
    VARIANTS,
    Placement,
    inductor,
    load,
    torch_common,
    torch_state,
    variant,
)
from vitbench.runtimes.eager import build, require_attention, suffix

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)


@pytest.fixture
def deployed(model, tmp_path):
    """An eager recipe that is made for CUDA, loaded in float32 on the CPU."""

    def found(name, **options):
        recipe = variant(name)
        recipe = replace(recipe, precision="fp32", options={**recipe.options, **options})
        path = tmp_path / f"artifact{suffix(recipe)}"
        build(model, recipe, path, None)
        return load(Placement(path, recipe, "cpu", model.architecture, 1))

    return found


@pytest.fixture
def logits(deployed):
    return lambda name, **options: deployed(name, **options).logits(IMAGES)


def test_channels_last_is_the_same_network(deployed):
    plain, last = deployed("fp32"), deployed("fp16-channels-last")
    assert np.allclose(plain.logits(IMAGES), last.logits(IMAGES), atol=1e-4)
    for deployment, applied in ((plain, False), (last, True)):
        for tensor in (deployment.stage(IMAGES), deployment.call.patch_embed.proj.weight):
            assert tensor.is_contiguous(memory_format=torch.channels_last) is applied


def test_attention_is_pinned_and_then_free_again(logits):
    free = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    assert np.allclose(logits("fp32"), logits("fp16-flash", attention="MATH"), atol=1e-4)
    assert free == (
        torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    )  # fmt: skip


def test_a_kernel_that_cannot_attend_is_an_error_and_no_fallback(logits):
    with pytest.raises(RuntimeError, match=r"No available kernel|not available|No viable"):
        logits("fp16-flash", attention="CUDNN_ATTENTION")


def test_a_model_without_fused_attention_has_nothing_to_pin(deployed):
    image = (3, 224, 224)
    found = deployed("fp16-flash")  # which has been asked when it was loaded
    with pytest.raises(RuntimeError, match="did not run in EFFICIENT_ATTENTION"):
        require_attention(found, "EFFICIENT_ATTENTION", image)
    for block in found.call.blocks:
        block.attn.fused_attn = False
    with pytest.raises(RuntimeError, match="did not run in FLASH_ATTENTION"):
        require_attention(found, "FLASH_ATTENTION", image)


@pytest.mark.parametrize("name", ["compiled-int8", "compiled-fp8"])
def test_what_torchao_quantizes_is_kept_in_bfloat16(model, name, tmp_path):
    """The artifact is what is loaded before it is quantized; int8 can be, on a CPU too."""
    recipe = variant(name)
    path = tmp_path / f"artifact{suffix(recipe)}"
    assert path.suffix == ".safetensors"
    build(model, recipe, path, None)
    module = torch_state.load_state(Placement(path, recipe, "cpu", model.architecture, 1))
    assert {each.dtype for each in module.parameters()} == {torch.bfloat16}
    if recipe.precision == "int8":
        pytest.importorskip("torchao", reason="torchao is in the extra runtimes")
        images = torch.from_numpy(IMAGES).bfloat16()
        with torch.inference_mode():
            before = module(images)
            inductor.quantize(module, recipe)
            after = module(images)
        assert type(module.blocks[0].mlp.fc1.weight) is not torch.nn.Parameter
        assert 0 < (after - before).norm() / before.norm() < recipe.limits.relative_error
    code = inductor.loading_code(
        Placement(Path("model.safetensors"), recipe, "cpu", model.architecture, 1)
    )
    compile(code, "load", "exec")
    assert len(code.splitlines()) <= 10
    assert "torchao.quantize_" in code


@pytest.mark.parametrize("has", [(8, 6), (8, 9), (9, 0)])
def test_fp8_needs_a_gpu_that_multiplies_it(monkeypatch, has):
    recipe = variant("compiled-fp8")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: has)
    monkeypatch.setattr(inductor, "find_spec", lambda _: True)
    monkeypatch.setattr(inductor.shutil, "which", lambda _: "cc")
    if has >= (8, 9):
        inductor.supports(recipe, "cuda:0")
        return
    with pytest.raises(
        Unavailable, match=r"8\.9 or later, which multiplies fp8; this one has 8\.6"
    ):
        inductor.supports(recipe, "cuda:0")


@pytest.mark.parametrize("how", ["ieee", "tf32"])
def test_float32_products_are_set_and_restored_even_after_an_error(how):
    holders = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [holder.fp32_precision for holder in holders]

    def fail():
        with torch_common.float32_products(how):
            assert [holder.fp32_precision for holder in holders] == [how, how]
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        fail()
    assert [holder.fp32_precision for holder in holders] == before


@pytest.mark.parametrize("name", [row.name for row in VARIANTS if row.devices == ("cuda",)])
def test_what_needs_cuda_says_so(name):
    with pytest.raises(Unavailable, match=f"{name} is made for a CUDA device, not for cpu"):
        torch_common.supports(variant(name), "cpu")


def test_what_is_timed_as_compiled_is_what_was_verified(model, tmp_path):
    """Inductor compiles once: for images staged in the deployment's state, and outside of it."""
    from torch._dynamo.utils import counters

    recipe = variant("compiled")
    RUNTIMES["inductor"].supports(recipe, "cpu")
    path = tmp_path / "artifact.safetensors"
    build(model, recipe, path, None)
    found = RUNTIMES["inductor"].load(Placement(path, recipe, "cpu", model.architecture, 1))
    images = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    torch.compiler.reset()  # another test's graph of this network would serve both
    found.logits(images)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs
    staged = found.stage(images)
    with found.active():
        found(staged)
    assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.parametrize("threads", [1, 2])
def test_generated_loops_are_cut_for_the_threads_of_the_run(model, tmp_path, threads, monkeypatch):
    """Inductor's cache on disk does not ask for how many threads a loop was cut."""
    recipe, given = variant("compiled"), {}
    path = tmp_path / "artifact.safetensors"
    build(model, recipe, path, None)
    monkeypatch.setattr(torch, "compile", lambda module, **options: given.update(options) or module)
    RUNTIMES["inductor"].load(Placement(path, recipe, "cpu", model.architecture, threads))
    assert given["options"] == {"cpp.threads": threads}
