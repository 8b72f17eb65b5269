"""The end of a pytest run with --against, without a run: no green where nothing was compared."""

from types import SimpleNamespace

import pytest

from vitbench.errors import UserError
from vitbench.judge.verdict import Verdict
from vitbench.plugin import against, page
from vitbench.plugin.options import EXIT_INCONCLUSIVE

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


def end(*verdicts, status=OK, name="main", failed=0, collectonly=False, inconclusive="fail"):
    """The exit status of a run that would end with `status`."""
    option = SimpleNamespace(
        vitbench_against=name,
        vitbench_markdown=None,
        vitbench_inconclusive=inconclusive,
        collectonly=collectonly,
    )
    config = SimpleNamespace(option=option, stash=pytest.Stash())
    if verdicts:
        config.stash[against.DUET_VERDICTS] = {v.case: v for v in verdicts}
    session = SimpleNamespace(config=config, exitstatus=status, testsfailed=failed)
    hook = against.pytest_sessionfinish(session)
    next(hook)
    with pytest.raises(StopIteration):
        next(hook)
    return session.exitstatus


def verdict(state, **figures):
    return Verdict(f"m/{state}/cpu/b1", state, "why", figures=figures)


@pytest.mark.parametrize(
    "verdicts",
    [
        [],  # no test of latency ran, or --benchmark-disable skipped them
        [verdict("INCOMPARABLE")],
        [verdict("NEW"), verdict("INCOMPARABLE")],
        # With --inconclusive=pass these are skips:
        [verdict("MISSING")],
        [verdict("INCONCLUSIVE", blocks=0), verdict("NEW")],
    ],
)
def test_where_nothing_was_compared_a_run_is_not_green(verdicts):
    assert end(*verdicts) == EXIT_INCONCLUSIVE
    assert end(*verdicts, status=FAILED, failed=len(verdicts) + 1) == FAILED


def test_what_was_compared_keeps_its_exit_code():
    assert end(verdict("SAME"), verdict("NEW")) == OK
    assert end(verdict("FASTER")) == OK
    assert end(verdict("INCONCLUSIVE", blocks=3)) == OK, "of --inconclusive=pass"
    assert end(verdict("INCONCLUSIVE", blocks=3), status=FAILED, failed=1) == EXIT_INCONCLUSIVE
    assert end(verdict("SLOWER"), verdict("MISSING"), status=FAILED, failed=2) == FAILED


def test_a_case_that_head_has_lost_is_no_test_and_still_fails_the_run():
    lost = verdict("MISSING", lost=True)
    assert end(verdict("SAME"), lost) == EXIT_INCONCLUSIVE
    assert end(verdict("SAME"), lost, inconclusive="pass") == OK
    undecided = verdict("INCONCLUSIVE", blocks=3)
    assert end(undecided, lost, status=FAILED, failed=1) == EXIT_INCONCLUSIVE
    assert end(verdict("SLOWER"), lost, status=FAILED, failed=1) == FAILED


def test_a_run_without_a_duet_and_a_list_of_tests_are_left_alone():
    assert end(name=None) == OK
    assert end(collectonly=True) == OK


def paged(folder, name="page.md", against="main"):
    option = SimpleNamespace(
        vitbench_against=against, vitbench_markdown=name, vitbench_inconclusive="fail"
    )
    return SimpleNamespace(option=option, invocation_params=SimpleNamespace(dir=folder))


KNOWN = {"head": "this checkout", "base": "main (abc)", "notes": ["a note"]}


def test_the_page_of_an_earlier_run_is_not_taken_for_this_one(tmp_path):
    file, config = tmp_path / "page.md", paged(tmp_path)
    file.write_text("**PASSED**")
    page.prepare(config)
    assert file.read_text().startswith("**NOTHING WAS COMPARED: the run ended before its verdicts")
    assert page.write_page(config, [], None) == "", "no duet was played"
    assert "the run ended before its verdicts" in file.read_text()
    page.tell_end(config, UserError("no module <a>, see @me"))
    assert file.read_text() == (
        "**NOTHING WAS COMPARED: the run ended before its verdicts**: no module &lt;a&gt;, see "
        "@\u200bme\n"
    )
    assert page.write_page(config, [verdict("SLOWER", blocks=4, tolerance=0.03)], KNOWN) == ""
    first, *_, last = file.read_text().splitlines()
    assert first == (
        "**FAILED: this checkout against main (abc)** (1 case: 1 SLOWER; 4 blocks a case, "
        "tolerance 3.0%)"
    )
    assert last == "- a note"
    page.tell_end(config, UserError("too late"))
    assert "too late" not in file.read_text(), "verdicts stay"


def test_a_page_that_cannot_be_written_or_is_of_no_duet(tmp_path):
    with pytest.raises(pytest.UsageError, match="it is the page of a duet: add --against=REV"):
        page.prepare(paged(tmp_path, against=None))
    (tmp_path / "page.md").mkdir()
    with pytest.raises(pytest.UsageError, match=r"--markdown: .*page\.md"):
        page.prepare(paged(tmp_path))
    assert page.write_page(paged(tmp_path), [], KNOWN).startswith("--markdown: ")
