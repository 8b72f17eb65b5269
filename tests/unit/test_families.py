"""The table of families: the page is what its results say, its rows exist, a run goes on."""

import json
import sys

import pytest

from tests import families
from tests.conftest import ROOT
from tests.helpers.family_rows import FAMILIES, class_of
from tests.helpers.family_table import COLUMNS, add, read, render
from vitbench.build.ask import ask
from vitbench.errors import Unavailable, WorkerFailed
from vitbench.runtimes import VARIANTS

RESULTS = ROOT / "docs/families.json"
RUNS = {"state": "runs"}
# One of each that the table must have.
WANTED = {
    "ViT", "DeiT", "DeiT, distilled", "Swin", "Swin V2", "BEiT", "EVA-02", "DINOv3", "MobileViT",
    "LeViT", "EfficientFormer", "ConvNeXt", "CLIP's tower", "SigLIP's tower",
    "DINOv2 with registers",
}  # fmt: skip


def test_the_page_is_made_of_the_results():
    data = read(RESULTS)
    assert render(data) == (ROOT / "docs/families.md").read_text(encoding="utf-8")
    cells = data["cells"]
    assert {*cells} <= {family.id for family in FAMILIES}
    assert {name for row in cells.values() for name in row} <= {*COLUMNS}
    states = {cell["state"] for row in cells.values() for cell in row.values()}
    assert states <= {"runs", "unavailable", "failed"}


def test_the_rows_are_families_that_there_are():
    timm = pytest.importorskip("timm")
    transformers = pytest.importorskip("transformers")
    assert {family.name.partition(", 518")[0] for family in FAMILIES} >= WANTED
    assert len({family.id for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        if family.source == "timm":
            assert timm.is_model(family.model.partition(",")[0]), family
        else:
            assert class_of(family) in dir(transformers), family
    assert {*COLUMNS} == {row.name for row in VARIANTS if "cpu" in row.devices}


def test_a_cell_is_counted_and_its_sentence_has_one_number():
    vit, deit = FAMILIES[0].id, FAMILIES[1].id
    lacks = {"state": "unavailable", "reason": "no <linear> layer"}
    cells = {
        vit: {"fp32": RUNS, "int8-dynamic": lacks, "bf16": {"state": "failed", "reason": "died"}},
        deit: {"int8-dynamic": lacks},
    }
    page = render({"versions": {"torch": "2"}, "cells": cells})
    whole = len(FAMILIES) * len(COLUMNS)
    assert f"Of {whole} cells: 1 runs, 2 unavailable, 1 FAILS, {whole - 4} not run yet." in page
    assert page.count("| unavailable 1 |") == 2
    assert page.count("| FAILS 2 |") == 1
    assert page.endswith("1. no &lt;linear> layer\n2. died\n")


def test_results_are_added_to_and_lose_what_is_no_row(tmp_path):
    file, vit = tmp_path / "families.json", FAMILIES[0].id
    file.write_text(json.dumps({"versions": {}, "cells": {"gone": {"fp32": RUNS}}}))
    for name in ("int8-dynamic", "fp32"):
        add(file, vit, name, RUNS)
    data = read(file)
    assert data["cells"] == {vit: {"fp32": RUNS, "int8-dynamic": RUNS}}
    assert [*data["cells"][vit]] == ["fp32", "int8-dynamic"]
    assert [each.name for each in tmp_path.iterdir()] == ["families.json"]


def of(words, cells):
    return [*families.chosen(families.parsed(words), cells)]


def test_parts_make_the_whole_and_what_is_done_is_left_out():
    parts = [of([f"--part={k}/3"], {}) for k in (1, 2, 3)]
    assert sorted(cell for part in parts for cell in part) == sorted(of([], {}))
    assert len(of([], {})) == len(FAMILIES) * len(COLUMNS)
    vit = FAMILIES[0].id
    cells = {vit: {"fp32": RUNS, "bf16": {"state": "failed", "reason": "out of time"}}}
    words = [f"--family={vit}", "--variant=fp32", "--variant=b*"]
    assert of(words, cells) == []
    assert [name for _, name in of(words, {})] == ["fp32", "bf16"]
    assert [name for _, name in of([*words, "--again=failed"], cells)] == ["bf16"]
    assert [name for _, name in of([*words, "--again=*time"], cells)] == ["bf16"]


def test_a_column_whose_package_is_missing_is_left_out(monkeypatch, capsys):
    lacking = {"ort-fp32": "onnxruntime is not installed"}
    monkeypatch.setattr(families, "declared", lambda row: lacking.get(row.name))
    cells = [(FAMILIES[0], "fp32"), (FAMILIES[0], "ort-fp32")]
    assert [*families.installed(cells)] == cells[:1]
    assert capsys.readouterr().out == "left out: onnxruntime is not installed\n"


@pytest.mark.parametrize("part", ["0/2", "3/2", "2", "a/b"])
def test_a_part_that_there_is_not_is_refused(part, capsys):
    with pytest.raises(SystemExit):
        families.parsed([f"--part={part}"])
    assert f"{part}: give K/N, such as 1/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--family=nosuch", "--family=nosuch: no row of the tables is called so"),
        ("--variant=int8-dynamc", "no column is called so: nearest: int8-dynamic"),
        ("--out=x.md", "--out=x.md: give a file NAME.json: the page is NAME.md beside it"),
    ],
)
def test_what_names_nothing_and_a_file_that_the_page_would_overwrite_are_refused(
    words, sentence, capsys
):
    with pytest.raises(SystemExit):
        families.parsed([words])
    assert sentence in capsys.readouterr().err
    assert families.parsed(["--family=timm:vit*", "--variant=int8*", "--out=x.json"])


@pytest.mark.parametrize(
    ("code", "limits", "kept"),
    [
        ("import time; time.sleep(60)", (0.1, None), False),
        ("import time; time.sleep(60)", (60.0, 1), False),
        ("import os; os.kill(os.getpid(), 9)", (60.0, None), False),
        ("import os; os.kill(os.getpid(), 11)", (60.0, None), True),
    ],
)
def test_a_cell_that_time_or_memory_ends_is_not_kept_and_a_crash_is(code, limits, kept):
    """The sentences are those of the process that runs a cell."""
    seconds, memory = limits
    with pytest.raises((WorkerFailed, Unavailable)) as error:
        ask({}, seconds, [sys.executable, "-c", code], name="the cell", memory_bytes=memory)
    for state in ("failed", "unavailable"):
        assert families.kept({"state": state, "reason": str(error.value)}) == kept
    assert families.kept(RUNS)


@pytest.mark.thorough
def test_a_cell_is_run_once_and_one_that_is_stopped_is_named_and_not_kept(tmp_path, capsys):
    out, family = tmp_path / "families.json", "transformers:convnext"
    words = [f"--out={out}", f"--cache={tmp_path / 'cache'}", f"--family={family}", "--threads=1"]
    assert families.main([*words, "--variant=int8-dynamic"]) == 0
    assert families.main([*words, "--variant=int8-dynamic"]) == 0
    assert capsys.readouterr().out == f"1/1 {family} int8-dynamic: runs\n"
    assert families.main([*words, "--variant=scripted", "--build-seconds=0.01"]) == 0
    assert "no answer in 0.01 s (--build-seconds)" in capsys.readouterr().out
    cells = read(out)["cells"][family]
    assert cells["int8-dynamic"]["relative_error_b8"] < 1
    assert "scripted" not in cells
    assert out.with_suffix(".md").read_text(encoding="utf-8") == render(read(out))
