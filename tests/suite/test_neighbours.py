"""vitbench beside other plugins of pytest, and beside options of pytest-benchmark."""

import pstats
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from pytest_benchmark.session import PerformanceRegression

from tests.conftest import ROOT
from vitbench.plugin import neighbours, options
from vitbench.runtimes.base import Deployment


def test_pytest_starts_beside_a_conftest_that_has_a_short_name(tmp_path, environment):
    """In a checkout, and a conftest below the root is loaded after vitbench."""
    for name in ("benchmarks", "conftest.py", "fixtures", "vitbench", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "test_theirs").mkdir()
    (tmp_path / "test_theirs" / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.getgroup('theirs').addoption('--device', action='store', default=None)\n"
    )
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--co", "test_theirs",
        "benchmarks/test_latency.py", "--device=Pixel 5", "--vitbench-device=cpu", "--variant=fp32",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a conftest has --device: write --vitbench-device" in done.stdout
    assert "1 test collected" in done.stdout


def test_progress_is_told_without_capturing_too():
    """With -p no:capture there is no such plugin, with -p no:terminal nowhere to tell it."""
    lines = []
    reporter = SimpleNamespace(
        ensure_newline=lambda: None, write_line=lines.append, flush=lambda: lines.append("flushed")
    )
    for plugins in ({"terminalreporter": reporter}, {}):
        manager = SimpleNamespace(getplugin=plugins.get)
        options._announcer(SimpleNamespace(pluginmanager=manager))("building")
    assert lines == ["  building", "flushed"]


OURS, THEIRS = SimpleNamespace(extra_info={"case": {}}), SimpleNamespace(extra_info={})


def config_of(*arguments, **options):
    option = {"benchmark_json": None, **options}
    return SimpleNamespace(
        option=SimpleNamespace(**option),
        invocation_params=SimpleNamespace(args=arguments),
        getini=lambda _: ["--strict-markers"],
    )


@pytest.mark.parametrize(
    ("argument", "rows", "hidden"),
    [
        ("--benchmark-only", [OURS, OURS], True),
        ("--benchmark-only", [OURS, THEIRS], False),
        ("--benchmark-compare=0001", [OURS], False),
        ("--benchmark-histogram", [OURS], False),
        ("--benchmark-verbose", [OURS], False),
    ],
)
def test_pytest_benchmarks_table_is_there_for_others_and_where_it_is_asked_for(
    argument, rows, hidden
):
    assert neighbours.repeats(config_of(argument), rows) is hidden


def test_options_of_the_environment_count_too(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--benchmark-compare")
    assert not neighbours.repeats(config_of(), [OURS])


def test_options_that_choose_rounds_are_told_to_be_without_effect():
    (told,) = neighbours.header(config_of("--benchmark-min-rounds=9", "--seconds=1"))
    assert "--benchmark-min-rounds: without effect" in told
    assert neighbours.header(config_of("--benchmark-disable-gc")) == []


def test_a_json_file_without_a_folder_is_one_sentence_before_the_run(tmp_path):
    with pytest.raises(pytest.UsageError, match=r"--benchmark-json=.*there is no folder"):
        neighbours.pytest_configure(config_of(benchmark_json=tmp_path / "none" / "x.json"))
    neighbours.pytest_configure(config_of(benchmark_json=tmp_path / "x.json"))


def compared(ours, theirs, storage="/elsewhere"):
    """What pytest-benchmark is given to compare, and what is said."""
    said = []
    session = SimpleNamespace(storage=storage, logger=SimpleNamespace(warning=said.append))
    hook = neighbours.compare_machine_info(session, ours, theirs)
    next(hook)
    if ours != theirs["machine_info"]:
        with pytest.raises(StopIteration):
            hook.throw(ValueError("'/elsewhere' is not in the subpath"))
    return said


def test_one_machine_is_itself_at_another_clock():
    ours = {"cpu": {"brand_raw": "EPYC", "hz_actual": [1, 0]}, "node": "a"}
    theirs = {
        "cpu": {"brand_raw": "EPYC", "hz_actual": [2, 0]}, "node": "a",
        "vitbench": {"readings": {"load": [1]}},
    }  # fmt: skip
    assert compared(ours, {"machine_info": theirs}) == []


def test_another_machine_and_a_storage_elsewhere_is_a_warning():
    (line,) = compared({"cpu": {"brand_raw": "EPYC"}}, {"machine_info": {"cpu": {}}})
    assert line.startswith("The benchmarks in /elsewhere are of another machine")
    assert compared({"node": "a"}, {}) != []


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 1), (6, 1), (2, 2)])
def test_a_comparison_that_fails_is_an_exit_code(before, after):
    config = config_of()
    config._benchmarksession = SimpleNamespace(quiet=False, benchmarks=[OURS])
    reporter = SimpleNamespace(_session=SimpleNamespace(exitstatus=before), config=config)
    summary = neighbours.pytest_terminal_summary(reporter)
    next(summary)
    with pytest.raises(StopIteration):
        summary.throw(PerformanceRegression("slower"))
    assert reporter._session.exitstatus == after
    assert config._benchmarksession.quiet


@pytest.mark.parametrize(("loops", "calls"), [(None, 1), (3, 3)])
def test_cprofile_is_of_the_call_alone_after_the_rounds(loops, calls):
    saved, active = [], []

    @contextmanager
    def activate():
        active.append(True)
        yield
        active.clear()

    deployment = Deployment(lambda x: x, lambda staged: active[0] and staged, np.asarray,
                            active=activate)  # fmt: skip
    benchmark = SimpleNamespace(_save_cprofile=saved.append)
    session = SimpleNamespace(options={"cprofile": True}, cprofile_loops=loops)
    neighbours.cprofile(benchmark, session, deployment, 7)
    (found,) = (pstats.Stats(profile).stats for profile in saved)
    assert [row[0] for name, row in found.items() if name[2] == "__call__"] == [calls]
    session.options["cprofile"] = False
    neighbours.cprofile(benchmark, session, deployment, 7)
    assert len(saved) == 1
