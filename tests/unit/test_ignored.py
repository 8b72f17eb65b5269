"""Files that are meant to be committed, and that git ignores."""

import json
import subprocess

import pytest

from tests.helpers.reports import benchmark_of
from tests.unit.test_gate import INT8, run
from vitbench.cli.main import main
from vitbench.report.ignored import ignored, warning


@pytest.fixture
def repository(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_git_ignores_is_named_with_what_to_do(repository):
    (repository / ".gitignore").write_text("reports/\n")
    paths = [repository / f"reports/structure/{name}.json" for name in ("a", "ä b", "c")]
    paths[0].parent.mkdir(parents=True)
    for path in (*paths, other := repository / "other.json"):
        path.touch()
    assert ignored([*paths, other]) == paths
    told = warning([*paths, other])
    assert told.startswith(f"WARNING: git ignores {paths[0]} and 2 more, so CI will not find")
    assert "\n" not in told
    assert warning([other]) == warning([]) == ""
    subprocess.run(["git", "add", "--force", str(paths[0])], check=True)
    assert ignored(paths) == paths[1:], "what is tracked is committed, whatever is ignored"


def test_without_git_or_a_repository_nothing_is_said(tmp_path, repository, monkeypatch):
    (repository / ".gitignore").write_text("*\n")
    (repository / "one.json").touch()
    assert warning([repository / "one.json"])
    monkeypatch.setenv("PATH", "")
    assert warning([repository / "one.json"]) == ""
    monkeypatch.undo()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert warning([repository / "one.json"]) == ""


@pytest.mark.parametrize(("line", "told"), [("reports/", True), ("reports/history/", False)])
def test_accepting_a_report_and_init_say_what_git_ignores(repository, capsys, line, told):
    (repository / ".gitignore").write_text(f"{line}\n")
    (repository / "one.json").write_text(json.dumps(run(benchmark_of(INT8))))
    assert main(["accept", "one.json", "--selected"]) == 0
    out = capsys.readouterr().out
    assert ("WARNING: git ignores reports/baselines/" in out) == told
    assert main(["init", "--ci=none"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    (repository / ".gitignore").write_text("benchmarks\n")
    assert main(["init", "--ci=none"]) == 0
    assert f"WARNING: git ignores {repository}/benchmarks/__init__.py" in capsys.readouterr().out
