"""What entries of the cache are named by: nothing may pass for something else."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from vitbench import environment, variables
from vitbench.build import identity
from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.runtimes import RUNTIMES, VARIANTS, Deployment, variant
from vitbench.runtimes.compiler import COMPILING

MODEL = "deit_tiny_patch16_224"


def logits(row):
    case = Case(MODEL, row.name, f"{row.devices[0]}", 1)
    return identity.of_logits(case, row, artifact="one file", sample="a", threads=2)


def test_no_two_variants_share_their_logits_even_with_one_file():
    """fp32 and compiled are made from the very same weights file."""
    known = {}
    for row in VARIANTS:
        try:
            RUNTIMES[row.runtime].version()
        except Unavailable:
            continue
        name = json.dumps(logits(row), sort_keys=True)
        assert known.setdefault(name, row.name) == row.name
    assert len(known) > 10


def test_a_miscompiled_graph_is_not_passed_by_its_weights(tmp_path, monkeypatch):
    """fp32 is verified first, from a file that is byte for byte the one of `compiled`."""
    session = Session(
        Options(
            models=(parse_spec(MODEL, ROOT),), weights=None, images=None, variants=(),
            reference="fp32", device="cpu", batches=(), threads=1, seconds=1.0,
            build_seconds=600.0, profile=False, calibration=None, verify_images=8,
            cache=tmp_path, rebuild=None,
        )
    )  # fmt: skip
    monkeypatch.setattr(RUNTIMES["inductor"], "supports", lambda *_: None)
    monkeypatch.setattr(RUNTIMES["inductor"], "load", _rolled)
    fp32, compiled = (Case(MODEL, name, "cpu", 1) for name in ("fp32", "compiled"))
    verified = session.verify(fp32).agreement
    assert verified.sentence == "fp32 on cpu, batch 1: is the agreement reference: KEPT"
    assert (verified.state, verified.lower, verified.upper) == ("KEPT", 1, 1)
    assert session.artifact(fp32).sha256 == session.artifact(compiled).sha256
    assert session.verify(compiled).agreement.state == "BROKEN"


def _rolled(placement) -> Deployment:
    """Eager, with every class's logit given to the next one."""
    plain = RUNTIMES["eager"].load(placement)
    return replace(plain, read=lambda output: plain.read(output)[:, ::-1].copy())


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "0" * 64}, {"architecture": {"name": "other"}}, {"recipe": "bf16"},
        {"calibration": "1" * 64},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_an_artifact_depends_on_all_that_it_is_built_from(model, change):
    def key(weights=model.weights.sha256, architecture=None, recipe="fp32", calibration=None):
        changed = replace(
            model,
            weights=replace(model.weights, sha256=weights),
            architecture={**model.architecture, **(architecture or {})},
        )
        return identity.of_artifact(changed, variant(recipe), calibration)

    assert key() == key()
    assert key(**change) != key()


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic"])
def test_another_cpu_is_another_artifact(monkeypatch, model, name):
    before = identity.of_artifact(model, variant(name), None)
    monkeypatch.setattr(environment, "cpu", lambda: {"model": "another", "isa": []})
    assert identity.of_artifact(model, variant(name), None) != before


