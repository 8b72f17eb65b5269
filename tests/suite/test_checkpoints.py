"""Checkpoints as training scripts write them: the weights that were meant, or a refusal."""

import argparse
import os
import pathlib
import subprocess
import uuid
from collections import defaultdict

import numpy as np
import pytest

from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec
from vitbench.models.checkpoint import load_strictly, matched, read_checkpoint

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(5)
    return torch.nn.ModuleDict({
        "blocks": torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)),
        "head": torch.nn.Linear(4, 3),
    })  # fmt: skip


@pytest.fixture(scope="module")
def plain(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="module")
def smooth(plain):
    return {name: tensor + 1 for name, tensor in plain.items()}


def saved(path, content):
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def read(path, module, ema=None):
    """What is loaded, and what is said of it."""
    found = matched(read_checkpoint(path, ema), module.state_dict(), path)
    load_strictly(module, found.state, path)
    return module.state_dict(), " | ".join(found.notes)


def same(found, expected):
    return all(found[name].equal(tensor) for name, tensor in expected.items())


def renamed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


# What stands beside the weights in checkpoints of timm, DeiT, MAE, Swin, mmengine and others.
BESIDE = {
    "args": argparse.Namespace(model="deit", lr=1e-3, out=pathlib.PurePosixPath("out")),
    "metric": np.float64(80.1), "epoch": np.int64(7), "history": np.arange(3.0),
    "by_class": defaultdict(list, {"a": [1]}), "rng": np.random.RandomState(0).get_state(),
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": []},
    "started": __import__("datetime").datetime(2025, 1, 2), "scaler": {}, "none": None,
    "hyper_parameters": {"run": uuid.uuid4(), "optimizer": torch.optim.AdamW, "frozen": range(3)},
}  # fmt: skip


def test_a_loss_beside_the_weights_is_passed_over(tmp_path, module, plain):
    loss = torch.nn.CrossEntropyLoss(torch.ones(3))
    path = saved(tmp_path / "last.ckpt", {"state_dict": plain, "hyper_parameters": {"loss": loss}})
    assert same(read(path, module)[0], plain)


def test_a_training_checkpoint_is_read_whatever_stands_beside_the_weights(tmp_path, module, plain):
    path = saved(tmp_path / "model_best.pth.tar", {"state_dict": plain, **BESIDE})
    found, notes = read(path, module)
    assert same(found, plain)
    assert notes == ""
    old = tmp_path / "old.pth"
    torch.save({"model": plain, **BESIDE}, old, _use_new_zipfile_serialization=False)
    assert same(read(old, module)[0], plain)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (os.system, ("touch {}",)),
        (eval, ("open({!r}, 'w')",)),
        (pathlib.Path.touch, (pathlib.Path("{}"),)),
        (subprocess.getoutput, ("touch {}",)),
    ],
)
def test_what_would_run_code_is_refused_and_does_not_run(tmp_path, plain, call, arguments):
    ran = tmp_path / "ran"
    given = tuple(type(each)(str(each).format(str(ran))) for each in arguments)

    class Evil:
        def __reduce__(self):
            return call, given

    path = saved(tmp_path / "evil.pth", {"state_dict": plain, "args": Evil()})
    with pytest.raises(UserError, match=r"evil\.pth.*nothing was executed"):
        read_checkpoint(path)
    assert not ran.exists()
    torch.load(path, weights_only=False)
    assert ran.exists(), "the planted pickle does nothing: the test proves nothing"


def test_a_whole_module_is_refused_by_its_name(tmp_path, module):
    path = saved(tmp_path / "whole.pth", module)
    with pytest.raises(UserError, match=r"torch\.nn\.modules.*model\.state_dict\(\)"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("module.", "'module.' stripped from the names of 9 tensors"),
        ("_orig_mod.", "'_orig_mod.'"),
        ("module._orig_mod.", "'module._orig_mod.'"),
        ("_orig_mod.module.", "'_orig_mod.module.'"),
        ("model.", "'model.'"),
        ("net.", "'net.'"),
        ("backbone.", "'backbone.'"),
        ("module.model.", "'module.model.'"),
        ("model._orig_mod.", "'model._orig_mod.'"),
        ("student.net.module.", "'student.net.module.'"),
    ],
)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_prefix_of_all_names(tmp_path, module, plain, prefix, said, ending):
    path = saved(tmp_path / f"best{ending}", renamed(plain, prefix))
    found, notes = read(path, module)
    assert same(found, plain)
    assert said in notes


