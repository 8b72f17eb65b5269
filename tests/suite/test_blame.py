"""Blame with real int8 layers: a layer that is planted broken is found in each of its places."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.conftest import bounded, listen
from tests.helpers.layered import HARMLESS, PLACES, ROOT, session
from vitbench.blame.asking import Asking
from vitbench.blame.bench import Bench, require_blamable
from vitbench.blame.layers import placed
from vitbench.blame.search import blame
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.project.project import project_at
from vitbench.runtimes.catalogue import catalogue_of


def searched(folder, variant="int8-dynamic", **planted):
    bench = Bench(*session(folder, variant, **planted))
    return blame(Asking(bench.ask, 600), placed(bench.layers()), len(bench.sample.ids))


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(at, marks=[] if at == 5 else [pytest.mark.thorough], id=name)
        for at, name in enumerate(PLACES)
    ],
)
def test_a_layer_that_is_planted_broken_is_found(place, tmp_path):
    found = searched(tmp_path, place=place)
    assert found.base.agreement.state == "BROKEN"
    assert found.blamed == (PLACES[place],)
    assert found.gain(PLACES[place]).proven


def test_a_plant_that_breaks_nothing_is_not_blamed(tmp_path):
    found = searched(tmp_path, place=3, outlier=HARMLESS)
    assert found.blamed == ()
    assert {layer.name for layer in found.layers} == {*PLACES, "head"}
    assert len(found.costs.layers) == 13


def project_of(tmp_path, images):
    """Writes a project whose model has a broken layer, and its images. Returns options."""
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.pytest.ini_options]\npythonpath = ["{ROOT}"]\n[tool.vitbench.models.m]\n'
        'py = "tests.helpers.layered:network"\nargs = { place = 5 }\n'
        '[tool.vitbench.variants.own]\nruntime = "eager"\noptions = { engine = "host" }\n'
        "limits = { agreement = 0.7, relative_error = 0.15, cosine = 0.98 }\n"
        'precision = "int8"\n'
    )
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(images):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return (
        f"--cache={tmp_path / 'cache'}",
        "--threads=1",
        f"--images={folder}",
        f"--verify-images={images}",
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("blame", "(what follows is of these|nothing is known yet)"),
        ("mixed", "nothing is judged or written"),
    ],
)
def test_ctrl_c_is_answered_and_leaves_no_files(command, words, tmp_path):
    """What was found is printed, or said to be lost."""
    given = project_of(tmp_path, 2000)
    line_of = {"blame": "2,000 images", "mixed": "as it is: "}
    (tmp_path / "tmp").mkdir()
    search = subprocess.Popen(
        [sys.executable, "-m", "vitbench", command, "m/own/cpu/b1", *given],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen,
        start_new_session=True,
    )
    with bounded(search):
        assert search.stderr is not None
        begun = next((line for line in search.stderr if line_of[command] in line), "it ended")
        time.sleep(1.5)
        os.killpg(search.pid, signal.SIGINT)  # as a terminal sends it
        out, errors = search.communicate()
    assert search.returncode == 130, (begun, out, errors)
    assert re.search(rf"interrupted after \d+ recipes?: {words}", errors)
    assert "Traceback" not in errors
    assert ("as it is: " in out) == ("what follows" in errors)
    assert [*(tmp_path / "tmp").glob("vitbench*")] == []


def call(capsys, *words):
    code = main(list(map(str, words)))
    return code, capsys.readouterr().out


@pytest.mark.thorough
def test_the_commands_name_the_layer_and_write_a_recipe_without_it(tmp_path, monkeypatch, capsys):
    """In a project whose model has a broken layer: blame, mixed, and what mixed wrote."""
    monkeypatch.chdir(tmp_path)
    given = project_of(tmp_path, 160)
    case = "m/own/cpu/b1"
    code, out = call(capsys, "blame", case, *given, "--json=b.json", "--picture=b.svg")
    assert code == 0
    assert f"to blame: {PLACES[5]}" in out
    assert json.loads((tmp_path / "b.json").read_text())["blamed"] == [PLACES[5]]
    assert PLACES[5] in (tmp_path / "b.svg").read_text()
    code, out = call(capsys, "mixed", case, *given, "--write")
    assert "times as fast" in out
    assert code == 0
    _, recipe = project_at(tmp_path).variants
    assert (recipe.name, recipe.options["float_layers"]) == ("own-mixed", [PLACES[5]])
    made = [
        json.loads(file.read_text()) for file in tmp_path.glob("cache/artifacts/*/manifest.json")
    ]
    assert [each["identity"]["recipe"][1] for each in made] == ["fp32"]  # none of the search


@pytest.mark.thorough
@pytest.mark.parametrize("variant", ["ort-int8-dynamic", "tuned-int8", "openvino-int8"])
def test_a_layer_alone_in_int8_and_all_but_one_are_measured_on_other_runtimes(variant, tmp_path):
    """The head too, which is another operator than the other layers in an ONNX graph."""
    bench = Bench(*session(tmp_path, variant, images=8, place=5))
    names, rows = frozenset(bench.layers()), range(8)
    assert {*PLACES, "head"} <= names
    harmless = [frozenset({PLACES[5]}), names - {"head"}, names - {PLACES[4]}]
    for broken in (frozenset(), names - {PLACES[5]}):
        assert bench.ask(broken, rows).error > 3 * max(bench.ask(x, rows).error for x in harmless)


def test_a_recipe_without_int8_layers_to_free_is_refused_in_a_sentence():
    fp32, int8 = (catalogue_of().variant(name) for name in ("fp32", "int8-dynamic"))
    for recipe, words in (
        (fp32, "fp32 computes in fp32: it has no int8 layer"),
        (replace(int8, artifact="a.pt"), "int8-dynamic is a file that another tool built"),
        (replace(int8, runtime="openvino", transform="acme:f"), "cannot leave single layers in fl"),
    ):
        with pytest.raises(UserError, match=words):
            require_blamable(recipe)
    assert require_blamable(int8) is int8