def test_another_version_of_what_builds_it_is_another_artifact(monkeypatch, model):
    row = replace(variant("fp32"), requires=("nncf>=3.0",))
    found = []
    for number in ("3.0", "3.1"):
        monkeypatch.setattr(environment, "installed", lambda _, number=number: number)
        found.append(identity.of_artifact(model, row, None))
    assert found[0]["builders"] == {"nncf": "3.0"}
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("name", "counts"),
    {
        # Arithmetic of torch and of what stands under it, on the CPU and on CUDA.
        "ONEDNN_MAX_CPU_ISA": True, "DNNL_MAX_CPU_ISA": True, "ATEN_CPU_CAPABILITY": True,
        "MKL_CBWR": True, "OMP_THREAD_LIMIT": True, "GLIBC_TUNABLES": True,
        "NVIDIA_TF32_OVERRIDE": True, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": True,
        "CUBLAS_WORKSPACE_CONFIG": True, "PYTORCH_TUNABLEOP_ENABLED": True,
        # Generated code, and what it is compiled with.
        "TORCHINDUCTOR_FREEZING": True, "TORCHINDUCTOR_CPP_WEIGHT_PREPACK": True,
        "TORCHDYNAMO_DISABLE": True, "AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL": True,
        "TORCH_COMPILE_DISABLE": True, "TRITON_PTXAS_PATH": True, "CXX": True, "CC": True,
        "CPLUS_INCLUDE_PATH": True, "LD_PRELOAD": True,
        # Models and runtimes.
        "TIMM_FUSED_ATTN": True, "OV_CPU_MAX_ISA": True, "ORT_DISABLE_FLASH_ATTENTION": True,
        # What is printed, where files lie, how fast it is: no other result.
        "LANG": False, "LC_ALL": False, "HOME": False, "TORCH_HOME": False, "TORCH_LOGS": False,
        "TORCHINDUCTOR_CACHE_DIR": False, "TORCHINDUCTOR_COMPILE_THREADS": False,
        "ONEDNN_VERBOSE": False, "OMP_WAIT_POLICY": False, "GOMP_SPINCOUNT": False,
        "OMP_NUM_THREADS": False, "MKL_NUM_THREADS": False, "PYTORCH_CUDA_ALLOC_CONF": False,
        "MY_TORCH_NOTE": False,
    }.items(),
)  # fmt: skip
def test_a_variable_that_changes_results_is_another_entry(monkeypatch, model, name, counts):
    def keys():
        return [
            json.dumps(found, sort_keys=True)
            for found in (
                identity.of_artifact(model, variant("fp32"), None),
                logits(variant("fp32")),
            )
        ]

    monkeypatch.delenv(name, raising=False)
    before = keys()
    monkeypatch.setenv(name, "1")
    changed = [now != then for now, then in zip(keys(), before, strict=True)]
    assert changed == [counts, counts]


@pytest.mark.parametrize(("name", "counts"), [("OPENVINO_LIB_PATH", False), ("OPENVINO_X", True)])
def test_a_variable_that_a_library_sets_itself_is_in_no_key(monkeypatch, name, counts):
    monkeypatch.setenv(name, "/any")
    assert (name in variables.of_results()) is counts