def test_wrappers_of_parts(tmp_path, module, plain):
    """timm strips them name by name; torch.compile and FSDP also stand inside of names."""
    some = {f"module.{name}" if "head" in name else name: each for name, each in plain.items()}
    assert same(read(saved(tmp_path / "a.pth", some), module)[0], plain)
    inner = {name.replace("blocks.", "blocks._orig_mod."): each for name, each in plain.items()}
    found, notes = read(saved(tmp_path / "b.pth", inner), module)
    assert same(found, plain)
    assert "'_orig_mod.' stripped from the names of 7 tensors" in notes


CHANGES = [
    (lambda state: {**state, "loss.weight": torch.ones(3)}, "unexpected: loss.weight"),
    (lambda state: {**renamed(state, "model."), "loss.weight": torch.ones(3)},
     r"prefix 'model\.' stripped: unexpected: loss.weight"),
    (lambda state: {**renamed(state, "model."), **renamed(state, "ema_model.")}, "unexpected: "),
    (lambda state: {f"model.{n}" if "blocks" in n else n: t for n, t in state.items()},
     r"without the prefix: head\.weight, head\.bias"),
    (lambda state: {**state, **renamed(state, "module.")}, "two tensors of one name: .* and "),
    (lambda state: {n: t for n, t in state.items() if n != "head.bias"}, "missing: head.bias"),
    (lambda state: {**state, "head.bias": torch.ones(3).char()}, "has type torch.int8"),
    (lambda state: {**state, "head.bias": torch.ones(4)}, r"has shape \(4,\), expected \(3,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_does_not_fit_is_refused_with_its_names(tmp_path, module, plain, change, said):
    path = saved(tmp_path / "best.pth", change(plain))
    with pytest.raises(UserError, match=said) as caught:
        read(path, module)
    assert "best.pth does not fit the architecture" in str(caught.value)
    assert str(caught.value).count("loss.weight") <= 1


def test_counters_of_thop_are_left_out(tmp_path, module, plain):
    thop = {f"{part}total_{what}": torch.zeros(1, dtype=torch.float64)
            for part in ("", "blocks.", "head.") for what in ("ops", "params")}  # fmt: skip
    found, notes = read(saved(tmp_path / "best.pth", {**plain, **thop}), module)
    assert same(found, plain)
    assert "best.pth: 6 counters left out (total_ops, total_params)" in notes
    averaged = {"n_averaged": torch.tensor(3), **renamed(plain, "module.")}
    assert "n_averaged" in read(saved(tmp_path / "swa.pth", averaged), module)[1]


@pytest.mark.parametrize(
    "key", ["state_dict", "model", "net", "model_state_dict", "network", "weights"]
)
def test_the_keys_of_training_scripts(tmp_path, module, plain, key):
    found, notes = read(saved(tmp_path / "best.pth", {key: plain, "epoch": 3}), module)
    assert same(found, plain)
    assert notes == ""
    lightning = {"state_dict": {"model": plain}, "hyper_parameters": {"lr": 1}}
    assert same(read(saved(tmp_path / "l.ckpt", lightning), module)[0], plain)


@pytest.mark.parametrize(
    ("first", "second"), [("model_ema", "model"), ("state_dict_ema", "state_dict")]
)
def test_averaged_weights_are_chosen_as_timm_does_and_a_line_says_so(
    tmp_path, module, plain, smooth, first, second
):
    from timm.models import load_state_dict

    path = saved(tmp_path / "best.pth", {second: plain, first: smooth, **BESIDE})
    found, notes = read(path, module)
    assert same(found, smooth)
    assert f"averaged (EMA) weights {first} are taken, {second} left out; ,ema=false" in notes
    for ema, expected in ((True, smooth), (False, plain)):
        found, notes = read(path, module, ema)
        assert same(found, expected)
        assert "are taken, " in notes
    timms = saved(tmp_path / "timm.pth", {second: plain, first: smooth})
    assert same(load_state_dict(timms), smooth)
    assert same(read(saved(tmp_path / "no.pth", {second: plain, first: None}), module)[0], plain)


def test_two_plain_ones_are_chosen_as_timm_does(tmp_path, module, plain, smooth):
    from timm.models import load_state_dict

    path = saved(tmp_path / "best.pth", {"model": smooth, "state_dict": plain})
    found, notes = read(path, module)
    assert same(found, load_state_dict(path))
    assert notes == "of best.pth the weights state_dict are taken, model left out"


@pytest.mark.parametrize("key", ["params", "MODEL", "best_model_state_dict", "teacher"])
def test_one_state_dict_under_any_key_and_a_line_says_which(tmp_path, module, plain, key):
    found, notes = read(saved(tmp_path / "best.pth", {key: plain, **BESIDE}), module)
    assert same(found, plain)
    assert notes == f"of best.pth the weights {key} are taken"


def test_state_dicts_under_unknown_keys_are_not_left_out_in_silence(
    tmp_path, module, plain, smooth
):
    path = saved(tmp_path / "dino.pth", {"student": plain, "teacher": smooth})
    with pytest.raises(UserError, match="under student and teacher, and none under a usual key"):
        read_checkpoint(path)
    path = saved(tmp_path / "best.pth", {"model": plain, "model_swa": smooth, **BESIDE})
    found, notes = read(path, module)
    assert same(found, plain)
    assert notes == "of best.pth the weights model are taken, model_swa left out"


def test_what_a_file_is_called_does_not_say_what_it_is(tmp_path, module, plain):
    for here, there in (("a.safetensors", "a.ckpt"), ("b.pth", "b.safetensors")):
        saved(tmp_path / here, plain).rename(tmp_path / there)
        assert same(read(tmp_path / there, module)[0], plain)
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "c.pt")
    with pytest.raises(UserError, match="TorchScript archive, a program with its weights"):
        read_checkpoint(tmp_path / "c.pt")


def test_averaged_weights_that_are_not_there(tmp_path, plain):
    path = saved(tmp_path / "best.pth", {"model": plain})
    with pytest.raises(UserError, match="has no averaged"):
        read_checkpoint(path, ema=True)
    path = saved(tmp_path / "best.pth", {"model_ema": plain})
    with pytest.raises(UserError, match="no weights but averaged"):
        read_checkpoint(path, ema=False)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path, module, plain, kind):
    state = {n: t.to(kind) if t.is_floating_point() else t for n, t in plain.items()}
    found, _ = read(saved(tmp_path / "half.safetensors", state), module)
    assert same(found, {n: t.float() if t.is_floating_point() else t for n, t in state.items()})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3}, "has no state dict"),
        ([torch.ones(2)], "has no state dict"),
        ({"head.weight": torch.ones(2), "head.bias": [1.0]}, r"head\.bias is of type list"),
    ],
)
def test_what_is_no_state_dict(tmp_path, content, said):
    with pytest.raises(UserError, match=said):
        read_checkpoint(saved(tmp_path / "best.pth", content))


@pytest.mark.parametrize("name", ["levit_128s", "deit_tiny_distilled_patch16_224"])
def test_the_head_of_any_architecture(tmp_path, name):
    """LeViT's is head.linear; both have a second head, and the logits are timm's."""
    import timm

    torch.manual_seed(1)
    theirs = timm.create_model(name, num_classes=5).eval()
    path = saved(tmp_path / "best.pth", {"state_dict": renamed(theirs.state_dict(), "model.")})
    model = load_model(parse_spec(f"{name}@{path}", tmp_path), None)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(model.module(images), theirs(images))
    assert len(model.labels) == 5
    assert "'model.' stripped" in model.notes[0]
