"""Short names of pytest's options, beside plugins and conftests that have the same ones.

Each way in which vitbench comes into a run: as a plugin of the environment, which `-p` stands for,
and by the conftest.py of a checkout.
"""

import pytest
from _pytest.config import _prepareconfig

from vitbench.plugin.names import given, short_names

THEIRS = """
def pytest_addoption(parser):
    parser.getgroup("theirs").addoption("--device", action="append", default=None)
    parser.getgroup("theirs").addoption("--profile", action="store_true", dest="prof")
    parser.addini("theirs", "so that the file is loaded")
"""
WORDS = (
    "vitbench: another plugin or a conftest has --device, --profile: "
    "write --vitbench-device, --vitbench-profile"
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The config of a command line in a folder of files; `way` loads vitbench there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # none of theirs matters here
    configs = []

    def run(way, *arguments, files=None, conftest="", ini=""):
        own = 'pytest_plugins = ["vitbench.plugin"]\n' if way == "conftest" else ""
        texts = {"conftest.py": own + conftest, "pytest.ini": f"[pytest]\n{ini}", **(files or {})}
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        early = ["-p", "vitbench.plugin"] if way == "plugin" else []
        configs.append(_prepareconfig([*early, *arguments]))
        return configs[-1]

    yield run
    for config in configs:
        config._ensure_unconfigure()


both = pytest.mark.parametrize("way", ["plugin", "conftest"])


@both
def test_each_option_has_a_short_and_a_long_name(start, way):
    given_names = ("--device=cpu", "--vitbench-variant=a", "--variant", "b", "--verify-images=3")
    config = start(way, *given_names)
    assert (given(config).device, given(config).variant) == ("cpu", ["a", "b"])
    assert given(config).verify_images == 3
    assert short_names(config).words is None
    text = config._parser.optparser.format_help()
    assert "--vitbench-device={cpu,cuda,auto}" in text
    assert "--device={cpu,cuda,auto}" in text.replace("--vitbench-device", "")


@both
def test_what_was_not_given_has_its_default(start, way):
    config = start(way, "--batch=2")
    assert (given(config).batch, given(config).seconds, given(config).model) == ([2], 3.0, [])
    assert (given(config).rebuild, given(config).labels) == (False, None)


@both
@pytest.mark.parametrize("place", ["root", "below", "plugin before", "plugin after"])
def test_a_short_name_that_others_have_is_left_to_them(start, way, place):
    files, conftest, more = {"test/test_a.py": ""}, "", ()
    if place == "root":
        conftest = THEIRS
    elif place == "below":  # pytest loads it after the conftest.py of the root
        files["test/conftest.py"] = THEIRS
    else:
        files["theirs.py"] = THEIRS
        more = ("-p", "theirs")
    arguments = ["--device=iPhone 13", "--profile", "--vitbench-device=cpu", "--images=ours"]
    if place == "plugin before":
        arguments = [*more, *arguments]
    else:
        arguments += more
    config = start(way, *arguments, files=files, conftest=conftest)
    assert config.getoption("--device") == ["iPhone 13"]
    assert config.getoption("--profile") is True
    assert (given(config).device, given(config).profile) == ("cpu", False)
    assert given(config).images == "ours"
    assert short_names(config).words == WORDS


@both
def test_their_destination_is_not_ours(start, way):
    """`--their-images` is kept as `images`."""
    theirs = THEIRS.replace('"--device"', '"--their-images"').replace("default", 'dest="images", d')
    theirs = theirs.replace("d=None", 'default=["theirs"]')
    config = start(way, "--images=ours", conftest=theirs)
    assert (config.option.images, given(config).images) == (["theirs"], "ours")


@both
def test_options_of_the_ini_file_and_of_the_environment_count(start, way, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--device=cuda --threads=2")
    config = start(way, "--device=cpu", ini="addopts = --threads=1 --variant=fp32")
    found = given(config)
    # The command line comes after the environment, and that after the file.
    assert (found.device, found.threads, found.variant) == ("cpu", 2, ["fp32"])


@both
@pytest.mark.parametrize("wrong", ["--dev=cpu", "--no-such", "--device=tpu", "--threads=x"])
def test_what_is_no_option_is_refused(start, way, wrong):
    with pytest.raises(pytest.UsageError, match=r"unrecognized|invalid"):
        start(way, wrong)


WATCH = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(parser):
    parser.before = "--batch" in parser.optparser._option_string_actions
    result = yield
    parser.after = "--batch" in parser.optparser._option_string_actions
    return result
"""


def test_a_plugin_of_the_environment_needs_the_hook_alone(start):
    config = start("plugin", "-p", "watch", "--batch=2", files={"watch.py": WATCH})
    assert (config._parser.before, config._parser.after) == (False, True)
