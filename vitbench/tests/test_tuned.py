"""The int8 linear layer of tuned.cpp against float32, where a kernel goes wrong: at its edges."""

import copy

import pytest

from vitbench.errors import Unavailable
from vitbench.runtimes import tuned, variant


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """Our layer's class, its operator compiled and loaded."""
    try:
        tuned.supports(variant("tuned-int8"), "cpu")
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    library = tmp_path_factory.mktemp("tuned") / "linear.so"
    tuned._compile(library)
    tuned._register(library)
    return tuned._layer()


def pair(layer, k, n, bias=True):
    """A float32 layer, and ours made of it."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(k * n)
    plain = torch.nn.Linear(k, n, bias=bias)
    return plain, layer(plain)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 197])
@pytest.mark.parametrize(("k", "n"), [(8, 16), (192, 1000), (191, 17), (1, 1), (3072, 768)])
def test_it_is_the_linear_layer_but_for_rounding(layer, m, k, n):
    """Seven bits a side leave about 2 % of the result's norm, whatever is left over at an edge."""
    torch = pytest.importorskip("torch")
    plain, ours = pair(layer, k, n, bias=k != 191)
    x = torch.randn(m, k) * torch.logspace(-3, 3, m)[:, None]  # rows of very different size
    with torch.inference_mode():
        wanted, found = plain(x), ours(x)
    assert found.shape == wanted.shape
    error = (found - wanted).norm(dim=1) / (wanted.norm(dim=1) + 1e-3)
    assert error.max() < 0.05


def test_the_largest_values_do_not_saturate(layer):
    """127 times 63 four times over is the most that 16 bits are given, in every lane."""
    torch = pytest.importorskip("torch")
    plain, ours = pair(layer, 768, 32, bias=False)
    for sign in (1.0, -1.0):
        torch.nn.init.constant_(plain.weight, sign)
        ours = layer(plain)
        with torch.inference_mode():
            assert torch.allclose(ours(torch.ones(5, 768)), plain(torch.ones(5, 768)), rtol=1e-5)


def test_gelu_is_torch_s(layer):
    torch = pytest.importorskip("torch")
    _, ours = pair(layer, 64, 64)
    x = torch.randn(50, 64) * torch.logspace(-2, 2, 50)[:, None]
    with torch.inference_mode():
        y = ours(x)
        ours.gelu = True
        found = ours(x)
    error = (found - torch.nn.functional.gelu(y)).abs()
    assert (error <= 5e-5 * y.abs().clamp_min(1)).all()


def test_any_shape_and_layout(layer):
    torch = pytest.importorskip("torch")
    _, ours = pair(layer, 24, 40)
    x = torch.randn(24, 3, 5).permute(2, 1, 0)
    with torch.inference_mode():
        assert ours(x).shape == (5, 3, 40)
        assert torch.equal(ours(x), ours(x.contiguous()))
        with pytest.raises(RuntimeError, match=r"float32 \(\.\.\., 24\)"):
            ours(torch.randn(2, 32))


def test_packing_loses_nothing():
    """Unpacked by hand: panel, step of eight bytes, half of four, column, byte."""
    torch = pytest.importorskip("torch")
    weight = torch.randint(-63, 64, (21, 13)).float()
    weight[:, 0] = 63
    packed, scales, sums = tuned.pack(weight)
    assert packed.shape == (2, 16 * 16)
    assert torch.equal(scales[:21], torch.ones(21))
    assert torch.equal(sums[:21], weight.sum(1))
    for n in (0, 7, 8, 20):
        for k in (0, 3, 4, 12):
            step, rest = divmod(k, 8)
            half, byte = divmod(rest, 4)
            place = step * 128 + half * 64 + (n % 16) * 4 + byte
            assert packed[n // 16, place] == weight[n, k]


def test_a_model_has_our_layers_and_stays_as_it_was(layer):
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    model = timm.create_model("deit_tiny_patch16_224", depth=2).eval()
    before = copy.deepcopy(model.state_dict())
    changed = tuned.tuned(model)
    kinds = [type(each) for each in changed.modules()]
    assert torch.nn.Linear not in kinds
    assert kinds.count(layer) == 2 * 4 + 1
    assert [block.mlp.fc1.gelu for block in changed.blocks] == [True, True]
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
