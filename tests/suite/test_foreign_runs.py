"""A run with files that other tools built: verified, timed, kept apart from what is built."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.suite.test_foreign_files import IMAGE, PIXELS, Pixels, onnx_file, row
from vitbench.build.package import package
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.measure.measurement import Subject
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_specs

FACTORY = """
from torchvision import transforms

from tests.suite.test_foreign_files import MEAN, STD, tiny


def small():
    steps = [transforms.Resize(36, 3), transforms.CenterCrop(32), transforms.ToTensor()]
    return tiny(), transforms.Compose([*steps, transforms.Normalize(MEAN, STD)])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a package of Python and the files that were built of its model."""
    import onnx

    from tests.suite.test_foreign_files import tiny

    root = tmp_path_factory.mktemp("project")
    (root / "acme_files.py").write_text(FACTORY)
    module = tiny()
    onnx_file(module, root / "plain.onnx")
    onnx.save(
        onnx.load(root / "plain.onnx"), root / "vit.onnx", save_as_external_data=True,
        location="vit.weights", size_threshold=512,
    )  # fmt: skip
    onnx_file(module, root / "one.onnx", torch.zeros(1, *IMAGE), batch=False)
    pixels = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    onnx_file(Pixels(module), root / "pixels.onnx", pixels)
    onnx_file(Pixels(module, mean=0.5, std=0.5), root / "half.onnx", pixels)
    return root


@pytest.fixture
def session(project, cache):
    rows = {
        "shipped": row(project / "vit.onnx"),
        "one": row(project / "one.onnx"),
        "right": row(project / "pixels.onnx", **PIXELS),
        "bgr": row(project / "pixels.onnx", **PIXELS, channels="BGR"),
        "swapped": row(project / "pixels.onnx", **{**PIXELS, "mean": PIXELS["mean"][::-1]}),
        "unscaled": row(project / "pixels.onnx", **PIXELS, scale=1.0),
        "grey": row(project / "pixels.onnx", **{**PIXELS, "mean": [0.5] * 2, "std": [0.5] * 2}),
        "bare": row(project / "pixels.onnx", layout="NHWC", dtype="uint8", scale=255.0),
        "other": row(project / "half.onnx", **{**PIXELS, "mean": [0.5] * 3, "std": [0.5] * 3}),
        "text": row(project / "text.onnx"),
    }
    (project / "text.onnx").write_text("no graph")
    return Session(
        Options(
            models=parse_specs(["mine=py:acme_files:small"], project), threads=1, cache=cache,
            verify_images=8, import_roots=(project,), profile=False,
            project_variants=tuple(replace(each, name=name) for name, each in rows.items()),
        )
    )  # fmt: skip


def case(variant, batch=1):
    return Case("mine", variant, "cpu", batch)


def test_a_shipped_file_is_verified_and_nothing_was_built(session, project):
    assert session.verify(case("shipped")).agreement.state in ("KEPT", "UNPROVEN")
    artifact = session.artifact(case("shipped"))
    files = [project / "vit.onnx", project / "vit.weights"]
    assert artifact.bytes == sum(file.stat().st_size for file in files)
    assert artifact.path.name == "vit.onnx"
    said = Subject(case("shipped"), artifact).to_json()["artifact"]
    assert (said["build_seconds"], said["built"], said["suffix"]) == (None, False, ".onnx")
    assert session.artifact(case("fp32")).build_seconds is not None


def test_pixels_that_are_described_right_agree_and_others_are_broken(session):
    assert session.verify(case("right")).agreement.state in ("KEPT", "UNPROVEN")
    assert session.verify(case("bgr")).agreement.state == "BROKEN"


@pytest.mark.parametrize("name", ["swapped", "unscaled", "bare", "other"])
def test_what_the_preprocessing_did_not_do_cannot_be_undone(session, name):
    """Not even where the file has the same mistake, and so would answer as the model does."""
    with pytest.raises(UserError, match=rf"^{name}: with input.mean, input.std and input.s") as e:
        session.artifact(case(name))
    assert "mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]" in str(e.value)


def test_means_of_other_channels_are_a_sentence(session):
    with pytest.raises(
        UserError, match=r"^grey: input.mean has 2 channels, and the model's images"
    ):
        session.artifact(case("grey"))


def test_a_fixed_batch_costs_the_other_batches_alone(session):
    session.first_loads.planned = [case("one"), case("one", 8)]
    session.first_loads.prove(case("one"))  # in a process of its own, on the larger batch too
    assert session.verify(case("one")).agreement.state in ("KEPT", "UNPROVEN")
    with pytest.raises(Unavailable, match=r"^one.onnx takes 1 image a call, not 8: export it with"):
        session.verify(case("one", 8))


def test_a_broken_file_fails_its_case_each_time_alike(session):
    for _ in range(2):
        with pytest.raises(UserError, match=r"^text: text.onnx is no ONNX file, or was cut off"):
            session.artifact(case("text"))
    assert session.artifact(case("fp32")).path.exists()


def test_a_file_that_is_written_again_during_the_run_fails_its_case(session, project):
    weights = project / "vit.weights"
    before = weights.read_bytes()
    session.artifact(case("shipped"))
    try:
        weights.write_bytes(before[:-1] + b"?")
        with pytest.raises(UserError, match=r"^shipped: vit.weights was changed or deleted while"):
            session.artifact(case("shipped"))
    finally:
        weights.write_bytes(before)
    session.artifact(case("shipped"))


def test_other_weights_beside_the_graph_are_another_artifact(session, project, cache):
    first = session.artifact(case("shipped"))
    weights = project / "vit.weights"
    before = weights.read_bytes()
    try:
        weights.write_bytes(before[:-4] + b"\0\0\0\0")
        other = Session(session.options).artifact(case("shipped"))
    finally:
        weights.write_bytes(before)
    assert other.sha256 != first.sha256
    assert other.path != first.path
    assert Path(first.path).is_relative_to(cache)


def test_a_packaged_file_keeps_its_names_and_has_the_code_that_calls_it(
    session, project, tmp_path, monkeypatch
):
    for name, files in (("shipped", {"vit.onnx", "vit.weights"}), ("right", {"pixels.onnx"})):
        file = package(
            session.model("mine"), session.recipe(case(name)), session.artifact(case(name)), {},
            tmp_path,
        )  # fmt: skip
        assert {each.name for each in file.parent.iterdir()} == {
            *files,
            "manifest.json",
            "predict.py",
        }
        assert file.read_bytes() == (project / file.name).read_bytes()
        manifest = json.loads((file.parent / "manifest.json").read_text())
        assert (manifest["file"], manifest["built"]) == (file.name, False)
        monkeypatch.chdir(file.parent)
        noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save("photo.png")
        os.rename("photo.png", "photo.jpg")  # the same pixels
        names = {}
        lines = manifest["load"] + manifest["preprocess"] + manifest["classify"]
        exec("\n".join(lines), names)
        image = session.model("mine").preprocess(Image.fromarray(noise))[None]
        wanted = session.deployment(case("fp32")).logits(image)
        assert np.linalg.norm(names["logits"] - wanted) < 0.02 * np.linalg.norm(wanted)


SETTINGS = """
[tool.pytest.ini_options]
pythonpath = ["."]