@pytest.mark.parametrize("name", ["TORCHINDUCTOR_FREEZING", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_a_report_names_the_variables_that_change_its_figures(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CXX", "/home/me/bin/g++")
    monkeypatch.setenv("TORCH_HOME", "/home/me")
    assert variables.of_measurements()[name] == "1"
    assert "/home/me" not in json.dumps(variables.of_measurements())


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("compiled-int8", "torchao"), ("compiled-fp8", "torchao"), ("ort-fp32", "onnxruntime"),
        ("zentorch-int8-torchao", "torchao"), ("zentorch-fp32", "zentorch"),
        ("openvino-int8", "nncf"), ("executorch-int8-dynamic", "torchao"), ("fp32", "timm"),
        ("fp32", "transformers"), ("fp32", "torch"),
    ],
)  # fmt: skip
def test_another_version_of_what_executes_it_is_another_result(monkeypatch, name, package):
    row, genuine = variant(name), environment.installed
    monkeypatch.setattr(RUNTIMES[row.runtime], "version", lambda: "the same")
    before = logits(row)
    monkeypatch.setattr(
        environment, "installed", lambda each: "next" if each == package else genuine(each)
    )
    assert logits(row) != before


def test_another_library_of_the_gpu_is_another_result_there_alone(monkeypatch):
    monkeypatch.setattr(environment, "gpus", lambda: [{"name": "a GPU"}])
    cases = [Case(MODEL, "fp32", device, 1) for device in ("cpu", "cuda:0")]
    found = []
    for number in ("9.1", "9.2"):
        package = SimpleNamespace(name="nvidia-cudnn-cu13", version=number)
        monkeypatch.setattr(identity, "distributions", lambda package=package: [package])
        found.append([identity.of_logits(case, variant("fp32"), "f", "s", 2) for case in cases])
    (cpu, cuda), (same_cpu, other_cuda) = found
    assert cpu == same_cpu
    assert cuda != other_cuda


def test_the_compiler_counts_where_something_is_compiled(monkeypatch, tmp_path, model):
    """By its file: a script around a compiler has that one's version, whatever it adds."""
    script = tmp_path / "c++"
    found = []
    for flags in ("", "-ffast-math"):
        script.write_text(f'#!/bin/sh\nexec g++ {flags} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", lambda: str(script))
        rows = [variant(name) for name in ("compiled", "aot-inductor", "tuned-int8", "fp32")]
        found.append([(logits(row), identity.of_artifact(model, row, None)) for row in rows])
    differ = [[a != b for a, b in zip(*pair, strict=True)] for pair in zip(*found, strict=True)]
    assert differ == [[True, True], [True, True], [True, True], [False, False]]
    assert found[0][0][0]["compiler"][0] == str(script)


def test_a_machine_without_a_compiler_has_keys_too(monkeypatch):
    from torch._inductor import cpp_builder, exc

    def none():
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    assert logits(variant("compiled"))["compiler"] is None


def test_every_runtime_that_asks_for_a_compiler_has_it_in_its_key():
    asking = {
        name for name, runtime in RUNTIMES.items()
        if "require_compiler" in Path(runtime.__file__).read_text()
    }  # fmt: skip
    assert asking == set(COMPILING)


@pytest.mark.parametrize(
    "change",
    [
        {"case": {"artifact": "b"}}, {"against": {"artifact": "b"}}, {"recipe": variant("bf16")},
        {"labels": ["cat", "dog"]}, {"clusters": ["photo", "photo"]}, {"synthetic": True},
        {"reading": ("binary", 0.4)}, {"reading": ("regression", 0.5)},
    ],
)  # fmt: skip
def test_an_agreement_depends_on_all_that_it_is_judged_by(change):
    given = {
        "case": {"artifact": "a"}, "against": {"artifact": "r"}, "recipe": variant("fp32"),
        "labels": ["cat", "cow"], "clusters": ["photo", "other"], "synthetic": False,
        "reading": ("binary", 0.5),
    }  # fmt: skip
    before = identity.of_agreement(**given)
    assert identity.of_agreement(**given) == before
    assert identity.of_agreement(**{**given, **change}) != before


def test_an_agreement_depends_on_who_bounds_it(monkeypatch):
    given = [{}, {}, variant("fp32"), ["cat"], ["photo"], False, ("single-label", 0.5)]
    before = identity.of_agreement(*given)
    monkeypatch.setattr(environment, "installed", lambda name: f"next {name}")
    assert identity.of_agreement(*given) != before


@pytest.mark.parametrize(
    ("module", "kinds"),
    {
        RUNTIMES["eager"].__name__: [True, True, False],
        identity.BUILDING: [True, True, False],
        identity.FEEDING: [False, True, True],
        identity.JUDGING: [False, False, True],
        RUNTIMES["lite"].__name__: [False, False, False],
    }.items(),
)  # fmt: skip
def test_an_entry_depends_on_the_code_that_makes_it(monkeypatch, model, module, kinds):
    """A built file, logits and an agreement; the latter names its logits, whose code counts so."""

    def keys():
        return [
            identity.of_artifact(model, variant("fp32"), None)["code"],
            logits(variant("fp32"))["code"],
            identity.of_agreement({}, {}, variant("fp32"), [], [], False, ())["code"],
        ]

    for text in ("one", "another"):
        monkeypatch.setattr(
            identity, "digest", lambda names, t=text: [t for n in names if n == module]
        )
        identity._code.cache_clear()
        if text == "one":
            before = keys()
    changed = [now != then for now, then in zip(keys(), before, strict=True)]
    identity._code.cache_clear()
    assert changed == kinds


@pytest.fixture(scope="module")
def model():
    from vitbench.models import load_model

    return load_model(parse_spec(MODEL, ROOT), None)
