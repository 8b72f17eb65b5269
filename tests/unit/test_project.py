"""A project's own models and variants: what its pyproject.toml may say, and what it may not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vitbench.case import Limits
from vitbench.errors import UserError
from vitbench.project.project import Project, project_at, read_project
from vitbench.pyproject import find_pyproject
from vitbench.runtimes import VARIANTS, Variant, variant
from vitbench.runtimes.catalogue import DEFAULT_MODEL, cases, catalogue_of
from vitbench.runtimes.limits import HALF, NAMED, STATIC
from vitbench.runtimes.takes import TAKES, misfit

MODELS = """
[tool.vitbench.models]
plain = "timm:vit_tiny_patch16_224"
own = "py:acme.vision:small"
folder = { hf = "./saved" }
hub = { hub = "org/repo:main:deit" }

[tool.vitbench.models.tiny]
timm = "vit_tiny_patch16_224"
args = { img_size = 32, depth = 2 }
head = "multi-label"
threshold = 0.3
labels = ["cat", "dog"]

[tool.vitbench.models.tuned]
timm = "vit_tiny_patch16_224"
checkpoint = "out/best.pth"
ema = true
labels = "labels.txt"
preprocessing = { mean = [0.5, 0.5, 0.5] }
"""
VARIANT = """
[tool.vitbench.variants.acme]
runtime = "onnxruntime"
precision = "int8"
options = { quantization = "static" }
calibrated = true
"""


@pytest.fixture
def project(tmp_path):
    """Call it with the text of a pyproject.toml, which follows three lines of another table."""

    def read(text):
        path = tmp_path / "pyproject.toml"
        path.write_text('[project]\nname = "acme"\n\n' + text.lstrip("\n"))
        return read_project(path, tmp_path)

    for folder in ("saved", "out", "src"):
        (tmp_path / folder).mkdir()
    (tmp_path / "saved" / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "out" / "best.pth").write_bytes(b"weights")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    return read


def test_each_way_to_write_a_model(project, tmp_path):
    found = {spec.name: spec for spec in project(MODELS).chosen([], Path("/elsewhere"))}
    assert [(s.name, s.source, s.ident) for s in found.values()] == [
        ("plain", "timm", "vit_tiny_patch16_224"), ("own", "py", "acme.vision:small"),
        ("folder", "hf", "saved"), ("hub", "hub", "org/repo:main:deit"),
        ("tiny", "timm", "vit_tiny_patch16_224"), ("tuned", "timm", "vit_tiny_patch16_224"),
    ]  # fmt: skip
    tiny, tuned = found["tiny"], found["tuned"]
    assert (tiny.args, tiny.head, tiny.threshold) == (
        {"img_size": 32, "depth": 2}, "multi-label", 0.3,
    )  # fmt: skip
    assert tiny.labels == ("cat", "dog")
    assert (tuned.path, tuned.ema) == (str(tmp_path / "out" / "best.pth"), True)
    assert tuned.labels == str(tmp_path / "labels.txt")
    assert tuned.preprocessing == {"mean": [0.5, 0.5, 0.5]}
    assert tuned.public == "vit_tiny_patch16_224@best.pth,ema=true"
    assert {spec.origin for spec in found.values()} == {"pyproject.toml"}


def test_an_option_names_a_model_of_the_project_or_any_other(project, tmp_path):
    known = project(MODELS)
    named = known.chosen(["tiny", "other=tiny", "deit_tiny_patch16_224"], tmp_path)
    assert [spec.name for spec in named] == ["tiny", "other", "deit_tiny_patch16_224"]
    assert named[0] == replace(named[1], name="tiny")
    assert [spec.origin for spec in named] == ["pyproject.toml", "pyproject.toml", "--model"]
    for behind in ("tiny,img_size=64", "other=tiny@best.pth"):
        with pytest.raises(UserError, match=r"tiny is a model of the project: .*toml:\d+\)"):
            known.chosen([behind], tmp_path)
    (spec,) = known.chosen(["timm:tiny,img_size=64"], tmp_path)
    assert spec.name == "tiny-img_size-64"
    assert [spec.name for spec in Project(tmp_path).chosen([], tmp_path)] == [DEFAULT_MODEL]
    with pytest.raises(UserError, match="two models are called 'tiny'"):
        known.chosen(["tiny", "tiny"], tmp_path)


def test_a_file_of_a_model_is_looked_for_when_the_model_is_used(project, tmp_path):
    known = project(MODELS.replace("out/best", "out/gone"))
    assert [spec.name for spec in known.chosen(["tiny"], tmp_path)] == ["tiny"]
    with pytest.raises(UserError) as caught:
        known.chosen(["tuned"], tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/pyproject.toml:18: the model 'tuned': timm:vit_tiny_patch16_224@out/gone.pth: "
        "out/gone.pth does not exist; name a file or folder, or a model of the Hugging Face hub: "
        "hf:out/gone.pth"
    )


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        ("mine = 3", 5, "the model 'mine': it should be a table"),
        ('"my model" = "x"', 5, "the model 'my model': a name may hold letters, digits"),
        ('mine = { tim = "x" }', 5, "there is no key 'tim': nearest: timm; it may have timm, hf"),
        ("mine = { head = 'binary' }", 5, "exactly one of timm, hf, hub, py: it has none of them"),
        ('mine = { timm = "x", py = "a:b" }', 5, "exactly one of timm, hf, hub, py: it has timm a"),
        ('mine = { timm = 3 }', 5, "timm = 3 should be a string"),
        ('mine = { hf = "a/b", args = {} }', 5, "args belong to a timm model or a factory, not to"),
        ('mine = { hub = "a/b:c", checkpoint = "x" }', 5, "a checkpoint belongs to a timm model"),
        ('mine = { timm = "x", ema = true }', 5, "ema belongs beside a checkpoint"),
        ('mine = { timm = "x", checkpoint = "y", ema = 1 }', 5, "ema = 1 should be true or false"),
        ('mine = { timm = "x", head = "binry" }', 5, "head = 'binry' is unknown: nearest: binary"),
        ('mine = { timm = "x", threshold = 1 }', 5, "threshold = 1 should be above 0 and below 1"),
        ('mine = { timm = "x", threshold = true }', 5, "threshold = True should be a number"),
        ('mine = { timm = "x", labels = [1] }', 5, "labels = [1] should be a list of strings"),
        ('[tool.vitbench.models.mine]\ntimm = "x"\nargs = 3', 7, "args = 3 should be a table"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_meant_names_its_line(project, row, line, words):
    with pytest.raises(UserError) as caught:
        project(f"[tool.vitbench.models]\n{row}\n")
    assert f"pyproject.toml:{line}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_variant_is_whole(project):
    (row,) = project(VARIANT).variants
    assert row == replace(
        variant("ort-int8-static"), name="acme", limits=STATIC, about="int8 in onnxruntime",
        origin="pyproject.toml",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "precision", "limits"),
    [
        ('runtime = "eager"', "fp32", NAMED["rebuilt"]),
        ('runtime = "eager"\nlimits = "tf32"', "tf32", NAMED["tf32"]),
        ('runtime = "eager"\nprecision = "bf16"', "bf16", HALF),
        ('runtime = "openvino"\nlimits = "int8-static"\ncalibrated = true', "int8", STATIC),
        ('runtime = "openvino"\nartifact = "vit.xml"\nlimits = "int8-static"', "int8", STATIC),
        (
            'runtime = "eager"\nlimits = { agreement = 1, relative_error = 2, cosine = 0.5 }',
            "fp32", Limits(1.0, 2.0, 0.5, "set in pyproject.toml"),
        ),
        (
            'runtime = "eager"\nlimits = { agreement = 1, relative_error = 2, cosine = 0.5, '
            "neighbours = 0.7 }",
            "fp32", Limits(1.0, 2.0, 0.5, "set in pyproject.toml", 0.7),
        ),
    ],
)  # fmt: skip
def test_precision_and_limits_follow_from_each_other(project, text, precision, limits):
    (row,) = project(f"[tool.vitbench.variants.x]\n{text}\n").variants
    assert (row.precision, row.limits) == (precision, limits)


def test_a_file_belongs_to_the_model_of_its_project(project, tmp_path):
    shipped = '[tool.vitbench.variants.x]\nruntime = "openvino"\nartifact = "b/vit.xml"\n'
    (row,) = project(shipped).variants
    assert (row.artifact, row.model) == (str(tmp_path / "b/vit.xml"), None)
    (row,) = project(f'{shipped}[tool.vitbench.models]\nmine = "x"\n').variants
    assert row.model == "mine"
    assert [case.model for case in cases(["mine", "other"], [row], ["cpu"], [1])] == ["mine"]
    known = catalogue_of([replace(row, artifact=None)])
    assert known.select(["x"], "fp32", ["mine", "other"])[1].name == "x"
    assert known.select(["*"], "fp32", ["other"])[-1].name == "x"  # others match as well
    words = (
        "--variant x: the file of x belongs to the model mine, which this run does not take: add"
    )
    with pytest.raises(UserError, match=words):
        known.select(["x"], "fp32", ["other"])
    two = '[tool.vitbench.models]\nmine = "x"\nother = "y"\n'
    (row,) = project(f'{shipped}model = "other"\n{two}').variants
    assert row.model == "other"
    with pytest.raises(UserError, match="one of several models: write model = one of mine, other"):
        project(shipped + two)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 4, "it names no runtime: write runtime = one of eager, torchscript"),
        ('runtime = "onxruntime"', 5, "runtime = 'onxruntime' is unknown: nearest: onnxruntime"),
        ('runtime = "eager"\nprecison = "fp32"', 6, "there is no key 'precison': nearest: precisi"),
        ('runtime = "eager"\nprecision = "int7"', 6, "precision = 'int7' is unknown: nearest: int"),
        ('runtime = "eager"\nprecision = "fp8"', 6, "eager does not build fp8: it builds fp32, tf"),
        ('runtime = "eager"\nlimits = "half"', 4, "write precision = fp16 or bf16"),
        ('runtime = "eager"\nlimits = "int-8"', 6, "limits = 'int-8' is unknown: nearest: int8"),
        ('runtime = "eager"\nlimits = 0.9', 6, "limits = 0.9 should be one of rebuilt, half"),
        ('runtime = "eager"\nlimits = { agrement = 1 }', 6, "no key 'agrement': nearest: agr"),
        ('runtime = "eager"\nlimits = { agreement = 1 }', 6, "limits has no relative_error"),
        (
            'runtime = "eager"\nlimits = { agreement = 1.1, relative_error = 1, cosine = 1 }',
            6, "limits: agreement = 1.1 should be above 0 and at most 1",
        ),
        (
            'runtime = "eager"\nlimits = { agreement = 1, relative_error = 0, cosine = 1 }',
            6, "limits: relative_error = 0 should be a number above 0",
        ),
        (
            'runtime = "eager"\nlimits = "int8"\noptions = { engin = "host" }',
            7, "the runtime eager has no option 'engin': nearest: engine, attention; its opt",
        ),
        (
            'runtime = "eager"\nlimits = "int8"\n[tool.vitbench.variants.x.options]\nengine = "b"',
            8, "'b' is no value of eager's option 'engine': it may be \"host\", \"x86\"",
        ),
        (
            'runtime = "eager"\nlimits = "int8"\noptions = { engine = "x86", float_layers = "a" }',
            7, "'a' is no value of eager's option 'float_layers': it may be a list of names of la",
        ),
        (
            'runtime = "eager"\nlimits = "int8"\noptions = { engine = "x86", float_layers = [] }',
            7, "[] is no value of eager's option 'float_layers': it may be a list of names of la",
        ),
        (
            'runtime = "eager"\noptions = { float_layers = ["head"] }',
            6, "the option 'float_layers' is for int8 layers that the runtime eager makes, and thi",
        ),
        (
            'runtime = "lite"\nartifact = "x"\nlimits = "int8"\n'
            'options = { engine = "x86", float_layers = ["head"] }',
            8, "the option 'float_layers' is for int8 layers that the runtime lite makes, and this",
        ),
        ('runtime = "eager"\nlimits = "int8"', 4, "int8 in the runtime eager needs the option 'en"),
        (
            'runtime = "eager"\noptions = { engine = "host" }',
            6, "the option 'engine' is for int8, and the precision is fp32",
        ),
        (
            'runtime = "onnxruntime"\nlimits = "int8"\noptions = { quantization = "static" }',
            7, "this recipe needs calibration images: write calibrated = true",
        ),
        ('runtime = "eager"\ncalibrated = true', 6, "takes no calibration images: leave `calibrat"),
        ('runtime = "eager"\ncalibrated = "yes"', 6, "calibrated = 'yes' should be true or false"),
        ('runtime = "eager"\ndevices = ["gpu"]', 6, "devices = 'gpu' is unknown"),
        ('runtime = "eager"\nrequires = ["torch =< 2"]', 6, "'torch =< 2' is no requirement"),
        ('runtime = "eager"\ntransform = "acme.quant"', 6, "the form package.module:function"),
        ('runtime = "eager"\ninput = {}', 6, "input describes a file: it belongs beside artifact"),
        ('runtime = "eager"\nmodel = "x"', 6, "model says whose file it is: it belongs beside ar"),
        ('runtime = "lite"\nartifact = "x"\ncalibrated = true', 7, "a file is built already"),
        ('runtime = "lite"\nartifact = "x"\ntransform = "a:b"', 6, "it has a transform and an art"),
    ],
)  # fmt: skip
def test_a_variant_that_cannot_be_meant_names_its_line(project, text, line, words):
    with pytest.raises(UserError) as caught:
        project(f"[tool.vitbench.variants.x]\n{text}\n")
    assert words in str(caught.value)
    assert f"pyproject.toml:{line}: the variant 'x': " in str(caught.value)


def test_a_name_of_vitbench_is_taken(project):
    with pytest.raises(UserError, match=r":4: the variant 'fp32': vitbench has a variant of this"):
        project('[tool.vitbench.variants.fp32]\nruntime = "eager"\n')


def test_layers_that_stay_float_are_part_of_a_variant_wherever_it_goes(project):
    text = '[tool.vitbench.variants.x]\nruntime = "eager"\nlimits = "int8"\n'
    text += 'options = { engine = "onednn", float_layers = ["blocks.11.mlp.fc2", "*.qkv"] }\n'
    (row,) = project(text).variants
    assert row.options["float_layers"] == ["blocks.11.mlp.fc2", "*.qkv"]
    assert Variant.from_json(json.loads(json.dumps(row.to_json()))) == row
    assert row.definition()["options"] == row.options


def test_every_variant_of_vitbench_fits_its_runtime():
    """So that what a project writes is judged by rules that ours keep."""
    assert [(row.name, misfit(row)) for row in VARIANTS if misfit(row)] == []
    assert {row.runtime for row in VARIANTS} == set(TAKES) - {"endpoint"}  # has a user's URL


def test_the_catalogue_has_the_rows_of_a_project(project):
    known = catalogue_of(project(VARIANT).variants)
    assert [row.name for row in known.select(["acme"], "fp32")] == ["fp32", "acme"]
    assert known.select(["ac*"], "acme")[0].name == "acme"
    assert known.device_kinds()["acme"] == ("cpu",)
    with pytest.raises(UserError, match="--variant acne: no such variant: nearest: acme"):
        known.select(["acne"], "fp32")
    with pytest.raises(UserError, match="no such variant"):
        catalogue_of().select(["acme"], "fp32")


def test_where_a_project_s_code_is_imported_from(project, tmp_path):
    """pytest's setting, else src/, else the root; and only where a run takes such code."""
    known = project('[tool.vitbench.models]\nown = "py:a:b"\nother = "timm:x"\n')
    assert known.import_roots == (tmp_path / "src",)
    assert known.code_roots(known.chosen(["own"], tmp_path)) == (tmp_path / "src",)
    assert known.code_roots(known.chosen(["other"], tmp_path)) == ()
    own = '[tool.vitbench.variants.x]\nruntime = "eager"\ntransform = "a:b"\n'
    assert project(own).code_roots(()) == (tmp_path / "src",)
    (tmp_path / "src").rmdir()
    assert project(own).import_roots == (tmp_path,)
    assert project('[tool.pytest.ini_options]\npythonpath = "lib ."\n').import_roots == (
        tmp_path / "lib", tmp_path,
    )  # fmt: skip
    path = tmp_path / "pyproject.toml"
    assert read_project(path, tmp_path, [Path("/p")]).import_roots == (Path("/p"),)


