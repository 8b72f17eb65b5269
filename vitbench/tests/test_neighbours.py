"""vitbench beside other plugins of pytest, and beside options of pytest-benchmark."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from _pytest.config import get_config

from fixtures import options
from fixtures.options import given
from vitbench.tests.conftest import ROOT


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
