"""The plugin in a run of pytest: silent until a test of the mark `measures` is collected."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from vitbench.plugin import MODULES, PARTS

pytest_plugins = ["pytester"]

OTHERS = """
import pytest

@pytest.fixture
def recorder():
    return "theirs"

def test_theirs(recorder):
    assert recorder == "theirs"
"""
ON_A_FUNCTION = """
import pytest

@pytest.mark.measures("consistency", batches=(1,))
def test_ours(case, verified):
    pass
"""
ON_A_CLASS = """
import pytest

@pytest.mark.measures("consistency", batches=(1,))
class TestOurs:
    def test_ours(self, case, verified):
        pass
"""
ON_A_MODULE = """
import pytest

pytestmark = pytest.mark.measures("consistency", batches=(1,))

def test_ours(case, verified):
    pass
"""
OPTIONS = ("--vitbench-device=cpu", "--vitbench-variant=fp32")


class Watch:
    """A plugin that sees which parts of vitbench are plugins at the end, and xdist's groups."""

    groups: "list[str | None] | None" = None

    def pytest_collection_finish(self, session):
        marks = [item.get_closest_marker("xdist_group") for item in session.items]
        self.groups = [mark and mark.args[0] for mark in marks]

    def pytest_unconfigure(self, config):
        self.parts = [name for name in MODULES if config.pluginmanager.has_plugin(f"{PARTS}{name}")]


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """pytester forgets what a run imports, and these can be loaded but once in a process."""
    for name in ("numpy", "scipy.stats", "torch", "timm"):
        import_module(name)


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest in this process; returns its result and the parts of vitbench that were there."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)

    def start(suite, *arguments):
        pytester.makepyfile(test_suite=suite)
        watch = Watch()
        # This process has imported the plugin already, of which pytest would warn.
        imported = "-Wignore::pytest.PytestAssertRewriteWarning"
        result = pytester.runpytest_inprocess(
            "-pvitbench.plugin", "-pno:cacheprovider", imported, *arguments, plugins=[watch]
        )
        start.groups = watch.groups
        return result, watch.parts

    return start


@pytest.mark.parametrize("arguments", [(), ("-n1",), ("--fixtures",), OPTIONS])
def test_a_run_of_others_shows_nothing_of_vitbench(run, arguments):
    result, parts = run(OTHERS, *arguments)
    if arguments != ("--fixtures",):
        result.assert_outcomes(passed=1)
    assert parts == []
    lines = [line for line in result.outlines if not line.startswith(("rootdir", "plugins"))]
    assert [line for line in lines if "vitbench" in line or "paired_rounds" in line] == []
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.parametrize("suite", [ON_A_FUNCTION, ON_A_CLASS, ON_A_MODULE])
def test_a_test_with_the_mark_makes_it_active(run, suite):
    result, parts = run(suite, "--collect-only", *OPTIONS)
    assert parts == list(MODULES)
    text = result.stdout.str()
    assert "test_ours[deit_tiny_patch16_224/fp32/cpu/b1]" in text
    assert text.count("vitbench: deit_tiny_patch16_224 (deit_tiny_patch16_224)") == 1


def test_the_tests_of_a_variant_are_one_worker_s(run):
    """Whatever the batch; where xdist is not loaded, nobody knows its mark."""
    two = ON_A_FUNCTION.replace("(1,)", "(1, 8)")
    arguments = ("--collect-only", *OPTIONS, "--vitbench-variant=bf16", "--strict-markers")
    run(two, *arguments)
    names = [f"deit_tiny_patch16_224/{name}" for name in ("fp32", "bf16")]
    assert run.groups == names * 2
    result, _ = run(two, *arguments, "-pno:xdist")
    assert (result.ret, run.groups) == (pytest.ExitCode.OK, [None] * 4)


