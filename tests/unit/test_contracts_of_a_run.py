"""The end of a pytest run with contracts, without a run."""

from types import SimpleNamespace

import pytest

from tests.unit.test_gate import INT8, TINY, run, timed
from vitbench.plugin import contracts as plugin
from vitbench.plugin.options import EXIT_INCONCLUSIVE
from vitbench.plugin.recording import RECORDER


@pytest.fixture
def finish(tmp_path):
    """Ends a run of one case under contracts; returns the exit status and what was printed."""

    def end(contracts, report=None, worker=False, status=pytest.ExitCode.OK, **options):
        (tmp_path / "pyproject.toml").write_text(f"[tool.vitbench.contracts]\n{contracts}\n")
        option = {
            "vitbench_against": None,
            "collectonly": False,
            "vitbench_inconclusive": "fail",
            "vitbench_model": [],
            "vitbench_endpoint": [],
            **options,
        }
        config = SimpleNamespace(
            stash=pytest.Stash(),
            rootpath=tmp_path,
            option=SimpleNamespace(**option),
            getini=lambda _: [],
            invocation_params=SimpleNamespace(dir=tmp_path),
        )
        if worker:
            config.workerinput = {}
        report = run(timed()) if report is None else report
        config.stash[RECORDER] = SimpleNamespace(
            report=lambda: report,
            has_cases=lambda: bool(report["benchmarks"] or report["vitbench"]["unavailable"]),
            duet_cases=lambda: [INT8],
        )
        mark = pytest.mark.measures("latency", batches=(1,)).mark
        item = SimpleNamespace(iter_markers=lambda _: [mark])
        session, lines = SimpleNamespace(config=config, exitstatus=status, items=[item]), []
        plugin.pytest_configure(config)
        plugin.pytest_sessionfinish(session)
        summary = plugin.pytest_terminal_summary(SimpleNamespace(write_line=lines.append), config)
        next(summary)
        assert lines == []  # all other tables come first
        with pytest.raises(StopIteration):
            next(summary)
        return session.exitstatus, "\n".join(lines)

    return end


def test_a_broken_contract_fails_the_run_and_is_printed(finish):
    status, told = finish('"*" = ["speedup >= 3"]')
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "contracts of pyproject.toml:\nBROKEN" in told
    assert finish('"*" = ["speedup >= 3"]', status=pytest.ExitCode.INTERRUPTED)[0] == 2


def test_what_is_kept_passes(finish):
    status, told = finish('"*" = ["speedup >= 1.5", "size <= 9 MB"]')
    assert status == pytest.ExitCode.OK
    assert told.endswith("2 contracts: 2 KEPT")


def test_what_is_not_proven_has_its_own_exit_code(finish):
    contracts = '"*" = ["speedup >= 1.5", "peak_memory <= 9 MB"]'
    status, told = finish(contracts)
    assert status == EXIT_INCONCLUSIVE == 6
    assert "2 contracts: 1 UNPROVEN, 1 KEPT" in told
    assert "UNPROVEN fails the run (exit code 6) unless --inconclusive=pass" in told
    status, told = finish(contracts, vitbench_inconclusive="pass")
    assert (status, "exit code" in told) == (pytest.ExitCode.OK, False)
    failed = pytest.ExitCode.TESTS_FAILED
    assert finish(contracts, status=failed)[0] == failed


def test_a_run_that_judges_none_fails_unless_it_was_selected(finish):
    contracts = '"*/scripted/*" = ["speedup >= 3"]'
    status, told = finish(contracts)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "BROKEN    contracts: none of 1 contract was judged" in told
    status, told = finish(contracts, run(timed(), selected=["-k int8"]))
    assert status == pytest.ExitCode.OK
    assert "1 contract: not in this run's selection" in told


def test_cases_that_are_all_unavailable_are_judged_without_a_row(finish):
    lacking = "openvino is not installed (pip install x)"
    nothing = run(unavailable={f"{TINY}/openvino-int8/cpu/b1": lacking})
    status, told = finish('"*/openvino-int8/*" = ["speedup >= 3"]', nothing)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert lacking in told


def test_where_nothing_was_timed_it_is_told(finish):
    contracts = '"*" = ["speedup >= 3"]\n"*/scripted/*" = ["tolerance = 5 %"]'
    status, told = finish(contracts, run())
    assert (status, "none of them was judged: nothing was timed" in told) == (0, True)
    status, told = finish(contracts, vitbench_against="main")
    assert (status, "a duet reads only their tolerances" in told) == (0, True)
    assert "'*/scripted/*' (tolerance = 5 %) matches no case" in told
    assert finish(contracts, collectonly=True) == (0, "")
    assert finish('"*" = ["speedup >= 3"]', worker=True) == (0, "")


def test_verdicts_are_annotations_on_github(finish, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::error title=BROKEN" in finish('"*" = ["speedup >= 3"]')[1]


def test_a_glob_that_matches_no_case_there_can_be_is_a_usage_error(finish):
    with pytest.raises(pytest.UsageError, match=r"pyproject.toml:2: .*int4.* matches no variant"):
        finish('"*/int4/*" = ["speedup >= 3"]')


def test_a_contract_that_says_nothing_is_a_usage_error(finish):
    with pytest.raises(
        pytest.UsageError, match=r"pyproject.toml:2: there is no contract on 'speed'"
    ):
        finish('"*" = ["speed >= 3"]')
