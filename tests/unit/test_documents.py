"""Each command of the documents is parsed, or run on the bundled reports; each link is followed."""

import argparse
import importlib.util
import re
import shutil
import textwrap
import tomllib
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.browser.pictures import table
from tests.helpers.documents import (
    FENCE,
    ROOT,
    Command,
    commands,
    dead_links,
    documents,
    leaf,
    lost_references,
    missing_files,
    options,
    relax,
    split,
    unknown,
)
from vitbench.cli.main import main, parser
from vitbench.cli.options import OPTIONS

READING = ("list", "show", "best", "gate", "accept", "history", "compare")
"""Commands that need reports alone, so that they are run."""
EXAMPLES = sorted((ROOT / "reports/example").glob("*.json"))
FOUND = [each for file, text in documents().items() for each in commands(file, text)]


def of(*programs: str) -> list[Command]:
    return [each for each in FOUND if each.words[0] in programs]


def wrong(command: Command, registered: argparse.ArgumentParser) -> str:
    """What is wrong with a command of a document, or nothing. `registered`: pytest's options."""
    program, *words = command.words
    try:
        if program == "python":
            return wrong_module(command, registered)
        if program == "tox":
            return wrong_tox(command, registered)
        if program == "pytest":
            return wrong_pytest(words, registered)
        top = parser()
        if bad := unknown(leaf(top, words), words):
            return f"no such option: {', '.join(bad)}"
        if not command.whole:
            relax(leaf(top, words))
        if "--help" not in words and "--version" not in words:
            top.parse_args(words)
    except (SystemExit, pytest.UsageError, argparse.ArgumentError) as error:
        return f"refused: {error}"
    return ""


def wrong_pytest(words: list[str], registered: argparse.ArgumentParser) -> str:
    if bad := unknown(registered, [word for word in words if word.startswith("--")]):
        return f"no such option: {', '.join(bad)}"
    chosen = registered.parse_intermixed_args(words, argparse.Namespace())
    places = [each.partition("::")[0] for each in chosen.file_or_dir]
    if chosen.pyargs:
        return ", ".join(f"no module {p}" for p in places if not importlib.util.find_spec(p))
    return ", ".join(f"no file {place}" for place in places if not (ROOT / place).exists())


def wrong_module(command: Command, registered: argparse.ArgumentParser) -> str:
    """Of `python -m MODULE ...`: pytest, vitbench, pip, or a script of the tests."""
    dash, module, *words = command.words[1:]
    if dash != "-m":
        return "starts no module"
    if module in ("pytest", "vitbench"):
        return wrong(Command(command.file, (module, *words), command.whole), registered)
    if module in ("pip", "build"):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        bracketed = "".join(re.findall(r"\[[^]]*\]", " ".join(words)))
        extras = re.findall(r"\w+", bracketed)
        files = [after for word, after in pairwise(words) if word in ("-c", "-r")]
        missing = [f"no extra {e}" for e in extras if e not in project["optional-dependencies"]]
        return ", ".join(missing + [f"no file {f}" for f in files if not (ROOT / f).is_file()])
    source = source_of(module)
    if not source:
        return f"no module {module}"
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    return ", ".join(f"no option {each}" for each in given if f'"{each}"' not in source)


def source_of(module: str) -> str:
    """The text of a module, or nothing where there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return ""
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def wrong_tox(command: Command, registered: argparse.ArgumentParser) -> str:
    """Of `tox -e ENVIRONMENTS [-- arguments of pytest]`."""
    words = list(command.words[1:])
    end = words.index("--") if "--" in words else len(words)
    ini = ConfigParser(interpolation=None)
    ini.read(ROOT / "tox.ini", encoding="utf-8")
    asked = [name for each in words[1:end] for name in each.split(",")]
    for name in asked:
        if f"testenv:{name}" not in ini:
            return f"tox.ini has no environment {name}"
    runs_pytest = all("pytest" in ini[f"testenv:{name}"]["commands"] for name in asked)
    return wrong_pytest(words[end + 1 :], registered) if runs_pytest else ""


@pytest.fixture
def registered(pytestconfig):
    """What pytest parses its command line with, vitbench's options among the others."""
    return pytestconfig._parser.optparser


