"""The layers of `tuned-int8` and `tuned-bf16` against torch's float32, at the kernels' edges.

In each set of instructions that this CPU has: the best one is what `tuned-int8` takes.
"""

import copy
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.helpers.ruined import ruin
from tests.suite.test_runtimes import MODEL, options
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.session import Session
from vitbench.runtimes import Placement, tuned, variant
from vitbench.runtimes.tuned import blocks, layers, library, packing

# Compiled once: not by each of xdist's workers.
pytestmark = pytest.mark.xdist_group("tuned")


KINDS = [(isa, "int8") for isa in library.ISAS]
KINDS += [(isa, "bf16") for isa in library.ISAS if isa.narrow]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0].name}-{kind[1]}")
def compiled(request, cache, tmp_path_factory):
    """A set of instructions, the operators compiled for it and loaded, and the precision of the
    products: those of the best set are the ones of the artifact."""
    isa, precision = request.param
    try:
        tuned.supports(variant("tuned-int8"), "cpu")
    except Unavailable as reason:
        pytest.skip(f"unavailable: {reason}")
    if isa not in library.available():
        pytest.skip(f"this CPU has not all of {', '.join(isa.needs)}")
    if isa is library.available()[0]:
        case = Case(MODEL, "tuned-int8", "cpu", 1)
        file = Session(options(cache)).artifact(case).path.with_suffix(".so")
    else:
        file = tmp_path_factory.mktemp("tuned") / "layers.so"
        library.build(isa, file)
    return isa, library.register(isa.name, file), precision


@pytest.fixture(scope="module")
def ours(compiled):
    """The classes of our layers."""
    return layers.layers(*compiled)


@pytest.fixture(autouse=True)
def _inference():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def tuned_of(module, compiled, but=()):
    """With every linear layer ours but these."""
    kind = pytest.importorskip("torch").nn.Linear
    names = [name for name, each in module.named_modules() if type(each) is kind]
    names += layers.convolutions_of_patches(module)
    return layers.tuned(module, {*names} - {*but}, *compiled)


def error(found, wanted):
    """The largest relative error of a row."""
    found, wanted = found.float().flatten(0, -2), wanted.flatten(0, -2)
    assert found.shape == wanted.shape
    return ((found - wanted).norm(dim=1) / (wanted.norm(dim=1) + 1e-3)).max()


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 197])
@pytest.mark.parametrize(("k", "n"), [(8, 16), (192, 1000), (191, 17), (1, 1), (3072, 768)])
def test_it_is_the_linear_layer_but_for_rounding(ours, m, k, n):
    """Seven bits a side leave about 2 % of the result's norm, whatever is left over at an edge."""
    torch = pytest.importorskip("torch")
    plain = torch.nn.Linear(k, n, bias=k not in (1, 191))  # or w x + b is near 0
    x = torch.randn(m, k) * torch.logspace(-3, 3, m)[:, None]  # rows of very different size
    assert error(ours["Linear"](plain)(x), plain(x)) < 0.05


def test_the_largest_values_do_not_saturate(ours):
    """All that the sums of products are given at most, in every lane."""
    torch = pytest.importorskip("torch")
    plain = torch.nn.Linear(768, 100, bias=False)
    for sign in (1.0, -1.0):
        torch.nn.init.constant_(plain.weight, sign)
        x = torch.ones(7, 768)
        assert torch.allclose(ours["Linear"](plain)(x), plain(x), rtol=1e-5)


def test_what_stands_around_a_linear_layer_is_computed_with_it(ours):
    torch = pytest.importorskip("torch")
    norm, plain = torch.nn.LayerNorm(72), torch.nn.Linear(72, 90)
    torch.nn.init.normal_(norm.weight, 1, 0.3)
    torch.nn.init.normal_(norm.bias)
    x, residual = torch.randn(2, 5, 72) * 50 + 20, torch.randn(2, 5, 90)
    layer = ours["Linear"](plain, norm=norm)
    assert error(layer(x), plain(norm(x))) < 0.05
    assert torch.equal(layer(x, residual), layer(x) + residual)
    normed = norm(x).flatten(0, 1)
    assert error(layer(x), ours["Linear"](plain)(normed).view(2, 5, 90)) < 0.01


