"""vitbench beside other plugins of pytest, and beside options of pytest-benchmark."""

import pstats
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from _pytest.config import get_config
from pytest_benchmark.session import PerformanceRegression

from tests.conftest import ROOT
from vitbench.plugin import neighbours, options
from vitbench.plugin.options import given
from vitbench.runtimes.base import Deployment


@pytest.fixture
def parsed():
    """The config of a command line where another plugin has the given options."""

    def parse(*arguments, held=()):
        config = get_config()
        for name, attributes in held:
            config._parser.getgroup("theirs").addoption(name, **attributes)
        options.pytest_addoption(config._parser, config.pluginmanager)
        namespace = config._parser.parse_known_args(arguments)
        return SimpleNamespace(option=namespace, pluginmanager=config.pluginmanager)

    return parse


def test_each_option_has_a_short_and_a_long_name(parsed):
    config = parsed("--device=cpu", "--vitbench-variant=a", "--variant=b", "--verify-images=3")
    assert (given(config).device, given(config).variant) == ("cpu", ["a", "b"])
    assert given(config).verify_images == 3
    assert options.pytest_report_header(config) is None


def test_a_short_name_that_another_plugin_holds_is_left_to_it(parsed):
    theirs = [
        ("--device", {"default": None, "action": "store"}),
        ("--profile", {"action": "store_true", "dest": "profile"}),
        ("--their-images", {"dest": "images", "default": "theirs"}),
    ]
    config = parsed(
        "--device=iPhone 13", "--profile", "--vitbench-device=cpu", "--images=ours", held=theirs
    )
    assert (config.option.device, config.option.profile) == ("iPhone 13", True)
    assert config.option.images == "theirs"
    assert (given(config).device, given(config).profile) == ("cpu", False)
    assert given(config).images == "ours"
    assert options.pytest_report_header(config) == (
        "vitbench: another plugin holds --device, --profile: "
        "write --vitbench-device, --vitbench-profile"
    )


def test_pytest_starts_beside_such_a_plugin(tmp_path, environment):
    (tmp_path / "theirs.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.getgroup('theirs').addoption('--device', action='store', default=None)\n"
    )
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "theirs", "--co",
        "benchmarks/test_latency.py", "--device=Pixel 5", "--vitbench-device=cpu",
        "--vitbench-variant=fp32",
    ]  # fmt: skip
    path = f"{tmp_path}:{environment['PYTHONPATH']}"
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "PYTHONPATH": path}, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "another plugin holds --device: write --vitbench-device" in done.stdout
    assert "1 test collected" in done.stdout


def test_progress_is_told_without_capturing_too():
    """With -p no:capture there is no such plugin, with -p no:terminal nowhere to tell it."""
    lines = []
    reporter = SimpleNamespace(ensure_newline=lambda: None, write_line=lines.append)
    for plugins in ({"terminalreporter": reporter}, {}):
        manager = SimpleNamespace(getplugin=plugins.get)
        options._announcer(SimpleNamespace(pluginmanager=manager))("building")
    assert lines == ["  building"]


def config_of(*arguments, **options):
    option = {"benchmark_quiet": True, "benchmark_json": None, **options}
    return SimpleNamespace(
        option=SimpleNamespace(**option),
        invocation_params=SimpleNamespace(args=arguments),
        getini=lambda _: ["--benchmark-quiet"],
    )


@pytest.mark.parametrize(
    ("argument", "quiet"),
    [
        ("--benchmark-compare=0001", False),
        ("--benchmark-histogram", False),
        ("--benchmark-only", True),
    ],
)
def test_pytest_benchmarks_table_is_there_where_it_is_asked_for(argument, quiet):
    config = config_of(argument)
    neighbours.pytest_configure(config)
    assert config.option.benchmark_quiet is quiet


def test_options_of_the_environment_count_too(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--benchmark-compare")
    config = config_of()
    neighbours.pytest_configure(config)
    assert config.option.benchmark_quiet is False


def test_options_that_choose_rounds_are_told_to_be_without_effect():
    told = neighbours.pytest_report_header(config_of("--benchmark-min-rounds=9", "--seconds=1"))
    assert "--benchmark-min-rounds: without effect" in told
    assert neighbours.pytest_report_header(config_of("--benchmark-disable-gc")) is None


def test_a_json_file_without_a_folder_is_one_sentence_before_the_run(tmp_path):
    with pytest.raises(pytest.UsageError, match=r"--benchmark-json=.*there is no folder"):
        neighbours.pytest_configure(config_of(benchmark_json=tmp_path / "none" / "x.json"))
    neighbours.pytest_configure(config_of(benchmark_json=tmp_path / "x.json"))


def compared(ours, theirs, storage="/elsewhere"):
    """What pytest-benchmark is given to compare, and what is said."""
    said = []
    session = SimpleNamespace(storage=storage, logger=SimpleNamespace(warning=said.append))
    hook = neighbours.pytest_benchmark_compare_machine_info(session, ours, theirs)
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
    reporter = SimpleNamespace(_session=SimpleNamespace(exitstatus=before))
    summary = neighbours.pytest_terminal_summary(reporter)
    next(summary)
    with pytest.raises(StopIteration):
        summary.throw(PerformanceRegression("slower"))
    assert reporter._session.exitstatus == after


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
