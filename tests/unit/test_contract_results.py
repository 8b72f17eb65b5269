"""The contracts of a project: parsing, and judging them over reports written by hand."""

import pytest

from tests.helpers.reports import benchmark_of
from tests.unit.test_gate import FP32, INT8, TINY, run, timed
from vitbench.errors import UserError
from vitbench.judge.contract_results import TO_INSTALL, judge_contracts, unjudged_words
from vitbench.judge.contracts import read_contracts, tolerances, unused_tolerances
from vitbench.runtimes.base import Variant
from vitbench.runtimes.catalogue import catalogue_of, declared
from vitbench.runtimes.limits import INT8 as LIMITS

OPENVINO = f"{TINY}/openvino-int8/cpu/b1"
HEAD = '[project]\nname = "x"\n\n[tool.vitbench.contracts]\n'


@pytest.fixture
def contracts(tmp_path):
    def parse(text, head=HEAD):
        path = tmp_path / "pyproject.toml"
        path.write_text(head + text)
        return read_contracts(path)

    return parse


def judged(contracts, report):
    return judge_contracts(contracts, report, catalogue_of().device_kinds())


def states(contracts, report):
    return [each.state for each in judged(contracts, report)]


def test_what_a_contract_may_be_about(contracts):
    found = contracts(
        '"*/int8*" = ["agreement >= 96 %", "speedup >= 1.3x", "size <= 30 MB",\n'
        '  "peak_memory<=0.3 GB", "first_inference <= 1500 ms", "tolerance = 5%"]\n'
    )
    assert [(each.kind, each.value) for each in found] == [
        ("agreement", pytest.approx(0.96)), ("speedup", 1.3), ("size", 30e6),
        ("peak_memory", pytest.approx(300e6)), ("first_inference", 1.5),
        ("tolerance", pytest.approx(0.05)),
    ]  # fmt: skip
    assert [each.place.rpartition(":")[2] for each in found] == ["5"] * 3 + ["6"] * 3