[tool.vitbench.models]
mine = "py:acme_files:small"

[tool.vitbench.variants.shipped]
runtime = "onnxruntime"
artifact = "vit.onnx"

[tool.vitbench.variants.pixels]
runtime = "openvino"
artifact = "pixels.onnx"
input = { layout = "NHWC", dtype = "uint8", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }

[tool.vitbench.variants.one]
runtime = "openvino"
artifact = "one.onnx"

[tool.vitbench.variants.bgr]
runtime = "onnxruntime"
artifact = "pixels.onnx"
input = { layout = "NHWC", dtype = "uint8", channels = "BGR", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }
"""  # noqa: E501


@pytest.mark.thorough
def test_a_project_s_files_are_in_the_table_beside_ours(project, cache, environment):
    (project / "pyproject.toml").write_text(SETTINGS)
    command = [
        sys.executable, "-m", "pytest", "-p", "vitbench.plugin", "-p", "no:cacheprovider",
        "--benchmark-only", "--pyargs", "vitbench.benchmarks", "--batch=1", "--batch=8",
        *(f"--variant={name}" for name in ("shipped", "pixels", "one", "bgr", "ort-fp32")),
        "--seconds=0.1", "--verify-images=8", f"--cache={cache}", "--report=run.json",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=project, env=environment, text=True, capture_output=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-3000:]  # the case that is BROKEN
    report = json.loads((project / "run.json").read_text())
    run = report["vitbench"]
    assert {name.split("/")[1] for name in run["failed"]} == {"bgr"}
    assert all("BROKEN" in words for words in run["failed"].values())
    assert run["unavailable"] == {
        "mine/one/cpu/b8": "one.onnx takes 1 image a call, not 8: export it with a free batch"
    }
    built = {
        row["extra_info"]["case"]["variant"]: row["extra_info"]["artifact"]["build_seconds"]
        for row in report["benchmarks"]
    }
    assert {name for name, seconds in built.items() if seconds is None} == {
        "shipped", "pixels", "one",
    }  # fmt: skip
    assert {name for name, seconds in built.items() if seconds} == {"fp32", "ort-fp32"}
    assert "2 built in" in done.stdout or "2 from the cache" in done.stdout
    assert ", 4 of other tools;" in done.stdout
