"""`vitbench init`: what it writes, what it keeps, and what it refuses."""

import json
import os
import re
import resource
import shutil
import subprocess
import tomllib
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.helpers.documented import wrong
from tests.helpers.documents import commands
from vitbench import __version__
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.init.installing import Requirement, of_direct_url
from vitbench.init.plan import WORKFLOWS, plan
from vitbench.init.table import table
from vitbench.judge.contracts import read_contracts
from vitbench.judge.settings import read_settings
from vitbench.judge.verdict import Verdict
from vitbench.project.project import read_project
from vitbench.show.verdicts import markdown

GITHUB = "https://github.com/acme/vision.git"
OURS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    """The .git of a new repository, to be copied: `git init` takes its time."""
    folder = tmp_path_factory.mktemp("bare")
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", GITHUB)
    return folder


@pytest.fixture
def project(bare, tmp_path, monkeypatch) -> Path:
    """A repository of a team, in which the commands run. Its remote is of GitHub."""
    folder = tmp_path / "project"
    subprocess.run(["cp", "-r", str(bare), str(folder)], check=True)
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file but git's, with its bytes and when it was written."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in found
    }


def said(capsys, *arguments: str, code: int = 0) -> str:
    assert main(["init", *arguments]) == code
    out, err = capsys.readouterr()
    assert not err or code
    return out or err


def test_it_writes_all_and_a_second_time_nothing(project, capsys):
    first = said(capsys, "--model=base=deit_tiny_patch16_224")
    written = files(project)
    assert set(written) == {
        "benchmarks/__init__.py", *(f"benchmarks/{name}" for name in OURS),
        "pyproject.toml", *WORKFLOWS["github"].values(),
    }  # fmt: skip
    assert all(f"{name}: written\n" in first for name in written)
    for name in OURS:
        own = (ROOT / "benchmarks" / name).read_bytes()
        assert (project / "benchmarks" / name).read_bytes() == own
    settings = tomllib.loads((project / "pyproject.toml").read_text())["tool"]
    assert settings["vitbench"]["models"] == {"base": "deit_tiny_patch16_224"}
    assert "ini_options" in settings["pytest"]
    assert first.endswith("Next:\n  pytest --benchmark-only\n  vitbench best latest\n")

    second = said(capsys, "--model=base=deit_tiny_patch16_224")
    assert files(project) == written
    assert all(f"{name}: kept: exists\n" in second for name in written)
    assert "written" not in second
    assert "is not in its models" not in second


def test_what_exists_is_kept_and_the_rest_written(project, capsys):
    own = {
        "benchmarks/test_latency.py": b"def test_ours(): ...\n",
        "benchmarks/conftest.py": b"",
        ".github/workflows/vitbench.yml": b"name: ours\n",
        "pyproject.toml": b"[tool.vitbench]\nhistory_since = 2026-01-01\n",
    }
    for name, content in own.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    out = said(capsys, "--model=base=deit_tiny_patch16_224")
    found = files(project)
    assert {name: found[name][0] for name in own} == own
    workflows = {*WORKFLOWS["github"].values()}
    assert set(found) == {*own, *workflows, *(f"benchmarks/{name}" for name in OURS)}
    assert f"benchmarks/{OURS[0]}: written\nbenchmarks/{OURS[1]}: written\n" in out
    assert 'write base = "deit_tiny_patch16_224" into [tool.vitbench.models]' in out


def test_a_partial_run_is_completed(project, capsys):
    said(capsys)
    whole = files(project)
    (project / "benchmarks/__init__.py").unlink()
    (project / "benchmarks/test_latency.py").unlink()
    out = said(capsys)
    assert re.findall(r"(.*): written", out) == [
        "benchmarks/__init__.py", "benchmarks/test_latency.py",
    ]  # fmt: skip
    assert {n: content for n, (content, _) in files(project).items()} == {
        n: content for n, (content, _) in whole.items()
    }