@pytest.mark.parametrize("command", FOUND, ids=str)
def test_a_command_of_a_document_is_one(command, registered):
    assert not wrong(command, registered)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("vitbench show REPORT --wrong", "no such option: --wrong"),
        ("vitbench gate REPORT --inconclusiv=pass", "no such option: --inconclusiv"),
        ("vitbench gate REPORT --inconclusive=maybe", "refused"),
        ("vitbench shows REPORT", "refused"),
        ("pytest --benchmark-only --modle=x", "no such option: --modle"),
        ("pytest --weights=none", "refused"),
        ("pytest benchmarks/test_latencies.py", "no file benchmarks/test_latencies.py"),
        ("python -m pytest --no-such", "no such option: --no-such"),
        ("python -m tests.no_such", "no module tests.no_such"),
        ("python -m tests.fidelity.witness_cost --second=3", "no option --second"),
        ("python -m pip install -e '.[no_such]'", "no extra no_such"),
        ("tox -e no-such", "no environment no-such"),
        ("tox -e bench -- --modle=x", "no such option: --modle"),
    ],
)
def test_a_wrong_command_is_found(line, why, registered):
    planted = commands("planted.md", f"```sh\n{line}\n```\n")
    assert len(planted) == 1
    assert why in wrong(planted[0], registered)


def test_a_span_may_leave_out_the_report_and_a_block_may_not(registered):
    text = "`vitbench gate --contracts`\n```sh\nvitbench gate --contracts\n```\n"
    block, span = commands("planted.md", text)
    assert wrong(block, registered)
    assert not wrong(span, registered)


def test_an_unknown_program_of_a_shell_block_is_named():
    with pytest.raises(ValueError, match="curl"):
        commands("planted.md", "```sh\ncurl example\n```\n")


def test_a_line_of_shell_is_split_at_its_operators():
    line = 'A=1 vitbench gate "$(ls -t x | head)" --json=a.json || [ $? = 1 ] # why'
    assert list(split(line)) == [
        ("vitbench", "gate", "SHELL", "--json=a.json"),
        ("[", "$?", "=", "1", "]"),
    ]


@pytest.mark.parametrize("file", documents())
def test_an_option_of_a_document_exists(file, registered):
    known = {*registered._option_string_actions, "--fix", "--lf"}
    stack = [parser()]
    while stack:
        known |= set(stack[-1]._option_string_actions)
        last = stack.pop()._actions
        nested = (a.choices for a in last if isinstance(a, argparse._SubParsersAction))
        stack += [each for choices in nested for each in choices.values()]
    for each in of("python"):
        if each.file == file and each.words[2].startswith("tests."):
            known |= set(re.findall(r'"(--[a-z-]+)"', source_of(each.words[2])))
    assert "--min-agreement" in known
    assert [each for each in options(documents()[file]) if each not in known] == []


def takers(table: str) -> dict[str, set[str]]:
    """Which of the commands `predict` and `export` take each option, by docs/cli.md: those marked *
    both, others where their row says so."""
    said = {}
    for row in re.findall(r"^\| (`--.*) \|$", table, re.MULTILINE):
        option, _, about = row.partition(" | ")
        also = {c for c in ("predict", "export") if f"Also of `vitbench {c}" in about}
        for name in re.findall(r"`(--[a-z-]+)", option):
            said[name] = {"predict", "export"} if option.endswith("*") else also
    return said


