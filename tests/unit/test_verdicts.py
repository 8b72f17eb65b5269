"""The exporters, on hostile words."""

import json
from xml.etree import ElementTree

import pytest

from vitbench.judge.contract_results import ContractResult
from vitbench.judge.verdict import VERDICTS, Verdict
from vitbench.show.headline import headline
from vitbench.show.verdicts import (
    ACT_FIRST,
    annotations,
    counts,
    junit,
    markdown,
    verdicts_json,
    verdicts_text,
)

HOSTILE = "a|b `c` <img src=x> & *d* [e](http://f) www.h.org @g #1 \x1b[31m\x00 100%\r\n::error::x"


def every(sentence="why"):
    return [Verdict(f"m/{state}/cpu/b1", state, sentence) for state in VERDICTS]


def test_every_state_has_its_place():
    states = {*VERDICTS, "KEPT", "BROKEN", "UNPROVEN", "UNJUDGED"}
    assert set(ACT_FIRST) == states | {"SAME (identical)"}


def test_a_case_that_is_identical_is_said_so_everywhere():
    found = [
        Verdict("m/v/cpu/b1", "SAME", "nothing to time", figures={"identical": True}),
        Verdict("m/w/cpu/b1", "SAME", "timed"),
    ]
    lines = verdicts_text(found).splitlines()
    assert lines[0] == "SAME              m/w/cpu/b1: timed"
    assert lines[1] == "SAME (identical)  m/v/cpu/b1: nothing to time"
    assert lines[-1] == "2 cases: 1 SAME, 1 SAME (identical)"
    assert "| SAME (identical) | m/v/cpu/b1 |" in markdown(found)
    assert "SAME (identical): nothing to time" in junit(found)
    assert annotations(found) == []


def test_the_line_of_counts():
    found = [Verdict("a", "SAME", "")] * 4 + [Verdict("b", "SLOWER", "")]
    assert counts([*found, Verdict("c", "INCONCLUSIVE", "")]) == (
        "6 cases: 1 SLOWER, 1 INCONCLUSIVE, 4 SAME"
    )
    assert counts([]) == "0 cases: none"
    assert counts([ContractResult("a", "KEPT", "")], "contract") == "1 contract: 1 KEPT"


def test_text_has_what_to_act_on_first_and_no_control_characters():
    lines = verdicts_text(every(HOSTILE), ["a note\x1b"]).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["SLOWER", "DRIFTED", "LARGER"]
    assert lines[-2] == "note: a note "
    assert all(line.isprintable() for line in lines)


def test_markdown_is_safe_to_paste():
    page = markdown([Verdict(HOSTILE, "SLOWER", HOSTILE)], [HOSTILE])
    (row,) = [line for line in page.splitlines() if "SLOWER**" in line and "|" in line[:2]]
    assert row.replace("\\|", "").count("|") == 4
    for mark in ("<img", " `c`", " *d*", "[e](", "@g", "#1", "http://", "www.", "\x1b", "\x00"):
        assert mark not in page
    assert "&lt;img src=x&gt; &amp;" in page


def test_a_page_says_first_what_was_compared_the_outcome_and_the_evidence():
    found = [
        Verdict("a", "SLOWER", "w", figures={"blocks": 4, "images": 256, "tolerance": 0.03}),
        Verdict("b", "SAME", "w", figures={"blocks": 12, "images": 256, "tolerance": 0.1}),
        Verdict("c", "NEW", "w", figures={"structure": ["1 x bmm became 2 x bmm"]}),
    ]
    about = headline(1, "this checkout against main_2 (abc)", found)
    page = markdown(found, ["a note"], head=about).splitlines()
    assert page[0] == (
        "**FAILED: this checkout against main\\_2 (abc)** (3 cases: 1 SLOWER, 1 NEW, 1 SAME; "
        "4 to 12 blocks a case, 256 images a case, tolerance 3.0% to 10.0%)"
    )
    assert page[-6:] == [
        "What is executed differs:", "", "- c: 1 x bmm became 2 x bmm", "", "- a note",
        "- structure, what a call executes: 1 not the same",
    ]  # fmt: skip
    nothing = headline(2, "x", [Verdict("c", "NEW", "w")])
    assert markdown([], head=nothing).startswith("**NOTHING WAS COMPARED: x** (0 cases: none)\n")