@pytest.mark.parametrize(
    "before",
    [
        b'[project]\nname = "acme"  # ours\nversion = "1"\n',
        b"[tool.ruff]\r\nline-length = 100\r\n",
        "[project]\nname = 'acme'\ndescription = 'Prüfung'".encode(),
        b"# no table yet",
        b"",
    ],
)
def test_a_pyproject_is_kept_byte_for_byte(project, before):
    file = project / "pyproject.toml"
    file.write_bytes(before)
    file.chmod(0o640)
    assert main(["init"]) == 0
    after = file.read_bytes()
    assert after.startswith(before)
    assert (b"\r\n" in before) == (b"\r\n" in after)
    assert b"\r\n" not in before or b"\n" not in after.replace(b"\r\n", b"")
    assert {**tomllib.loads(before.decode())}.items() <= {
        **tomllib.loads(after.decode()), "tool": tomllib.loads(before.decode()).get("tool"),
    }.items()  # fmt: skip
    assert "vitbench" in tomllib.loads(after.decode())["tool"]
    assert file.stat().st_mode & 0o777 == 0o640


PLAIN = '[project]\nname = "acme"\nversion = "1"\n'
NEEDS = PLAIN + 'dependencies = ["numpy>=1 ; python_version > \\"3\\"", "torch"]\n'
BUILT = '[build-system]\nrequires = ["setuptools"]\n'


@pytest.mark.parametrize(
    ("pyproject", "files", "end"),
    [
        ("", (), ""),
        (PLAIN, (), ""),  # of several folders, setuptools takes none for the package
        (PLAIN + BUILT, (), " -e ."),
        (PLAIN + '[tool.setuptools]\npackages = ["acme"]\n', (), " -e ."),
        (PLAIN, ("setup.py",), " -e ."),
        ("", ("requirements.txt",), " -r requirements.txt"),
        (NEEDS, ("requirements.txt",), " -r requirements.txt"),
        (NEEDS + BUILT, ("requirements.txt",), " -r requirements.txt -e ."),
        (NEEDS, (), " -r /tmp/dependencies.txt"),
    ],
)
@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_what_of_the_project_a_workflow_installs(project, host, pyproject, files, end):
    (project / "pyproject.toml").write_text(pyproject)
    for name in files:
        (project / name).touch()
    assert main(["init", f"--ci={host}"]) == 0
    install = f"python -m pip install 'vitbench[suite]=={__version__}'{end}"
    for file in WORKFLOWS[host].values():
        if "comment" not in file:
            assert install in steps(project / file)