def test_gelu_is_torch_s(ours):
    torch = pytest.importorskip("torch")
    plain = torch.nn.Linear(64, 64)
    x = torch.randn(50, 64) * torch.logspace(-2, 2, 50)[:, None]
    y, found = ours["Linear"](plain)(x), ours["Linear"](plain, gelu=True)(x)
    difference = (found - torch.nn.functional.gelu(y)).abs()
    assert (difference <= 5e-5 * y.abs().clamp_min(1)).all()


def test_any_shape_and_layout(ours):
    torch = pytest.importorskip("torch")
    layer = ours["Linear"](torch.nn.Linear(24, 40))
    x = torch.randn(24, 3, 5).permute(2, 1, 0)
    assert layer(x).shape == (5, 3, 40)
    assert torch.equal(layer(x), layer(x.contiguous()))
    with pytest.raises(RuntimeError, match=r"float32 \(\.\.\., 24\)"):
        layer(torch.randn(2, 32))
    with pytest.raises(RuntimeError, match=r"float32 residual \[5, 3, 40\]"):
        layer(x, torch.randn(5, 40))


def test_a_result_that_is_held_is_not_written_again(ours):
    """Memory is used again when nobody holds it, and only then."""
    torch = pytest.importorskip("torch")
    layer = ours["Linear"](torch.nn.Linear(64, 64))
    x = torch.randn(3, 300, 64)
    held = [layer(each) for each in x]
    view = held[0][10:]
    kept = view.clone()
    del held[0]
    for each in x:
        layer(each)
    assert torch.equal(view, kept)
    assert all(torch.equal(layer(each), result) for each, result in zip(x[1:], held, strict=True))


