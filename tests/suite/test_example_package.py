"""A package that somebody else wrote, installed: its model, runtime and recipes are vitbench's."""

import re
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT

pytest.importorskip("hatchling", reason="the extra `test` is not installed")

EXAMPLE = ROOT / "tests" / "example_package"
BUILD = "import sys; from hatchling import build; print(build.build_wheel(sys.argv[1]))"
ORIGIN = "acme-vision 1.2.0"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of packages with the wheel of the example in it."""
    folder = tmp_path_factory.mktemp("example")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=EXAMPLE, text=True, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def run(site, environment, tmp_path):
    """Runs a module of Python in a fresh process, in a project without settings."""
    (tmp_path / "pytest.ini").touch()

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, text=True, capture_output=True,
            env={**environment, "PYTHONPATH": f"{ROOT}:{site}"}, timeout=500, check=False,
        )  # fmt: skip

    return run


def test_list_shows_what_came_from_the_package(run):
    done = run("vitbench", "list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name, count in {"acme-small": 1, "acme-exported": 2, "acme-rounded": 1}.items():
        found = [line for line in lines if line.startswith(f"{name} ")]  # a variant and a runtime
        assert [ORIGIN in line for line in found] == [True] * count
    assert not any(ORIGIN in line for line in lines if line.startswith("int8-dynamic "))


@pytest.mark.thorough
def test_recipes_of_the_package_are_verified(run, cache):
    """On the package's own runtime, and on ours; with calibration images and without. The two that
    are wrong fail, and no other."""
    done = run(
        "pytest", "-p", "vitbench.plugin", "--pyargs", "vitbench.benchmarks.test_consistency",
        "--model=acme-small", "--variant=acme-*", "--verify-images=32", f"--cache={cache}",
        "-k", "agreement and b1", "-rA",
    )  # fmt: skip
    ended = re.findall(r"^(PASSED|FAILED) \S*\[acme-small/(\S+)/cpu/b1\]", done.stdout, re.M)
    assert {name: outcome for outcome, name in ended} == {
        "fp32": "PASSED", "acme-exported": "PASSED", "acme-rounded": "PASSED",
        "acme-clipped": "PASSED", "acme-swapped": "FAILED", "acme-emptied": "FAILED",
    }, done.stdout  # fmt: skip
    for name in ("acme-swapped", "acme-emptied"):
        assert re.search(rf"^{name} on cpu, batch 1: .*: BROKEN$", done.stdout, re.M)
