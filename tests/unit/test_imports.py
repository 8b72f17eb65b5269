"""Figures of other tools on their way in: each is read, or named with the reason why not."""

import json
import math
import os

import pytest

from tests.unit.test_hardware import EPYC, info, plain
from tests.unit.test_left_out import ENCODINGS
from tests.unit.test_store import own_cache  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends

TIMM = "model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size\n"
ROW = {"model": "vit_base", "infer_step_time": 10.0, "infer_batch_size": 1, "infer_img_size": 224}


@pytest.mark.parametrize(
    "text", [TIMM + "vit_base,100,10.0,1,224\n", json.dumps([ROW]), json.dumps(ROW)]
)
def test_old_figures_of_timm_are_kept(tmp_path, capsys, text):
    (tmp_path / "old").write_text(text)
    folder = tmp_path / "r"
    folder.mkdir()
    bring = ["history", "import", str(tmp_path / "old"), f"--into={folder}"]
    assert main(bring) == 0
    assert main(["history", "export", "--format=csv", str(folder)]) == 0
    assert ",timm/vit_base/b1/224px,,0.01," in capsys.readouterr().out
    assert main(bring) == 4
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[1]", "a,b\n1,2\n", "model\nx\n", "null"])
def test_what_is_no_figure_is_not_imported(tmp_path, capsys, text):
    (tmp_path / "x.json").write_text(text)
    assert main(["history", "import", str(tmp_path / "x.json"), f"--into={tmp_path}"]) == 4
    assert "x.json: neither" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"), [("", "it is empty"), ("model,infer_step_time\n", "it has no rows")]
)
def test_a_file_without_rows_is_refused_for_that(tmp_path, capsys, text, why):
    (tmp_path / "x.csv").write_text(text)
    assert main(["history", "import", str(tmp_path / "x.csv"), f"--into={tmp_path}"]) == 4
    assert capsys.readouterr().err.endswith(f"; {why}\n")


HEAD = "model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,error"
GOOD, OTHER = "vit_base,1128.3,113.443,128,224,", "deit_tiny,5210.4,24.566,128,224,"
NAME = "timm/vit_base/b128/224px"


@pytest.fixture
def place(tmp_path, capsys):
    """Imports texts, by name of their file, into a history; gives figures by case and the words."""

    def bring(files, encode=str.encode, code=0):
        for name, text in files.items():
            path = tmp_path / "old" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(text))
            os.utime(path, (1740830400, 1740830400))  # noon of 2025-03-01
        folder = tmp_path / "r"
        folder.mkdir(exist_ok=True)
        olds = [str(tmp_path / "old" / name) for name in files]
        assert main(["history", "import", *olds, f"--into={folder}"]) == code
        told = capsys.readouterr()
        found = trends(load(folder)) if code == 0 else []
        figures = {
            (each.machine, each.case): round(1e3 * math.exp(each.values[-1]), 3) for each in found
        }
        return figures, told.err + told.out

    return bring


def test_two_gpus_are_two_machines_named_by_their_files(place):
    files = {f"timm_rtx{n}.csv": f"{HEAD}\nvit_base,,{n}.5,128,224,\n" for n in (3090, 4090)}
    figures, told = place(files)
    assert figures == {("timm_rtx3090", NAME): 3090.5, ("timm_rtx4090", NAME): 4090.5}
    assert "None cores" not in told


def test_rows_that_failed_in_timm_are_counted_and_named(place):
    bad = ["giant,,,,,CUDA out of memory", "swin,,inf,64,384,CUDA out\tof memory"]
    figures, told = place({"a.csv": "\n".join([HEAD, GOOD, *bad])})
    assert figures == {("a", NAME): 113.443}
    words = "giant (CUDA out of memory), swin (CUDA out of memory)"
    assert f"a.json: left out: 2 of 3 rows failed in timm: {words}" in told
    assert "wrote " in told
    assert "a.json (machine a, on 2025-03-01: of the file's name and date)" in told
    assert ": 1 figure\n" in told


def test_where_all_rows_failed_nothing_is_written(place, tmp_path):
    _, told = place({"a.csv": f"{HEAD}\ngiant,,,,,no memory"}, code=4)
    assert "a.csv: it has no time to import: 1 of 1 row failed in timm: giant (no memory)" in told
    _, told = place({"b.json": json.dumps({"model": "x", "error": "no memory"})}, code=4)
    assert "x (no memory)" in told
    assert not (tmp_path / "r" / "imported").exists()


@pytest.mark.parametrize("time", ["", "nan", "inf", "-inf", "0", "-3", "fast", "1e400"])
def test_a_row_without_a_time_is_counted_and_named(place, time):
    figures, told = place({"a.csv": f"{HEAD}\n{GOOD}\nvit_x,12,{time},64,384,\n,1,2,3,4,\n"})
    assert set(figures) == {("a", NAME)}
    assert "1 of 3 rows without a time: vit_x" in told
    assert "1 of 3 rows without a model" in told


def test_a_model_that_is_there_twice_is_left_out(place):
    figures, told = place({"a.csv": "\n".join([HEAD, GOOD, OTHER, GOOD.replace("113", "11")])})
    assert set(figures) == {("a", "timm/deit_tiny/b128/224px")}
    assert f"there more than once, and nothing says which one counts: {NAME}" in told
    # At another size it is another case.
    figures, _ = place({"b.csv": "\n".join([HEAD, GOOD, GOOD.replace("224", "384")])})
    assert len([case for machine, case in figures if machine == "b"]) == 2


