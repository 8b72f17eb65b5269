"""The end of a pytest run with contracts, without a run."""

from types import SimpleNamespace

import pytest

from fixtures import promising
from fixtures.recording import RECORDER
from vitbench.tests.test_gate import run, timed


@pytest.fixture
def finish(tmp_path):
    """Ends a run of one case under contracts; returns the exit status and what was printed."""

    def end(contracts, path="report.json", worker=False, status=pytest.ExitCode.OK):
        (tmp_path / "pyproject.toml").write_text(f"[tool.vitbench.contracts]\n{contracts}\n")
        option = SimpleNamespace(against=None)
        config = SimpleNamespace(stash=pytest.Stash(), rootpath=tmp_path, option=option)
        if worker:
            config.workerinput = {}
        config.stash[RECORDER] = SimpleNamespace(path=path, report=lambda: run(timed()))
        session, lines = SimpleNamespace(config=config, exitstatus=status), []
        promising.pytest_configure(config)
        promising.pytest_sessionfinish(session)
        promising.pytest_terminal_summary(SimpleNamespace(write_line=lines.append), config)
        return session.exitstatus, "\n".join(lines)

    return end


def test_a_broken_contract_fails_the_run_and_is_printed(finish):
    status, told = finish('"*" = ["speedup >= 3"]')
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "contracts of pyproject.toml:\nBROKEN" in told
    assert finish('"*" = ["speedup >= 3"]', status=pytest.ExitCode.INTERRUPTED)[0] == 2


def test_what_is_kept_or_not_proven_passes(finish):
    status, told = finish('"*" = ["speedup >= 1.5", "size <= 9 MB", "peak_memory <= 9 MB"]')
    assert status == pytest.ExitCode.OK
    assert "3 contracts: 1 UNPROVEN, 2 KEPT" in told


def test_a_selected_run_need_not_match_every_glob(finish):
    assert finish('"*/int4/*" = ["speedup >= 3"]') == (pytest.ExitCode.OK, "")


def test_nothing_is_judged_where_nothing_was_timed(finish):
    assert finish('"*" = ["speedup >= 3"]', path=None) == (pytest.ExitCode.OK, "")
    assert finish('"*" = ["speedup >= 3"]', worker=True) == (pytest.ExitCode.OK, "")


def test_a_contract_that_says_nothing_is_a_usage_error(finish):
    with pytest.raises(pytest.UsageError, match=r"pyproject.toml:2: 'speed' cannot be promised"):
        finish('"*" = ["speed >= 3"]')
