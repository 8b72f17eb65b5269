"""A recipe in a project's pyproject.toml: timed, measured in fresh processes, under xdist, and
built again after an edit."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SETTINGS = """
[tool.pytest.ini_options]

[tool.vitbench.models]
small = { py = "acme.vision:small", args = { classes = 6 } }

[tool.vitbench.variants.own]
runtime = "eager"
precision = "int8"
transform = "acme.quant:clipped"
calibrated = true

[tool.vitbench.variants.graph]
runtime = "torchscript"
precision = "int8"
transform = "acme.quant:rounded"

[tool.vitbench.variants.broken]
runtime = "eager"
precision = "int8"
transform = "acme.quant:no_such"
"""
SOURCE = ROOT / "tests" / "example_package" / "src" / "acme"


@pytest.fixture
def project(tmp_path):
    """A project of its own with the code of the example package below src/, not installed."""
    folder = tmp_path / "src" / "acme"
    folder.mkdir(parents=True)
    for path in SOURCE.glob("*.py"):
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def run(project, environment):
    def run(*options, name="test_latency"):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "vitbench.plugin", "--pyargs",
             f"vitbench.benchmarks.{name}", "--verify-images=16", "--seconds=0.1",
             f"--cache={project / 'cache'}", *options],
            cwd=project, env=environment, text=True, capture_output=True, timeout=500, check=False,
        )  # fmt: skip

    return run


def artifacts(project: Path) -> list[dict]:
    """The rows' artifacts of the newest report."""
    newest = max(
        (project / "reports/history").glob("*.json"), key=lambda path: path.stat().st_mtime
    )
    rows = json.loads(newest.read_text())["benchmarks"]
    return [
        row["extra_info"]["artifact"]
        for row in rows
        if row["extra_info"]["case"]["variant"] in ("own", "graph")
    ]


@pytest.mark.thorough
def test_a_recipe_of_a_project(project, run):
    done = run("--benchmark-only", "--variant=own", "--variant=graph", "--variant=broken")
    assert done.returncode == 1, done.stdout
    assert "1 failed, 3 passed" in done.stdout  # and the reference
    assert "the transform acme.quant:no_such: acme.quant has no no_such" in done.stdout
    own, graph = artifacts(project)
    assert own["transform"]["function"] == "acme.quant:clipped"
    assert own["transform"]["sha256"] == graph["transform"]["sha256"]
    assert (
        f"own: transform acme.quant:clipped, source sha256 {own['transform']['sha256'][:12]}"
        in (done.stdout)
    )

    done = run("--benchmark-only", "--variant=own", name="test_footprint")
    assert done.returncode == 0, done.stdout
    done = run("--variant=own", "-n2", name="test_consistency")
    assert done.returncode == 0, done.stdout
    assert re.search(r"artifacts: 0 built", done.stdout)

    source = project / "src" / "acme" / "quant.py"
    source.write_text(source.read_text() + "\n# an edit\n")
    done = run("--benchmark-only", "--variant=own")
    assert done.returncode == 0, done.stdout
    (again,) = artifacts(project)
    assert again["built"]
    assert again["transform"]["sha256"] != own["transform"]["sha256"]