def test_training_is_a_case_of_its_own(place):
    head = "model,infer_step_time,infer_batch_size,train_step_time,train_batch_size,train_img_size"
    figures, _ = place({"a.csv": f"{head}\nvit,10,1,30.5,8,224\n", "b.csv": (
        "model,train_step_time,train_batch_size\nvit,30.5,8\n")})  # fmt: skip
    assert figures == {
        ("a", "timm/vit/b1"): 10.0, ("a", "timm/train/vit/b8/224px"): 30.5,
        ("b", "timm/train/vit/b8"): 30.5,
    }  # fmt: skip


RESULT = {"model": "vit_base", "infer_step_time": 113.443, "infer_batch_size": 128,
          "infer_img_size": 224}  # fmt: skip
PRINTED = "--result\n" + json.dumps(RESULT, indent=4) + "\n"
TEXTS = {
    "one.txt": PRINTED,
    "list.txt": "--result\n" + json.dumps([RESULT, {"model": "x", "error": "no"}], indent=4),
    "log.txt": "INFO: Running inference benchmark\n" + PRINTED,
    "twice.txt": PRINTED + PRINTED.replace("vit_base", "other").replace("113.443", "1"),
    "semicolons.csv": "model;infer_step_time;infer_batch_size;infer_img_size\n"
                      "vit_base;113,443;128;224\n",
    "thousands.csv": "model;infer_step_time;infer_batch_size;infer_img_size\n"
                     "vit_base;\"0.113,443\";128;224\n",
    "tabs.csv": "model\tinfer_step_time\tinfer_batch_size\tinfer_img_size\n"
                "vit_base\t113.443\t128\t224\n",
    "spaces.csv": "\nmodel, infer_step_time, infer_batch_size, infer_img_size\n"
                  "vit_base, 113.443, 128, 224\n\n",
    "lines.json": json.dumps([RESULT]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "encoding"),
    [*((name, "crlf") for name in TEXTS), *(("one.txt", each) for each in ENCODINGS),
     *(("semicolons.csv", each) for each in ENCODINGS)],
)  # fmt: skip
def test_whatever_timm_or_a_spreadsheet_writes_is_read(place, name, encoding):
    figures, told = place({name: TEXTS[name]}, ENCODINGS[encoding])
    assert figures[name.split(".")[0], NAME] == 113.443
    assert ("1 of 2 rows failed in timm: x (no)" in told) == (name == "list.txt")


def test_what_follows_the_mark_and_is_no_json_is_named(place):
    figures, told = place({"a.txt": PRINTED + '--result\n{"model": \n'})
    assert len(figures) == 1
    assert "a.json: left out: what follows a line --result is not JSON" in told
    _, told = place({"b.txt": "--result\n{"}, code=4)
    assert "b.txt: neither" in told
    assert "is not JSON" in told


@pytest.mark.parametrize("data", [b"\xff\xfem\x00o", b"\xfe\xff\x00m\x00", b"mod\xe9l,a\n1,2\n"])
def test_what_is_no_text_is_refused_with_its_name_and_the_cause(tmp_path, capsys, data):
    (tmp_path / "x.csv").write_bytes(data[:5])
    assert main(["history", "import", str(tmp_path / "x.csv"), f"--into={tmp_path}"]) == 4
    told = capsys.readouterr().err
    assert "x.csv: not a table of figures: not UTF-" in told
    assert ("PowerShell" in told) == (data[0] > 0xF0)
    assert main(["history", "import", str(tmp_path / "none.csv"), f"--into={tmp_path}"]) == 4
    assert "none.csv: cannot read it" in capsys.readouterr().err


def test_files_of_one_name_are_told_apart_by_their_folder(place, tmp_path):
    texts = [f"{HEAD}\n{GOOD}\n"] * 2
    figures, _ = place(dict(zip(("rtx3090/bench.csv", "rtx4090/bench.csv"), texts, strict=True)))
    assert set(figures) == {("rtx3090/bench", NAME), ("rtx4090/bench", NAME)}
    # One after the other too; the first keeps its name.
    place({"a/x.csv": texts[0]})
    figures, _ = place({"b/x.csv": texts[0]})
    assert {("x", NAME), ("b/x", NAME)} <= set(figures)
    assert (tmp_path / "r/imported/b-x.json").exists()


def test_a_file_is_not_imported_twice_and_nothing_is_written_where_one_is_refused(place, tmp_path):
    place({"a/x.csv": f"{HEAD}\n{GOOD}\n"})
    _, told = place({"new.csv": f"{HEAD}\n{GOOD}\n", "a/x.csv": f"{HEAD}\n{GOOD}\n"}, code=4)
    assert "x.json exists: remove it, or rename the file" in told
    assert sorted(os.listdir(tmp_path / "r/imported")) == ["x.json"]
    # Measured again, it is another one, once.
    figures, _ = place({"a/x.csv": f"{HEAD}\n{OTHER}\n"})
    assert set(figures) == {("x", NAME), ("a/x", "timm/deit_tiny/b128/224px")}
    place({"a/x.csv": f"{HEAD}\n{GOOD}\n{OTHER}\n"}, code=4)


def test_files_of_pytest_benchmark_keep_their_machine(place):
    text = json.dumps(plain(info(EPYC), 0.25))
    figures, _ = place({"a/x.json": text, "b/x.json": text.replace("0.25", "0.5")})
    assert figures == {("AMD EPYC 7763, 4 cores", "t.py::test_a"): 500.0}