def test_packing_loses_nothing(compiled):
    """Unpacked by hand: panel, four inputs (two of bfloat16), column, input."""
    torch = pytest.importorskip("torch")
    isa, _, precision = compiled
    weight = torch.randint(-isa.largest, isa.largest + 1, (isa.columns + 5, 13)).float()
    weight[:, 0] = isa.largest
    packed, (scales, sums, biases) = packing.pack(weight, None, isa, precision)
    n, k = weight.shape
    assert packed.shape == (2, 16 * isa.columns)
    assert torch.equal(scales[:n], torch.ones(n))
    together = 4 if precision == "int8" else 2
    assert torch.equal(sums[:n], weight.sum(1) * (precision == "int8"))
    assert not biases.any()
    for i in (0, 7, isa.columns - 1, isa.columns, n - 1):
        for j in range(k):
            column = j // together * isa.columns + i % isa.columns
            place = column * together + j % together
            assert packed[i // isa.columns, place] == weight[i, j]


@pytest.mark.parametrize("n", [1, 2, 5, 64, 65, 197])
@pytest.mark.parametrize(("heads", "d"), [(3, 64), (2, 80), (1, 6), (2, 128)])
def test_attention_is_torch_s(compiled, ours, n, heads, d):
    """On what a layer of ours hands over, which says in what type attention computes."""
    torch = pytest.importorskip("torch")
    qkv = ours["Linear"](torch.nn.Linear(40, 3 * heads * d), half=True)(torch.randn(2, n, 40) * 5)
    q, k, v = qkv.float().view(2, n, heads, 3, d).permute(3, 0, 2, 1, 4)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    operators = compiled[1]
    found = operators.attention(qkv, heads, n)
    assert error(found, wanted) < 0.02
    assert error(operators.attention(qkv, heads, 1), found[:, :1].float()) < 1e-4


def test_patches_are_the_convolution(ours):
    torch = pytest.importorskip("torch")
    plain = torch.nn.Conv2d(3, 20, kernel_size=(4, 6), stride=(4, 6))
    x = torch.randn(2, 3, 17, 25)
    found, wanted = ours["Patches"](plain)(x), plain(x)
    assert error(found.permute(0, 2, 3, 1), wanted.permute(0, 2, 3, 1)) < 0.06


@pytest.mark.parametrize("kind", ["plain", "layer_scale", "qk_norm"])
def test_a_block_is_timm_s(compiled, kind):
    """A block of another kind keeps its own way, with linear layers of ours."""
    torch = pytest.importorskip("torch")
    block = pytest.importorskip("timm.models.vision_transformer").Block(
        192, 3, qkv_bias=True, qk_norm=kind == "qk_norm",
        init_values=0.3 if kind == "layer_scale" else None,
    ).eval()  # fmt: skip
    holder = torch.nn.Sequential(block)
    changed = tuned_of(holder, compiled)
    assert (type(changed[0]) is type(block)) == (kind == "qk_norm")
    x = torch.randn(2, 50, 192) * 3
    assert error(torch.jit.script(changed)(x), holder(x)) < 0.02


@pytest.mark.parametrize("tokens", [0, 1])
@pytest.mark.parametrize(
    ("width", "n", "batch"), [(192, 197, 1), (192, 50, 3), (192, 50, 8), (768, 197, 2)]
)
def test_a_block_in_one_region_is_its_layers_one_by_one(compiled, ours, width, n, batch, tokens):
    """To the bit, however its rows and its images are shared out to threads."""
    torch = pytest.importorskip("torch")
    block = pytest.importorskip("timm.models.vision_transformer").Block(width, 3, qkv_bias=True)
    found = blocks.parts(block.eval())
    each = ours["Block"](found, tokens, {found.qkv, found.proj, found.fc1, found.fc2})
    assert each.whole == compiled[0].narrow
    x = torch.randn(batch, n, width) * 3
    in_one = [each(x) for _ in range(5)]
    each.whole = False
    assert all(torch.equal(y, each(x)) for y in in_one)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        each.whole = compiled[0].narrow
        assert torch.equal(each(x), in_one[0])
    finally:
        torch.set_num_threads(before)


def test_a_block_takes_what_it_is_made_for(ours):
    torch = pytest.importorskip("torch")
    block = pytest.importorskip("timm.models.vision_transformer").Block(192, 3)
    found = blocks.parts(block.eval())
    each = ours["Block"](found, 0, {found.qkv, found.proj, found.fc1, found.fc2})
    with pytest.raises(RuntimeError, match=r"192\) is wanted"):
        each(torch.randn(1, 5, 184))


@pytest.mark.parametrize(
    "name",
    [
        "patch_embed.proj",
        "head",
        *(f"blocks.1.{n}" for n in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")),
    ],
)
def test_a_layer_that_stays_float_is_torch_s(compiled, ours, name):
    """Int8 ruins the layer; all around it is ours as before."""
    if compiled[2] != "int8":
        pytest.skip("bfloat16 ruins no layer")
    torch = pytest.importorskip("torch")
    model = small("deit_tiny_patch16_224", img_size=64, init_values=0.3)
    ruin(model, name)
    x = torch.randn(2, 3, 64, 64)
    x[:, 0, ::16, ::16] = 0  # what the first weight of a patch meets
    whole, part = tuned_of(model, compiled), tuned_of(model, compiled, [name])
    counts = [sum(type(each) is ours["Linear"] for each in m.modules()) for m in (whole, part)]
    assert counts == [2 * 4 + 2, 2 * 4 + 1]
    kinds = [type(each) for each in part.modules()]
    assert kinds.count(ours["Block"]) == 2
    scripted = torch.jit.script(part)
    assert error(scripted(x), model(x)) < 0.1
    assert error(whole(x), model(x)) > 2 * error(scripted(x), model(x))


def test_a_gate_that_is_activated_alone_stays_alone(compiled):
    torch = pytest.importorskip("torch")
    glu = pytest.importorskip("timm.layers").GluMlp(64, 128, act_layer=torch.nn.GELU).eval()
    x = torch.randn(2, 5, 64)
    assert error(tuned_of(glu, compiled)(x), glu(x)) < 0.05


def small(name, **options):
    timm = pytest.importorskip("timm")
    return timm.create_model(name, depth=2, num_classes=30, **options).eval()


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_what_no_logit_depends_on_is_left_out(compiled, name, monkeypatch):
    torch = pytest.importorskip("torch")
    model, x = small(name), torch.randn(2, 3, 224, 224)
    short = tuned_of(model, compiled)
    assert [block.tokens for block in short.blocks] == [0, model.num_prefix_tokens]
    monkeypatch.setattr(layers, "last_block", lambda _: (None, 0))
    whole = tuned_of(model, compiled)
    assert [block.tokens for block in whole.blocks] == [0, 0]
    # torch's attention rounds otherwise for fewer tokens; ours does not.
    assert error(short(x), whole(x)) < 0.02
    assert compiled[0].name != "avx512_bf16" or torch.equal(short(x), whole(x))


@pytest.mark.parametrize("name", ["ViT", "DeiT"])
def test_blocks_of_transformers_are_ours_too(compiled, ours, name):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = getattr(transformers, f"{name}Config")(
        hidden_size=192, num_hidden_layers=2, num_attention_heads=3, intermediate_size=768,
        num_labels=30,
    )  # fmt: skip
    model = getattr(transformers, f"{name}ForImageClassification")(config).eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, images):
            return self.model(pixel_values=images).logits

    plain, x = Logits(), torch.randn(3, 3, 224, 224)
    changed = tuned_of(plain, compiled)
    blocks = [each for each in changed.modules() if type(each) is ours["Block"]]
    assert [block.tokens for block in blocks] == [0, 1]
    traced = torch.jit.freeze(torch.jit.trace(changed, x[:2], strict=False).eval())
    assert error(traced(x), plain(x)) < 0.1
    assert torch.equal(traced(x[:1]), traced(x)[:1])
    # Queries in float, of what is one layer of ours: that block keeps its own way.
    three = [name for name, _ in plain.named_modules() if name.endswith(("q_proj", "k_proj"))][:2]
    three.append(three[0].replace("q_proj", "v_proj"))
    for names, blocks in ((three[:1], 1), (three, 2)):
        part = tuned_of(plain, compiled, names)
        assert sum(type(each) is ours["Block"] for each in part.modules()) == blocks
        assert error(part(x), plain(x)) < 0.1


def test_logits_of_all_tokens_take_all_of_them(compiled):
    model = small("vit_tiny_patch16_224", global_pool="avg", class_token=False)
    changed = tuned_of(model, compiled)
    assert [block.tokens for block in changed.blocks] == [0, 0]


def test_a_model_has_our_layers_and_stays_as_it_was(compiled, ours):
    torch = pytest.importorskip("torch")
    model, x = small("deit_tiny_patch16_224"), torch.randn(2, 3, 224, 224)
    before = copy.deepcopy(model.state_dict())
    changed = tuned_of(model, compiled)
    kinds = [type(each) for each in changed.modules()]
    assert not {torch.nn.Linear, torch.nn.Conv2d} & {*kinds}
    assert kinds.count(ours["Linear"]) == 2 * 4 + 2
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert error(torch.jit.script(changed)(x), model(x)) < 0.1


@pytest.mark.parametrize("isa", library.ISAS, ids=lambda isa: isa.name)
def test_bfloat16_needs_a_cpu_that_multiplies_it(monkeypatch, isa):
    monkeypatch.setattr(library, "available", lambda: [isa])
    tuned.supports(variant("tuned-int8"), "cpu")
    if isa.narrow:
        tuned.supports(variant("tuned-bf16"), "cpu")
    else:
        with pytest.raises(Unavailable, match="tuned-bf16 needs a CPU with AVX512-BF16"):
            tuned.supports(variant("tuned-bf16"), "cpu")


def test_bfloat16_is_nearer_than_int8(compiled):
    """Eight bits of each number, not of a row's or a channel's largest."""
    torch = pytest.importorskip("torch")
    model, x = small("deit_tiny_patch16_224"), torch.randn(2, 3, 224, 224)
    assert error(tuned_of(model, compiled)(x), model(x)) < {"int8": 0.1, "bf16": 0.02}[compiled[2]]


def test_a_file_for_another_cpu_is_refused(tmp_path):
    file = tmp_path / "model.pt"
    with ZipFile(file, "w") as package:
        package.writestr(f"model/extra/{tuned.NEEDS}", '{"isa": "later", "needs": ["avx99"]}')
    with pytest.raises(Unavailable, match="compiled for a CPU with avx99"):
        tuned.load(Placement(Path(file), variant("tuned-int8"), "cpu", {}, 1))