def test_no_table_is_no_contract(contracts):
    assert contracts("", head="[tool.ruff]\nline-length = 100\n") == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            '"*" = ["speed >= 1"]',
            5,
            "there is no contract on 'speed'; choose from speedup, agreement",
        ),
        ('"*" = ["size <= 1 MB"]\n"a*" = [\n"size > 1 MB"]', 7, "size needs <=, not >"),
        ('"*" = ["size <= 30"]', 5, "the unit of size is kB or MB or GB"),
        ('"*" = ["agreement >= 0.9 MB"]', 5, "the unit of agreement is no unit or %, not 'MB'"),
        ('"*" = ["agreement >= 1.2"]', 5, "agreement should be a number above 0 and at most 1"),
        ('"*" = ["agreement >= -0.1"]', 5, "agreement should be a number above 0"),
        ('"*" = ["speedup >= 0"]', 5, "speedup should be a number above 0"),
        ('"*" = ["size <= 1.2.3 MB"]', 5, "size should be a number"),
        ('"*" = ["fast"]', 5, "'fast' is not a contract"),
        ('"*" = ["speedup >= 1", "speedup >= 2"]', 5, "'*' has two contracts on speedup"),
        ('"*" = "speedup >= 1"', 5, "should be a list of strings"),
        ('"*" = [1]', 5, "should be a list of strings"),
        ('"*/[int8/b1" = []', 5, "is not a glob for case ids"),
        ('"" = []', 5, "is not a glob for case ids"),
        ('"*" = []', 5, "has no contract"),
        ("[tool.vitbench]\nspeed = 1", 6, "has no key 'speed'"),
    ],
)
def test_what_cannot_be_meant_names_its_line(contracts, text, line, words):
    with pytest.raises(UserError) as caught:
        contracts(text)
    assert f"pyproject.toml:{line}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_is_no_toml_or_not_there(contracts, tmp_path):
    with pytest.raises(UserError, match=r"not a TOML file: .*line 5"):
        contracts("'*' = ]")
    with pytest.raises(UserError, match=r"pyproject.toml:1: tool.vitbench.contracts should be"):
        contracts(
            "",
            head="[tool.vitbench]\ncontracts = 3\n".replace("[tool.vitbench]\n", "tool.vitbench."),
        )
    with pytest.raises(UserError, match="cannot read the contracts: No such file"):
        read_contracts(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("clause", "changes", "state"),
    [
        ("agreement >= 0.96", {"lower": 0.97}, "KEPT"),
        ("agreement >= 0.96", {"lower": 0.93, "upper": 0.99}, "UNPROVEN"),
        ("agreement >= 0.96", {"lower": 0.93, "upper": 0.95}, "BROKEN"),
        ("agreement >= 0.5", {"claimed": False}, "UNPROVEN"),
        ("agreement >= 1", {"lower": 1.0, "upper": 1.0}, "KEPT"),  # the reference
        ("agreement >= 1", {"lower": 0.999, "upper": 1.0}, "UNPROVEN"),
        ("speedup >= 1.8", {}, "KEPT"),
        ("speedup >= 1.95", {}, "UNPROVEN"),  # within the spread between processes
        ("speedup >= 2.2", {}, "BROKEN"),
        ("speedup >= 1.9", {"error": None}, "UNPROVEN"),
        ("size <= 6.5 MB", {}, "KEPT"),
        ("size <= 6.4 MB", {}, "BROKEN"),
        ("peak_memory <= 612 MB", {}, "KEPT"),
        ("peak_memory <= 500 MiB", {}, "BROKEN"),
        ("first_inference <= 120 ms", {}, "KEPT"),  # 80 ms, uncertain by a factor of 1.39
        ("first_inference <= 100 ms", {}, "UNPROVEN"),
        ("first_inference <= 0.05 s", {}, "BROKEN"),
    ],
)
def test_one_contract_over_one_case(contracts, clause, changes, state):
    report = run(timed(**changes), benchmark_of(INT8, "footprint"))
    (found,) = judged(contracts(f'"*/int8*" = ["{clause}"]'), report)
    assert (found.state, found.case) == (state, f"{INT8} ({clause.split()[0]})")
    assert found.sentence.startswith(f"{clause}: ")


def test_what_the_report_does_not_hold_is_unproven(contracts):
    found = contracts('"*" = ["first_inference <= 1 s", "peak_memory <= 1 GB", "size <= 9 MB"]')
    assert states(found, run(timed())) == ["UNPROVEN", "UNPROVEN", "KEPT"]
    found = contracts('"*" = ["speedup >= 1", "agreement >= 0.9"]')
    assert states(found, run(benchmark_of(INT8, "footprint"))) == ["UNPROVEN", "UNPROVEN"]


def test_failed_and_unavailable_cases(contracts):
    found = contracts('"*" = ["size <= 9 MB"]')
    report = run(timed(), failed={FP32: "no"}, unavailable={OPENVINO: "no bfloat16 here"})
    assert states(found, report) == ["KEPT", "BROKEN", "UNPROVEN"]


def test_a_runtime_that_is_not_installed_breaks_its_contract(contracts):
    reasons = [
        declared(Variant("x", "eager", "int8", LIMITS, "x", requires=(each,)))
        for each in ("no-such-package>=1", "numpy>=999")
    ]
    assert all(any(sign in reason for sign in TO_INSTALL) for reason in reasons)
    reason = reasons[0]
    found = judged(
        contracts('"*" = ["size <= 9 MB"]'), run(timed(), unavailable={OPENVINO: reason})
    )
    assert [each.state for each in found] == ["KEPT", "BROKEN"]
    assert "pip install" in found[1].sentence


