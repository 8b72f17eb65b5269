"""What globs of contracts can match: errors for those that can match nothing, with what is near."""

from pathlib import Path

import pytest

from vitbench.case import Case
from vitbench.cli import duet as cli_duet
from vitbench.errors import UserError
from vitbench.judge.contracts import Contract
from vitbench.judge.globs import can_match, check_globs
from vitbench.project.project import project_at
from vitbench.runtimes.catalogue import catalogue_of

KINDS = catalogue_of().device_kinds()


def check(glob):
    check_globs(
        [Contract(glob, "speedup", 1.3, "speedup >= 1.3", "pyproject.toml:7")], KINDS, ["deit_tiny"]
    )


@pytest.mark.parametrize(
    "glob",
    [
        "*", "*/int8-dynamic/cpu/b1", "mine/int8-dynamic/cpu/b1", "*int8*", "*/fp16/*",
        "*/fp16/cuda:0/b1", "*/[f]p32/c*/b[18]", "m?ne*b32", "*/scripted*b1", "*/cpu/*", "*b12",
        "*[!0]", "*/tf32/cuda:11/b?", "*/int8-dynamic/*/b*", "*-qnnpack/cpu/*",
        "*tiny*int8*", "mine*", "*large*/fp32/*/*", "a.b_c-1/fp32/*",
    ],
)  # fmt: skip
def test_what_can_match_a_case_is_let_through(glob):
    check(glob)


@pytest.mark.parametrize(
    ("glob", "words"),
    [
        ("*/int8-dynamc/cpu/b1", "no variant: nearest: int8-dynamic, ort-int8-dynamic"),
        ("*/INT8-dynamic/cpu/b1", "no variant: nearest: int8-dynamic"),
        ("*/int8_dynamic*", "no variant: nearest: int8-dynamic"),
        ("*int4*", "no variant: no known name is similar; `vitbench list` shows all"),
        ("*/openvino-int4/cpu/b1", "no variant: nearest: openvino-int8"),
        ("*/int8-dynamic/gpu/b1", "no device: 'gpu' is none of cpu and cuda:N"),
        ("*/fp32/cuda/b1", "no device: 'cuda' is none of cpu and cuda:N, such as cuda:0"),
        ("*/fp32/CPU/b1", "no device: 'CPU' is none"),
        ("*/int8-dynamic/cuda:0/b1", "no case: int8-dynamic runs only on cpu"),
        ("*/fp16/cpu/b1", "no case: fp16 runs only on cuda"),
        ("*/int8-dynamic/cpu/1", "no case id: expected MODEL/VARIANT/DEVICE/bN"),
        ("*/int8-dynamic/cpu/b0", "no case id"),
        ("int8-dynamic/cpu/b1", "no case id"),
        ("int8-dynamic", "no case id"),
        ("*/fp32/cpu/b1/*", "no case id"),
    ],
)
def test_what_can_match_none_names_its_line_and_what_is_near(glob, words):
    with pytest.raises(UserError) as caught:
        check(glob)
    assert str(caught.value).startswith(f"pyproject.toml:7: {glob!r} matches no")
    assert words in str(caught.value)


def test_a_duet_checks_the_globs_and_names_tolerances_for_none_of_its_cases(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "tools").mkdir()
    monkeypatch.chdir(tmp_path / "tools")
    assert cli_duet._own(project_at(Path.cwd()), [Case("mine", "fp32", "cpu", 1)], KINDS) == {}
    text = '[tool.vitbench.contracts]\n"*/fp32/*" = ["tolerance = 5 %"]\n'
    text += '"*/scripted/*" = ["tolerance = 9 %"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert cli_duet._own(project_at(Path.cwd()), [Case("mine", "fp32", "cpu", 1)], KINDS) == {
        "mine/fp32/cpu/b1": 0.05
    }
    assert "'*/scripted/*' (tolerance = 9 %) matches no case" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text(text.replace("scripted", "scriptd"))
    with pytest.raises(UserError, match=r"pyproject.toml:3: .* matches no variant: nearest: scrip"):
        cli_duet._own(project_at(Path.cwd()), [Case("mine", "fp32", "cpu", 1)], KINDS)


def test_models_and_devices_of_a_run():
    assert can_match("*/fp32/*/b1", KINDS, ["mine"], ["cpu"])
    assert not can_match("yours/*", KINDS, ["mine"])
    assert not can_match("*/cuda:1/*", KINDS, None, ["cpu", "cuda:0"])
    # A star spans slashes: this one is for the variant `scripted` of any model, on any device.
    assert can_match("m*scripted*", KINDS, ["mine"], ["cpu"])
    assert not can_match("m*scripted*", {"fp32": ("cpu",)}, ["mine"], ["cpu"])


def test_an_option_that_names_no_variant_is_told_what_is_near():
    with pytest.raises(UserError, match=r"^--variant scriptd: no such variant: nearest: scripted,"):
        catalogue_of().select(["scriptd"], "fp32")
    with pytest.raises(UserError, match=r"^--reference fp33: no such variant: nearest: fp32"):
        catalogue_of().select([], "fp33")
    with pytest.raises(UserError, match=r"no known name is similar; `vitbench list` shows all$"):
        catalogue_of().select(["*xyz*"], "fp32")