@pytest.mark.parametrize("mark", ["measures", "measures('rain')"])
def test_a_mark_of_others_that_has_its_name_does_not(run, mark):
    result, parts = run(f"import pytest\n@pytest.mark.{mark}\ndef test_theirs(): pass")
    assert (result.ret, parts) == (pytest.ExitCode.OK, [])
    mixed = f"{ON_A_FUNCTION}\n@pytest.mark.{mark}\ndef test_theirs(): pass"
    result, _ = run(mixed, *OPTIONS, "-k", "theirs")
    result.assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("measures(batches=(1,))", "name one kind, such as measures('latency', batches=(1,))"),
        ("measures('latency', batches=(0,))", "batches=(0,)): batches are whole numbers above 0"),
        ("measures('latency', batches=8)", "batches=8): batches are whole numbers above 0"),
    ],
)
def test_a_mark_that_says_too_little_is_one_sentence(run, mark, words):
    result, _ = run(f"import pytest\n@pytest.mark.{mark}\ndef test_ours(case): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


TWICE = """
import pytest

@pytest.mark.measures("latency", batches=(1,))
def test_ours(case, benchmark):
    pass

@pytest.mark.measures({kind!r}, batches=(1,))
def test_theirs(case{fixture}):
    pass
"""


def test_two_tests_of_one_row_are_one_sentence_with_both_names(run):
    suite = TWICE.format(kind="latency", fixture=", benchmark")
    result, _ = run(suite, "--collect-only", *OPTIONS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().strip() == (
        "ERROR: test_suite.py::test_ours[deit_tiny_patch16_224/fp32/cpu/b1] and "
        "test_suite.py::test_theirs[deit_tiny_patch16_224/fp32/cpu/b1] both measure latency, and a "
        "report has one such row for each case: choose one of the two, by its path, -k or "
        "--deselect"
    )
    chosen, _ = run(suite, "--collect-only", "-k", "theirs", *OPTIONS)
    assert chosen.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("kind", "fixture", "options"),
    [
        ("throughput", ", benchmark", ()),  # another row
        ("latency", "", ()),  # no row
        ("latency", ", benchmark", ("--benchmark-skip",)),
    ],
)
def test_two_tests_of_a_case_that_write_two_rows_or_none_are_fine(run, kind, fixture, options):
    result, _ = run(TWICE.format(kind=kind, fixture=fixture), "--collect-only", *OPTIONS, *options)
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--variant=no-such", "ERROR: --variant no-such: no such variant: "),
        ("--against=", "ERROR: --against is empty: give REV|ENV|PATH, or leave it out"),
    ],
)
def test_a_wrong_option_is_one_sentence_after_the_collection(run, option, words):
    result, _ = run(ON_A_FUNCTION, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()
    assert "ERROR collecting" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_run_of_others_leaves_no_report_of_an_earlier_run(run, pytester):
    """A gate after it must not take the old one for this run's."""
    old = pytester.makefile(".json", old='{"benchmarks": []}')
    run(OTHERS, "--report=old.json", "--collect-only")
    assert old.exists()
    result, parts = run(OTHERS, "--report=old.json")
    assert (result.ret, parts, old.exists()) == (pytest.ExitCode.OK, [], False)
    result, _ = run(OTHERS, f"--report={pytester.path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is a folder: name a file" in result.stderr.str()


def test_the_process_that_starts_workers_checks_what_its_user_names(run):
    result, parts = run(OTHERS, "-n1", "--model=no-such-model", "--vitbench-device=cpu")
    assert (result.ret, parts) == (pytest.ExitCode.USAGE_ERROR, list(MODULES))
    assert "no-such-model" in result.stderr.str()


@pytest.mark.parametrize(
    ("option", "words"),
    [("--variant=no-such", "--variant no-such: "), ("--vitbench-seconds=-1", "--seconds -1")],
)
@pytest.mark.parametrize("place", ["command", "environment", "ini"])
def test_a_wrong_option_under_xdist_is_one_sentence(
    run, pytester, monkeypatch, option, words, place
):
    arguments = ("-n1", "-q")
    if place == "command":
        arguments += (option,)
    elif place == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", option)
    else:
        pytester.makeini(f"[pytest]\naddopts = {option}")
    result, _ = run(ON_A_FUNCTION, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {words}" in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_without_pytest_benchmark_a_run_of_ours_is_one_sentence(run):
    result, _ = run(ON_A_FUNCTION, "-pno:benchmark")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: a test of vitbench needs pytest-benchmark" in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert run(OTHERS, "-pno:benchmark")[0].ret == pytest.ExitCode.OK


def test_without_the_plugin_its_options_are_unknown(pytester):
    """A checkout's conftest.py names it, and `-p no:` is stronger."""
    pytester.makeconftest('pytest_plugins = ["vitbench.plugin"]')
    pytester.makepyfile(OTHERS)
    arguments = ("-pno:vitbench.plugin", "-pno:cacheprovider")
    assert pytester.runpytest_inprocess(*arguments).ret == pytest.ExitCode.OK
    refused = pytester.runpytest_inprocess(*arguments, "--vitbench-device=cpu")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR


def test_loading_it_imports_pytest_alone():
    code = "import pytest, sys; old = {*sys.modules}; import vitbench.plugin; "
    code += "print(*{name.partition('.')[0] for name in {*sys.modules} - old})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"vitbench"}