def test_one_reason_of_all_cases_is_said_once():
    found = [Verdict(f"m/v{at}/cpu/b1", "INCOMPARABLE", "one commit") for at in range(37)]
    assert verdicts_text(found).splitlines() == [
        "INCOMPARABLE  all 37 cases: one commit", "37 cases: 37 INCOMPARABLE",
    ]  # fmt: skip
    assert markdown(found).count("one commit") == 1
    assert len(ElementTree.fromstring(junit(found))[0]) == 37
    other = [*found, Verdict("m/w/cpu/b1", "INCOMPARABLE", "no file")]
    assert verdicts_text(other).count("one commit") == 37, "which cases matters"
    assert "m/v0/cpu/b1" in verdicts_text(found[:1])


@pytest.mark.parametrize("fails", [True, False])
def test_junit_is_well_formed_and_counts(fails):
    root = ElementTree.fromstring(junit(every(HOSTILE), fails))
    (suite,) = root
    kinds = {case.get("name").split("/")[0]: [child.tag for child in case] for case in suite}
    untold = ["failure"] if fails else ["skipped"]
    assert kinds == {
        "SLOWER": ["failure"], "DRIFTED": ["failure"], "LARGER": ["failure"],
        "INCONCLUSIVE": untold, "MISSING": untold,
        "NEW": ["skipped"], "INCOMPARABLE": ["skipped"],
        "SAME": ["system-out"], "FASTER": ["system-out"],
    }  # fmt: skip
    assert suite.get("tests") == "9"
    assert (suite.get("failures"), suite.get("skipped")) == (("5", "2") if fails else ("3", "4"))


def test_annotations_escape_as_github_documents():
    (line,) = annotations([Verdict("a:b,c%", "SLOWER", "x%\r\n::error::y: z, w")])
    assert line == "::error title=SLOWER%3A a%3Ab%2Cc%25::x%25%0D%0A::error::y: z, w"
    kinds = [line.split()[0] for line in annotations(every(), inconclusive_fails=False)]
    assert kinds == ["::error", "::error", "::error", "::warning", "::warning"]
    assert annotations([Verdict("a", "SAME", "")]) == []


def test_json_holds_all():
    found = json.loads(verdicts_json([Verdict("a", "SLOWER", "b", 0.2, 0.1, 0.3)], ["n"]))
    assert found["verdicts"][0]["change"] == 0.2
    assert (found["counts"], found["notes"]) == ({"SLOWER": 1}, ["n"])


def test_the_lines_of_a_structure_stand_beside_every_verdict():
    found = [
        Verdict(f"m/{state}/cpu/b1", state, "why", figures={"structure": [HOSTILE, "second"]})
        for state in VERDICTS
    ]
    same = Verdict("m/quiet/cpu/b1", "SAME", "why", figures={"structure": []})
    not_counted = Verdict("m/old/cpu/b1", "SAME", "why", figures={"structure": ["not compared: x"]})
    lines = verdicts_text([*found, same, not_counted]).splitlines()
    assert sum(line.strip() == "structure: second" for line in lines) == len(VERDICTS)
    assert all(line.isprintable() for line in lines)
    told = "structure, what a call executes: 1 the same, 9 not the same, 1 not compared"
    assert lines[-2] == told
    page = markdown([*found, same])
    assert page.count("cpu/b1: second") == len(VERDICTS)
    assert "<img" not in page
    cases = ElementTree.fromstring(junit(found)).iter("testcase")
    assert all("\nstructure: second" in "".join(case.itertext()) for case in cases)
    marks = annotations([*found, same])
    assert [line.split()[0] for line in marks].count("::notice") == 4
    assert sum(line.endswith("%0Astructure: second") for line in marks) == len(VERDICTS)
    assert json.loads(verdicts_json(found))["verdicts"][0]["figures"]["structure"][1] == "second"
    assert "structure" not in verdicts_text(every())