def test_dependencies_without_their_project_are_read_when_the_workflow_runs(project):
    (project / "pyproject.toml").write_text(NEEDS)
    assert main(["init", "--ci=github"]) == 0
    read = next(each for each in steps(project / WORKFLOWS["github"]["github.yml"]))
    done = subprocess.run(
        ["sh", "-c", read.partition(" > /tmp")[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout == 'numpy>=1 ; python_version > "3"\ntorch\n'


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_run_prepares_what_git_does_not_track(project, host):
    command = 'python -c "print(1)"  # build: all\necho ü'
    file = project / "pyproject.toml"
    file.write_text(f"[tool.vitbench]\nprepare = {json.dumps(command)}\n")
    assert main(["init", f"--ci={host}"]) == 0
    found = steps(project / WORKFLOWS[host][f"{host}.yml"])
    assert (
        found.index(command) == found.index("pytest --benchmark-only --junit-xml=vitbench.xml") - 1
    )
    assert found.count(command) == 1, "the duet runs it itself"
    file.write_text("[tool.vitbench]\n")
    (project / WORKFLOWS[host][f"{host}.yml"]).unlink()
    assert main(["init", f"--ci={host}"]) == 0
    assert command not in steps(project / WORKFLOWS[host][f"{host}.yml"])


def test_which_vitbench_a_workflow_installs_is_said_again(project, capsys, monkeypatch):
    wanted = Requirement("vitbench[suite]==9", "the workflow installs vitbench==9 from an index")
    monkeypatch.setattr("vitbench.init.plan.requirement", lambda: wanted)
    assert wanted.remark in said(capsys)
    assert wanted.remark in said(capsys)
    file = project / ".github/workflows/vitbench.yml"
    file.write_text(file.read_text().replace("vitbench[suite]==9", "./wheels/vitbench.whl"))
    assert wanted.remark not in said(capsys), "it installs another one"


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


WRONG = [
    (lambda p: (p / "benchmarks").write_text(""),
     "benchmarks is a file, and vitbench init needs a folder of that name: rename the file"),
    (lambda p: link(p / "benchmarks", p.parent),
     "benchmarks is a link to .*: vitbench init writes through no link: put a folder in its place"),
    (lambda p: link(p / "pyproject.toml", p / "nowhere.toml"),
     "pyproject.toml is a link to .*: vitbench init writes through no link: put a file in its "
     "place"),
    (lambda p: (p / "benchmarks/test_latency.py").mkdir(parents=True),
     "benchmarks/test_latency.py is a folder, and should be a file: rename the folder"),
    (lambda p: (p / ".github").write_text(""),
     ".github is a file, and vitbench init needs a folder of that name: rename the file"),
    (lambda p: (p / "pyproject.toml").write_text("[tool.acme\n"),
     r"/.*pyproject.toml: not a TOML file: .*\(at line 1, column 11\)"),
    (lambda p: (p / "pyproject.toml").write_bytes(b"name = '\xff'"),
     "/.*pyproject.toml: not a TOML file: not UTF-8 text"),
    (lambda p: (p / "pyproject.toml").write_text("[tool.vitbench.model]\n"),
     r"/.*pyproject.toml:1: \[tool.vitbench\] has no key 'model': nearest: models.*"),
    (lambda p: (p / "pyproject.toml").write_text("tool = {acme = 1}\n"),
     r"pyproject.toml: a table \[tool.vitbench\] at its end is no TOML \(.*\): write the table into"
     " the file yourself"),
    (lambda p: (p / "pyproject.toml").mkdir(),
     "/.*pyproject.toml: cannot read the settings: Is a directory"),
    (lambda p: (p / "setup.cfg").write_text("pytest\n"), "setup.cfg: not an INI file: .*"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), WRONG)
def test_what_is_in_the_way_is_one_sentence_and_nothing_is_written(project, capsys, make, sentence):
    make(project)
    before = files(project)
    found = said(capsys, code=4)
    assert re.fullmatch(f"vitbench: error: {sentence}\n", found), found
    assert files(project) == before


@contextmanager
def no_file_larger_than(count: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_cannot_be_written_leaves_no_part_of_it(project, capsys):
    with no_file_larger_than(64):
        code = main(["init"])
    assert code == 4
    assert capsys.readouterr().err == (
        f"vitbench: error: benchmarks/{OURS[0]}: vitbench init cannot write the file: File too "
        "large; correct that, and run vitbench init again\n"
    )
    assert os.listdir(project / "benchmarks") == ["__init__.py"]
    assert f"benchmarks/{OURS[0]}: written" in said(capsys)


@pytest.mark.parametrize(
    ("remote", "make", "option", "line"),
    [
        (GITHUB, "", "", "github (the remote origin is of github)"),
        ("git@gitlab.acme.example:vision.git", "", "", "gitlab (the remote origin is of gitlab)"),
        ("ssh://git@GitLab.com:22/a/b", ".github/", "", "gitlab (the remote origin is of gitlab)"),
        ("git@code.acme.example:github/vision.git", "", "",
         "none (neither a remote nor a file says who runs it: --ci=github or --ci=gitlab does)"),
        ("", ".github/", "", "github (.github is there)"),
        ("", ".gitlab-ci.yml", "", "gitlab (.gitlab-ci.yml is there)"),
        (GITHUB, "", "--ci=gitlab", "gitlab (--ci=gitlab)"),
        (GITHUB, "", "--ci=none", "none (--ci=none)"),
    ],
)  # fmt: skip
def test_whose_workflow(project, capsys, remote, make, option, line):
    git(project, "remote", "remove", "origin")
    if remote:
        git(project, "remote", "add", "origin", remote)
    if make:
        (project / make).mkdir() if make.endswith("/") else (project / make).touch()
    out = said(capsys, *filter(None, [option]))
    assert f"CI: {line}\n" in out
    host = line.partition(" ")[0]
    assert (project / ".github/workflows/vitbench.yml").exists() == (host == "github")
    assert (project / ".gitlab/vitbench.yml").exists() == (host == "gitlab")


def test_a_gitlab_project_with_a_pipeline_keeps_it_and_is_told_what_to_add(project, capsys):
    file = project / ".gitlab-ci.yml"
    file.write_text("test: {script: [pytest]}\n")
    out = said(capsys, "--ci=gitlab")
    assert ".gitlab-ci.yml: kept: exists\n" in out
    assert (
        ".gitlab-ci.yml does not include .gitlab/vitbench.yml: add "
        "`include: [{local: .gitlab/vitbench.yml}]` to the file\n"
    ) in out
    file.write_text("include: [{local: .gitlab/vitbench.yml}]\n")
    assert "does not include" not in said(capsys, "--ci=gitlab")


def test_a_folder_inside_a_repository(project, capsys, monkeypatch):
    inner = project / "packages" / "vision"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    where = f"{inner} lies inside the repository {project}, at whose top a CI looks"
    assert said(capsys, "--ci=github", code=4) == (
        f"vitbench: error: --ci=github: {where}: run vitbench init there, or give --ci=none\n"
    )
    (project / "pytest.ini").touch()
    assert said(capsys, code=4) == (
        f"vitbench: error: pytest takes {project}/pytest.ini for its settings, so vitbench would "
        f"read {project}/pyproject.toml: run vitbench init in {project}, or give {inner} a "
        "pytest.ini of its own\n"
    )
    assert files(inner) == {}
    (inner / "pytest.ini").touch()
    assert f"CI: none ({where})\n" in said(capsys)
    assert (inner / "benchmarks" / OURS[0]).exists()


def test_a_folder_without_git(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    out = said(capsys)
    assert "git finds no repository here: until there is one, reports name no commit" in out
    assert "pyproject.toml: written\n" in out


@pytest.mark.parametrize(
    ("name", "text", "command", "remark"),
    [
        ("pytest.ini", "[pytest]\n", "pytest --benchmark-only", ""),
        ("pytest.ini", "", "pytest --benchmark-only", ""),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
         "pytest --benchmark-only benchmarks", "pyproject.toml: testpaths has no benchmarks"),
        ("pyproject.toml", '[tool.pytest]\ntestpaths = ["tests", "bench*"]\n',
         "pytest --benchmark-only", ""),
        ("setup.cfg", "[tool:pytest]\ntestpaths = tests\naddopts = -v -nauto\n",
         "pytest --benchmark-only -n0 benchmarks", "setup.cfg: testpaths has no benchmarks"),
        ("tox.ini", "[pytest]\npython_files = check_*.py\n",
         "pytest --benchmark-only", "tox.ini: python_files = check_*.py leaves out"),
        ("tox.ini", "[tox]\nenv_list = py\n", "pytest --benchmark-only", ""),
    ],
)  # fmt: skip
def test_the_command_follows_the_settings_of_pytest(project, capsys, name, text, command, remark):
    (project / name).write_text(text)
    out = said(capsys)
    assert f"\n  {command}\n" in out
    assert (remark in out) if remark else ("testpaths" not in out and "python_files" not in out)
    assert f"- run: {command} --junit" in (project / ".github/workflows/vitbench.yml").read_text()
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    own = "tool" in settings and "ini_options" in settings["tool"].get("pytest", {})
    assert own == ("ini_options" in text or text.startswith("[tox]"))


def steps(path: Path) -> list[str]:
    """The shell lines of a workflow."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "jobs" in found:
        (job,) = found["jobs"].values()
        return [step["run"] for step in job["steps"] if "run" in step]
    return [line for job in found.values() for part in ("before_script", "script")
            for line in job.get(part, ())]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "file"),
    [("github", ".github/workflows/vitbench.yml"), ("gitlab", ".gitlab/vitbench.yml")],
)
def test_each_command_of_a_workflow_parses(project, pytestconfig, host, file):
    (project / "tests").mkdir()
    (project / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    assert main(["init", f"--ci={host}"]) == 0
    registered = pytestconfig._parser.optparser
    found = commands(file, "```sh\n" + "\n".join(steps(project / file)) + "\n```\n")
    duet = ["pytest"] * (host == "gitlab")
    assert [each.words[0] for each in found] == ["python", "pytest", "vitbench", *duet]
    assert [wrong(each, registered) for each in found] == [""] * len(found)
    text = (project / file).read_text().replace("--benchmark-only", "--benchmark-once")
    (project / file).write_text(text.replace("--baseline=", "--base="))
    planted = commands(file, "```sh\n" + "\n".join(steps(project / file)) + "\n```\n")
    assert [bool(wrong(each, registered)) for each in planted] == [False] + [True] * len(found[1:])
    assert not re.search(r"\b[A-Z]+_(COMMAND|VERSION)\b", text)
    for kept in ("reports/history", "cache", "vitbench.xml" if host == "gitlab" else "*.xml"):
        assert kept in text


def test_the_duet_of_a_pull_request_parses_and_has_no_right(project, pytestconfig):
    assert main(["init", "--ci=github"]) == 0
    file = WORKFLOWS["github"]["github-duet.yml"]
    found = yaml.safe_load((project / file).read_text())
    assert (found[True], found["permissions"]) == ("pull_request", {"contents": "read"})
    ours = [line for line in steps(project / file) if not line.startswith("cat ")]
    both = commands(file, "```sh\n" + "\n".join(ours) + "\n```\n")
    assert [wrong(each, pytestconfig._parser.optparser) for each in both] == ["", ""]
    assert "--markdown=vitbench-duet.md" in both[1].words
    assert not any("${{" in each for each in steps(project / file)), "no text of others in a shell"
    assert "secrets." not in (project / file).read_text()


def test_a_merge_request_is_compared_with_its_base(project):
    assert main(["init", "--ci=gitlab"]) == 0
    found = yaml.safe_load((project / ".gitlab/vitbench.yml").read_text())
    duet, run = found["vitbench-duet"], found["vitbench"]
    assert duet["variables"] == {"GIT_DEPTH": "0"}
    assert '--against="origin/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"' in duet["script"][0]
    assert duet["rules"] == [{"if": run["rules"][0]["if"]}], "there is no base elsewhere"
    assert duet["artifacts"]["reports"]["junit"] in duet["script"][0]
    assert {duet["extends"], run["extends"]} == {".vitbench"} < found.keys()


def comment(project):
    assert main(["init", "--ci=github"]) == 0
    file = project / WORKFLOWS["github"]["github-comment.yml"]
    return yaml.safe_load(file.read_text())


def test_who_comments_runs_nothing_of_the_pull_request(project):
    found = comment(project)
    duet = yaml.safe_load((project / WORKFLOWS["github"]["github-duet.yml"]).read_text())
    assert found[True]["workflow_run"]["workflows"] == [duet["name"]]
    assert found["permissions"] == {"actions": "read", "pull-requests": "write"}
    (job,) = found["jobs"].values()
    uses = [step["uses"].partition("@")[0] for step in job["steps"]]
    assert set(uses) == {"actions/github-script", "actions/download-artifact"}
    assert not any("${{" in step["with"].get("script", "") for step in job["steps"])
    (upload,) = [s for s in duet["jobs"]["duet"]["steps"] if "upload-artifact" in s.get("uses", "")]
    (download,) = [step for step in job["steps"] if "download" in step["uses"]]
    assert upload["with"]["name"] == download["with"]["name"]


PLAY = """
const [script, temp, event] = process.argv.slice(1), said = []
process.env.RUNNER_TEMP = temp
const pulls = [{number: 7, head: {sha: 'abc'}}, {number: 8, head: {sha: 'other'}}]
const github = {
  rest: {pulls: {list: 'pulls'}, issues: {
    listComments: 'comments',
    updateComment: each => said.push(['update', each]),
    createComment: each => said.push(['create', each]),
  }},
  paginate: async (what, asked) => what === 'pulls' ? (said.push(['ask', asked]), pulls) : [],
}
const context = {repo: {owner: 'acme', repo: 'vision'}, payload: {workflow_run: JSON.parse(event)}}
const core = {setFailed: why => said.push(['failed', why])}
const Run = Object.getPrototypeOf(async function () {}).constructor
new Run('github', 'context', 'core', 'require', script)(github, context, core, require)
  .then(() => console.log(JSON.stringify(said)))
"""


@pytest.fixture
def say(project, tmp_path):
    """Run the script that comments, as it is written, on a page that a fork left."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = comment(project)["jobs"]["comment"]["steps"][-1]["with"]["script"]
    event = {
        "head_repository": {"owner": {"login": "fork"}},
        "head_branch": "x;$(id)`", "head_sha": "abc",
        "html_url": "https://github.com/acme/vision/actions/runs/1",
    }  # fmt: skip

    def play(make):
        folder = tmp_path / "vitbench-duet"
        folder.mkdir(exist_ok=True)
        make(folder / "vitbench-duet.md")
        command = [node, "-e", PLAY, script, str(tmp_path), json.dumps(event)]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    return play


def test_a_page_of_a_fork_is_text_in_the_pull_request_of_the_event(say):
    hostile = "**PASSED** <img src=x> @all [a](//evil) [b]: ftp://e www.e.org PR: 12 ${{ x }}\n"
    ask, create = say(lambda page: page.write_text(hostile))
    assert ask[1]["head"] == "fork:x;$(id)`"
    assert (create[0], create[1]["issue_number"]) == ("create", 7)
    shown = create[1]["body"].removeprefix("<!-- vitbench duet -->\n").rpartition("_By the run")[0]
    for mark in ("<", ">", "@all", "](", "]:", "://", "www.e"):
        assert mark not in shown
    assert "PR: 12" in shown


def test_what_vitbench_writes_is_shown_as_it_is(say):
    page = markdown([Verdict("m/v/cpu/b1", "SLOWER", "a|b <c> [d] @e http://f")])
    assert f"\n{page}" in say(lambda file: file.write_text(page))[1][1]["body"]


@pytest.mark.parametrize(
    "make",
    [
        lambda page: page.write_text("x" * 60001),
        lambda page: page.symlink_to("/etc/hostname"),
        lambda page: page.mkdir(),
    ],
)
def test_a_page_that_is_too_large_or_no_file_is_not_shown(say, make):
    assert [what for what, _ in say(make)] == ["ask", "failed"]


def test_gitlab_includes_the_job(project):
    assert main(["init", "--ci=gitlab"]) == 0
    found = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    assert found == {"include": [{"local": ".gitlab/vitbench.yml"}]}
    assert (project / found["include"][0]["local"]).is_file()


def uncommented(text: str) -> str:
    """The table with its examples, which stand in comments, in force."""
    return re.sub(r"^# (?=\[|[\w\"*/-]+ = )", "", text, flags=re.MULTILINE)


def test_the_examples_of_the_table_are_toml():
    text = table({"base": 'a "name"', "b.c": "x"}, ["acme"], date(2026, 11, 27))
    plain = tomllib.loads(text)["tool"]["vitbench"]
    assert plain == {"history_since": "2026-12-11", "models": {"base": 'a "name"', "b.c": "x"}}
    whole = tomllib.loads(uncommented(text))["tool"]["vitbench"]
    assert set(whole["models"]) == {"base", "b.c", "vit", "tuned", "saved", "own"}
    assert set(whole["variants"]) == {"own-int8", "shipped"}
    assert whole["contracts"]
    assert whole["models"]["own"].startswith("py:acme.")


def test_the_examples_of_the_table_are_what_a_project_may_write(tmp_path):
    file = tmp_path / "pyproject.toml"
    text = uncommented(table({}, ["acme"], date(2026, 11, 27)))
    file.write_text(text.replace('limits = "rebuilt"', 'limits = "rebuilt"\nmodel = "vit"'))
    found = read_project(file, tmp_path)
    assert [row.name for row in found.variants] == ["own-int8", "shipped"]
    assert set(found.models) == {"vit", "tuned", "saved", "own"}
    assert read_contracts(file)
    file.write_text(file.read_text().replace("transform =", "transfrom ="))
    with pytest.raises(UserError, match="there is no key 'transfrom': nearest: transform"):
        read_project(file, tmp_path)


def test_nothing_is_suggested_that_the_project_does_not_have(project):
    for name in ("tests", "docs"):
        (project / name).mkdir()
        (project / name / "__init__.py").touch()
    (text,) = (f.content.decode() for f in plan(project, {}, "none", date.today()).files[-1:])
    assert "py:" not in text
    assert "transform" not in text
    assert "artifact" in text
    (project / "src" / "acme").mkdir(parents=True)
    (project / "src" / "acme" / "__init__.py").touch()
    (text,) = (f.content.decode() for f in plan(project, {}, "none", date.today()).files[-1:])
    assert '# own = "py:acme.MODULE:FUNCTION"' in text
    assert '# transform = "acme.MODULE:FUNCTION"' in text


def test_a_model_that_is_none_is_refused_before_anything_is_written(project, capsys):
    found = said(capsys, "--model=mine=deit_tiny@nowhere.pth", code=4)
    assert "nowhere.pth does not exist" in found
    assert files(project) == {}


@pytest.mark.parametrize(
    ("direct_url", "text"),
    [
        ({}, f"vitbench[suite]=={__version__}"),
        ({"url": "file:///tmp/vitbench.whl"}, f"vitbench[suite]=={__version__}"),
        ({"url": "https://acme.example/vitbench.whl"},
         "vitbench[suite] @ https://acme.example/vitbench.whl"),
        ({"url": "https://acme.example/v.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
         "vitbench[suite] @ git+https://acme.example/v.git@abc"),
    ],
)  # fmt: skip
def test_a_workflow_installs_what_is_installed_here(direct_url, text):
    found = of_direct_url(direct_url)
    assert found.text == text
    assert bool(found.remark) == direct_url.get("url", "").startswith("file:")


def test_the_settings_of_the_table_are_read(project):
    assert main(["init"]) == 0
    assert read_settings(project / "pyproject.toml").history_since > date.today()
