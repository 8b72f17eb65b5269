"""An installation of vitbench, outside the checkout: from a wheel, and editable.

What it stands on is taken from this environment, by a .pth: nothing is downloaded.
"""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT
from vitbench import place

pytest.importorskip("hatchling", reason="the extra `test` is not installed")

BUILD = "import sys; from hatchling import build; print(getattr(build, sys.argv[1])(sys.argv[2]))"
CARRIED = (
    "LICENSE", "benchmarks/test_latency.py", "checkpoints/deit_tiny_tin20/model.safetensors",
    "entry_points.txt", "plugin/measuring.py", "py.typed", "report/report.schema.json",
    "runtimes/tuned/linear.cpp", "runtimes/tuned/tiles.h", "show/page.css", "show/page.html",
    "show/page.js",
)  # fmt: skip


class Installation:
    """An environment with vitbench, and a folder to work in, of a project without settings."""

    def __init__(self, folder: Path, hook: str, environment: dict[str, str]) -> None:
        built = folder / "built"
        built.mkdir(parents=True)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, hook, str(built)],
            cwd=ROOT, text=True, capture_output=True, timeout=120, check=True,
        )  # fmt: skip
        venv.create(folder / "venv", symlinks=True)
        (site,) = (folder / "venv/lib").glob("python*/site-packages")
        with zipfile.ZipFile(built / done.stdout.split()[-1]) as wheel:
            self.names = wheel.namelist()
            wheel.extractall(site)
        (site / "more.pth").write_text(sysconfig.get_path("purelib"))
        self.site, self.here = site, folder / "here"
        self.here.mkdir()
        (self.here / "pytest.ini").touch()  # it may lie below a checkout, which is not its project
        self._python = folder / "venv" / "bin" / "python"
        self._environment = {k: v for k, v in environment.items() if k != "PYTHONPATH"}

    def run(self, *arguments: str) -> str:
        """What a module prints that Python runs in the folder. It must end well."""
        done = subprocess.run(
            [str(self._python), "-m", *arguments], cwd=self.here, env=self._environment,
            text=True, capture_output=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def installed(tmp_path, environment):
    """Call it with a hook of the build: `build_wheel` or `build_editable`."""
    return lambda hook: Installation(tmp_path / "installation", hook, environment)


def runs(installation: Installation, cache: Path) -> None:
    """A few cases are verified and timed, and a photograph is classified."""
    few = ("-k", "latency", "--variant=fp32", "--seconds=0.2", "--verify-images=16", "-Werror")
    said = installation.run(
        "pytest", "--benchmark-only", "--pyargs", "vitbench.benchmarks", *few, f"--cache={cache}"
    )
    assert "1 passed" in said
    assert "fp32/cpu/b1" in said
    assert "bundled" in said
    (report,) = (installation.here / "reports/history").glob("*.json")
    selected = json.loads(report.read_text())["vitbench"]["selected"]
    assert selected == ["--variant=fp32", "-k latency"]
    Image.new("RGB", (300, 200), (40, 90, 200)).save(installation.here / "photo.png")
    assert "fp32" in installation.run("vitbench", "predict", "photo.png", f"--cache={cache}")


def test_a_wheel_has_all_that_a_run_needs(installed, cache):
    wheel = installed("build_wheel")
    for name in CARRIED:
        assert any(each.endswith(f"/{name}") for each in wheel.names), name
    roots = {name.partition("/")[0] for name in wheel.names}
    assert {root.partition("-")[0] for root in roots} == {"vitbench"}
    assert not any("/tests/" in name or "__pycache__" in name for name in wheel.names)
    runs(wheel, cache)


def test_an_editable_installation_is_a_path_to_the_checkout(installed):
    editable = installed("build_editable")
    files = [name for name in editable.names if ".dist-info/" not in name]
    assert files == ["_vitbench.pth"]
    assert (editable.site / files[0]).read_text().split() == [str(ROOT)]
    said = editable.run("pytest", "--co", "-q", "--pyargs", "vitbench.benchmarks", "--device=cpu")
    assert "test_latency[deit_tiny_patch16_224/fp32/cpu/b1]" in said


@pytest.mark.thorough
def test_an_editable_installation_runs(installed, cache):
    runs(installed("build_editable"), cache)


def test_the_package_of_a_checkout_has_no_copy_of_the_checkpoint():
    assert list((ROOT / "vitbench").rglob("*.safetensors")) == []
    assert place.checkpoints() == ROOT / "fixtures" / "checkpoints"
