"""`vitbench init` where vitbench is installed, and the commands that it names."""

import subprocess
import tomllib

import pytest

from tests.suite.test_wheel import Installation


@pytest.mark.thorough
@pytest.mark.parametrize("settings", ["", "[tool.pytest.ini_options]\ntestpaths = ['tests']\n"])
def test_what_init_writes_runs(tmp_path, environment, cache, settings):
    """From a wheel, in an empty repository and in one with tests of its own."""
    installed = Installation(tmp_path / "installation", "build_wheel", environment)
    (installed.here / "pytest.ini").unlink()
    if settings:
        (installed.here / "pyproject.toml").write_text(settings)
    subprocess.run(["git", "init", "--quiet"], cwd=installed.here, check=True)
    said = installed.run("vitbench", "init", "--model=tiny=deit_tiny_patch16_224")
    assert "pyproject.toml: written" in said
    table = tomllib.loads((installed.here / "pyproject.toml").read_text())["tool"]["vitbench"]
    assert table["models"] == {"tiny": "deit_tiny_patch16_224"}
    first, second = (line.split() for line in said.splitlines()[-2:])
    assert first[:2] == ["pytest", "--benchmark-only"]
    few = ("-k", "latency or footprint", "--variant=fp32", "--variant=scripted", "--seconds=0.1")
    ran = installed.run(*first, *few, "--verify-images=16", f"--cache={cache}")
    assert "4 passed" in ran
    assert "tiny, batch 1" in ran
    assert "tiny, batch 1, need: latency" in installed.run(*second, "--min-agreement=0.1")
    assert "written" not in installed.run("vitbench", "init")
