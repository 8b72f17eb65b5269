"""`vitbench structure` and its contract in real runs."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.suite.test_bisect import git
from tests.suite.test_bisect_runs import MODEL, PROJECT
from vitbench.cli.main import main

CASE = "tiny/fp32/cpu/b1"
CONTRACT = f'\n[tool.vitbench.contracts]\n"{CASE}" = ["structure = reports/structure/CASE.json"]\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose structure of one case is a contract."""
    folder = tmp_path / "team"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme/__init__.py").touch()
    (folder / "acme/model.py").write_text(MODEL)
    (folder / "pyproject.toml").write_text(PROJECT + CONTRACT)
    git(folder, "init", "-qb", "main")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.thorough
def test_what_was_accepted_is_kept_and_what_changed_is_broken(project, capsys):
    def said(*options, code):
        assert main(["structure", CASE, "--threads=1", *options]) == code
        return capsys.readouterr().out

    assert "UNPROVEN: no baseline: " in said(code=3)
    file = project / f"reports/structure/{CASE}.json"
    (project / ".gitignore").write_text("reports/\n")
    first = said("--accept", code=0)
    assert f"{file}: written\nWARNING: git ignores {file}, so CI will not find" in first
    (project / ".gitignore").write_text("reports/history/\n")
    only = said(code=0)
    assert only.startswith("KEPT: what a call executes is what ")
    assert only.count("\n") == 1
    whole = said("--verbose", code=0)
    assert whole.endswith(only)
    assert "\noperators: " in whole
    report = project / "report.json"
    options = ["--benchmark-only", "--pyargs", "vitbench.benchmarks.test_latency",
               "--variant=fp32", "--threads=1", "--seconds=0.2", "--verify-images=16",
               f"--report={report}", "-k", CASE]  # fmt: skip
    run_pytest(project, options, code=0)
    assert main(["gate", str(report), "--contracts"]) == 0
    assert f"KEPT  {CASE} (structure)" in capsys.readouterr().out

    given = json.loads(file.read_text())
    operators = given["structures"][0]["counters"]["operators"]
    attention = next(name for name in operators if "scaled_dot_product" in name)
    operators[attention] += 1
    file.write_text(json.dumps(given))
    assert main(["gate", str(report), "--contracts"]) == 1
    assert "BROKEN" in capsys.readouterr().out
    assert "5 x scaled_dot_product" in run_pytest(project, options, code=1)
    last = said("--accept", code=0)
    assert "accepted: attention: " in last
    assert "WARNING" not in last
    run_pytest(project, options, code=0)


@pytest.mark.thorough
def test_what_answers_wrongly_is_not_accepted(project, capsys):
    wrong = (
        '[tool.vitbench.variants.wrong]\nruntime = "eager"\ntransform = "acme.model:broken"\n'
        "limits = { agreement = 0.99, relative_error = 0.01, cosine = 0.999 }\n"
    )
    (project / "pyproject.toml").write_text(PROJECT + wrong)
    with (project / "acme/model.py").open("a") as file:
        file.write(
            "\n\ndef broken(module, _):\n    for each in module.parameters():\n"
            "        each.data.neg_()\n    return module\n"
        )
    assert main(["structure", CASE.replace("fp32", "wrong"), "--accept", "--threads=1"]) == 1
    assert "BROKEN: nothing is accepted" in capsys.readouterr().out
    assert not (project / "reports").exists()


def run_pytest(folder, options, code):
    # A worker of pytest-xdist says so to what it starts, which then times nothing.
    outside = {name: os.environ[name] for name in os.environ if name != "PYTEST_XDIST_WORKER"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "vitbench.plugin", *options],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**outside, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