def test_the_commands_that_take_an_option_are_documented():
    said, taken = takers(documents()["docs/cli.md"]), {}
    for option in OPTIONS:
        commands_of = {"predict", "export"} & set(option.commands)
        taken.setdefault(option.name, set()).update(commands_of)
    assert {name: said.get(name) for name in taken} == taken
    assert takers("| `--a=X`, `--b` | c. Also of `vitbench export` |\n| `--d` * | e |") == {
        "--a": {"export"}, "--b": {"export"}, "--d": {"export", "predict"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with a history, as the commands of the documents find it."""
    folder = tmp_path_factory.mktemp("project")
    history = folder / "reports/history"
    history.mkdir(parents=True)
    for report in EXAMPLES:
        shutil.copy(report, history)
    timm = "model,infer_samples_per_sec,infer_step_time\ndeit_tiny_patch16_224,50.0,20.0\n"
    (folder / "timm.csv").write_text(timm, encoding="utf-8")
    contract = '[tool.vitbench.contracts]\n"*/int8-dynamic/cpu/b1" = ["speedup >= 0.1"]\n'
    (folder / "pyproject.toml").write_text(contract, encoding="utf-8")
    (folder / "public").mkdir()
    return folder


def runnable() -> list[Command]:
    """Commands on reports that are whole, each once."""
    found = {each.words: each for each in of("vitbench") if each.words[1] in READING}
    return [each for each in found.values() if each.whole or "REPORT" in each.words]


def with_the_bundled(words: tuple[str, ...], project: Path) -> list[str]:
    """The words of a command, with the bundled reports where a document has a placeholder."""
    newest = sorted((project / "reports/history").glob("*.json"))[-1]
    given = {"REPORT": newest, "SHELL": newest, "reports/history/NAME.json": newest,
             "kept/reports/history": project / "reports/history"}  # fmt: skip
    exact = [str(given.get(word, word)) for word in words]
    return [re.sub(r"=SHELL$", "=out.txt", word) for word in exact]


@pytest.mark.parametrize("command", runnable(), ids=str)
def test_a_command_on_reports_runs(command, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    code = main(with_the_bundled(command.words[1:], project))
    said = capsys.readouterr()
    assert code in (0, 1, 2, 3), said.err
    assert said.out


def test_every_command_helps(capsys):
    names = sorted({each.words[1] for each in of("vitbench") if each.words[1][0] != "-"})
    assert {*READING, "predict", "export", "duet", "aa-run"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit, match=r"^0$"):
            main([name, "--help"])
        assert f"vitbench {name}" in capsys.readouterr().out


def markdown() -> list[str]:
    from subprocess import run

    listed = run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.split() or [*documents()]


@pytest.mark.parametrize("file", markdown())
def test_a_link_leads_somewhere(file):
    assert dead_links(ROOT / file, (ROOT / file).read_text(encoding="utf-8")) == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "b.md").write_text("# A heading\n", encoding="utf-8")
    text = "# Here\n[a](b.md#a-heading) [b](no.md) [c](b.md#none) [d](#here) ![e](no.png) [f](x:y)"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    assert dead_links(tmp_path / "a.md", text) == ["no.md", "b.md#none", "no.png"]


@pytest.mark.parametrize("file", documents())
def test_a_file_that_a_document_names_exists(file):
    assert missing_files(documents()[file]) == []


def test_a_file_that_does_not_exist_is_found():
    text = "`vitbench/cli/` `vitbench/no/` `tests/golden/schema-N.json` `x/y` `docs/no.md`"
    assert missing_files(text) == ["vitbench/no/", "docs/no.md"]


def test_what_the_code_says_of_a_document_is_there():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "vitbench").rglob("*.py")]
    assert sum(source.count("docs/") for source in sources) >= 5
    assert [lost for source in sources for lost in lost_references(source)] == []


def test_a_document_or_heading_that_the_code_has_lost_is_found():
    source = "# docs/gate.md\n# docs/results.md, Noise.\n# docs/results.md, Nose.\n# docs/no.md"
    assert lost_references(source) == ["docs/results.md, Nose", "docs/no.md, "]


def blocks(language: str) -> list:
    found = [(file, *block) for file, text in documents().items() for block in FENCE.findall(text)]
    return [pytest.param(textwrap.dedent(b), id=f) for f, kind, b in found if kind == language]


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_workflow_of_a_document_is_yaml(block):
    jobs = yaml.safe_load(block)
    assert jobs.get("jobs", jobs).keys() <= {"gate", "page", "vitbench"}


@pytest.mark.parametrize("block", blocks("toml"))
def test_settings_of_a_document_are_toml(block):
    assert set(tomllib.loads(block)["tool"]["vitbench"]) <= {"contracts", "history_since"}


def test_python_of_a_document_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code = [b for kind, b in FENCE.findall(documents()["docs/extending.md"]) if kind == "python"]
    assert code
    for block in code:
        exec(compile(block, "docs/extending.md", "exec"), {})
    assert "deit_tiny_patch16_224/fp32/cpu/b1 ['latency']" in capsys.readouterr().out


def messages() -> str:
    """The code of vitbench, with texts that go over several lines in one piece."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "vitbench").rglob("*.py"))
    return re.sub(r"[\"']\s*\n\s*f?[\"']", "", "\n".join(sources)).lower()


def test_the_messages_that_troubleshooting_explains_are_still_said():
    quoted = re.findall(r'"([^"]+)"', documents()["docs/troubleshooting.md"])
    said = messages()
    assert len(quoted) > 10
    assert [words for words in quoted if words.lower() not in said] == []


def test_the_house_has_every_folder():
    house = documents()["CONTRIBUTING.md"]
    folders = {path.parent.name for path in (ROOT / "vitbench").glob("*/__init__.py")}
    folders |= {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert {"stats", "suite"} <= folders
    assert [name for name in folders if f"\n  {name}/ " not in house] == []


def test_the_picture_shows_the_table_of_today():
    drawn = (ROOT / "docs/pictures/table.svg").read_text(encoding="utf-8")
    assert drawn == table(), "python -m tests.browser.pictures makes it again"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900