@pytest.mark.parametrize(
    "text",
    ["[tool]\npytest = 1\n", "[tool.pytest]\npythonpath = 5\n", "[tool.pytest]\nini_options = 5\n"],
)
def test_settings_of_pytest_that_mean_nothing_are_pytest_s_to_say(project, tmp_path, text):
    assert project(text).import_roots == (tmp_path / "src",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tool = { vitbench = { models = {} } }", True),
        ("[tool]\nvitbench = {}", True),
        ("[[tool.vitbench.models]]\na = 1", True),
        ("[[tool.vitbench]]\na = 1\n[", True),
        ("tool = { acme = 'vitbench' }", False),
        ("[tool.acme]\nvitbench = 1", False),
    ],
)
def test_a_table_is_found_however_toml_writes_it(tmp_path, text, found):
    (tmp_path / "pyproject.toml").write_text(text)
    assert (find_pyproject(tmp_path) == tmp_path / "pyproject.toml") == found


def test_the_command_line_looks_upwards_for_the_table(project, tmp_path):
    project(VARIANT)
    inner = tmp_path / "src" / "acme"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert (project_at(inner).root, project_at(inner).variants[0].name) == (tmp_path, "acme")
    (inner / "pyproject.toml").write_text("[tool.vitbench.models]\nmine = 'x'\n")
    assert (project_at(inner).root, list(project_at(inner).models)) == (inner, ["mine"])


def test_a_file_of_another_tool_needs_no_exporter(project):
    row = '[tool.vitbench.variants.acme]\nruntime = "onnxruntime"\n'
    (built,) = project(row).variants
    (given,) = project(row + 'artifact = "vit.onnx"\n').variants
    assert set(built.requires) - set(given.requires) == {"onnxscript>=0.7.2"}
