"""The end of a pytest run with --against, without a run: no green where nothing was compared."""

from types import SimpleNamespace

import pytest

from vitbench.judge.verdict import Verdict
from vitbench.plugin import against
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