CUDA, OTHER, LEFT_OUT, BATCH = (
    f'"{glob}" = ["speedup >= 1.3"]\n'
    for glob in ("*/fp16/*", "yours/int8-dynamic/cpu/b1", "*/scripted/cpu/b1", "*/fp32/cpu/b16")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CUDA, "not for this machine: the devices of the report are cpu"),
        (
            OTHER,
            f"not for this run: the models of the report are {TINY} (no known name is similar)",
        ),
        (
            OTHER.replace("yours", TINY[:-1]),
            f"the models of the report are {TINY} (nearest: {TINY})",
        ),
        (BATCH, "not for this run: the batches of the report are 1"),
        (LEFT_OUT, f"not in this run's selection: 1 case such as {TINY}/scripted/cpu/b1"),
    ],
)
def test_a_contract_that_is_for_no_case_of_the_run_says_why(contracts, text, words):
    report = run(timed(), unavailable={f"{TINY}/fp16/cpu/b1": "made for a CUDA device"})
    results, unjudged = judged(contracts('"*int8-dynamic/*" = ["speedup >= 1"]\n' + text), report)
    assert (results.state, unjudged.state) == ("KEPT", "UNJUDGED")
    assert unjudged.case.endswith(" (speedup)")
    assert words in unjudged.sentence
    # Alone it is a run that has shown nothing.
    alone = judged(contracts(text), report)
    assert [each.state for each in alone] == ["UNJUDGED", "BROKEN"]
    assert alone[1].sentence.startswith("none of 1 contract was judged: 1 contract: not ")


def test_a_selected_run_may_leave_contracts_out_but_says_so(contracts):
    selected = run(timed(), selected=["-k int8"])
    found = contracts('"*/*/cpu/b1" = ["size <= 9 MB", "first_inference <= 1 s"]\n' + OTHER)
    assert [(each.state, each.why) for each in judged(found, selected)] == [
        ("KEPT", ""),
        ("UNJUDGED", "not in this run's selection"),  # its other variants
        ("UNJUDGED", "not in this run's selection"),  # it has no footprint
        ("UNJUDGED", "not in this run's selection"),
        ("UNJUDGED", "not for this run"),
    ]
    assert unjudged_words(judged(found, selected)) == [
        "1 contract: not for this run", "3 contracts: not in this run's selection"
    ]  # fmt: skip
    assert states(contracts(LEFT_OUT), selected) == ["UNJUDGED", "UNJUDGED"]
    assert states(contracts(CUDA), selected) == ["UNJUDGED", "BROKEN"]  # nothing for this machine


def test_a_run_that_ended_early_has_left_cases_out(contracts):
    (results, left) = judged(
        contracts('"*/*/cpu/b1" = ["size <= 9 MB"]'), run(timed(), complete=False)
    )
    assert (results.state, left.state) == ("KEPT", "UNJUDGED")
    assert "the run ended before" in left.sentence


def test_cuda_is_a_device_of_this_machine_where_it_has_one(contracts):
    report = run(timed(), machine={"gpus": [{"name": "H100"}]}, selected=["--device=cpu"])
    assert "not in this run's selection" in judged(contracts(CUDA), report)[0].sentence


def test_a_placeholder_of_another_device_is_no_case_of_the_cpu(contracts):
    report = run(timed(), unavailable={f"{TINY}/fp16/cpu/b1": "made for a CUDA device"})
    assert states(contracts('"*/*/cpu/b1" = ["size <= 9 MB"]'), report) == ["KEPT"]


def test_a_tolerance_alone_is_nothing_to_judge(contracts):
    assert states(contracts('"*/scripted/*" = ["tolerance = 5 %"]'), run(timed())) == ["UNJUDGED"]
    assert states(contracts('"*" = ["tolerance = 5 %"]'), run(timed())) == []


def test_a_tolerance_for_none_of_a_duets_cases_is_told(contracts):
    found = contracts('"*/scripted/*" = ["tolerance = 5 %"]\n"*" = ["tolerance = 4 %"]')
    assert unused_tolerances(found, [INT8]) == [
        "'*/scripted/*' (tolerance = 5 %) matches no case of this run"
    ]


def test_the_last_tolerance_that_matches_is_the_cases_own(contracts):
    found = contracts('"*" = ["tolerance = 0.2"]\n"*/int8*" = ["tolerance = 5 %"]\n')
    assert tolerances(found, INT8) == pytest.approx(0.05)
    assert tolerances(found, FP32) == 0.2
    assert tolerances((), FP32) is None
