"""What the recipes for CUDA set in torch, as far as a CPU can show it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitbench.errors import Unavailable
from vitbench.models import load_model, parse_spec
from vitbench.runtimes import VARIANTS, load, torch_common, variant
from vitbench.runtimes.eager import build, suffix
from vitbench.tests.conftest import ROOT


@pytest.fixture(scope="module")
def model():
    return load_model(parse_spec("deit_tiny_patch16_224", ROOT), None)


@pytest.fixture
def logits(model, tmp_path):
    """Logits of an eager recipe that is made for CUDA, in float32 on the CPU."""

    def found(name, **options):
        recipe = variant(name)
        recipe = replace(recipe, precision="fp32", options={**recipe.options, **options})
        path = tmp_path / f"artifact{suffix(recipe)}"
        build(model, recipe, path, None)
        images = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
        return load(path, recipe, "cpu", model.architecture, 1).logits(images)

    return found


def test_channels_last_is_the_same_network(logits):
    plain, last = logits("fp32"), logits("fp16-channels-last")
    assert np.allclose(plain, last, atol=1e-4)
    assert not np.array_equal(plain, last), "the convolution ran as if nothing had been asked"


def test_attention_is_pinned_and_then_free_again(logits):
    free = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    assert np.allclose(logits("fp32"), logits("fp16-flash", attention="MATH"), atol=1e-4)
    assert free == (
        torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    )  # fmt: skip


def test_a_kernel_that_cannot_attend_is_an_error_and_no_fallback(logits):
    with pytest.raises(RuntimeError, match=r"No available kernel|not available|No viable"):
        logits("fp16-flash", attention="CUDNN_ATTENTION")


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
