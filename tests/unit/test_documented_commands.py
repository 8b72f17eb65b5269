"""Each command of the documents is parsed, or run on the bundled reports."""

import argparse
import re
import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from tests.helpers.documented import source_of, wrong
from tests.helpers.documents import ROOT, Command, commands, documents, options, split
from vitbench.cli.main import main, parser
from vitbench.cli.options import OPTIONS

READING = ("list", "show", "best", "gate", "accept", "history", "compare")
"""Commands that need reports alone, so that they are run."""
EXAMPLES = sorted((ROOT / "reports/example").glob("*.json"))
FOUND = [each for file, text in documents().items() for each in commands(file, text)]


def of(*programs: str) -> list[Command]:
    return [each for each in FOUND if each.words[0] in programs]


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
    """Which of the commands `predict` and `package` take each option, by docs/cli.md: those marked
    * both, others where their row says so."""
    said = {}
    for row in re.findall(r"^\| (`--.*) \|$", table, re.MULTILINE):
        option, _, about = row.partition(" | ")
        also = {c for c in ("predict", "package") if f"Also of `vitbench {c}" in about}
        for name in re.findall(r"`(--[a-z-]+)", option):
            said[name] = {"predict", "package"} if option.endswith("*") else also
    return said


def test_the_commands_that_take_an_option_are_documented():
    said, taken = takers(documents()["docs/cli.md"]), {}
    for option in OPTIONS:
        commands_of = {"predict", "package"} & set(option.commands)
        taken.setdefault(option.name, set()).update(commands_of)
    assert {name: said.get(name) for name in taken} == taken
    assert takers("| `--a=X`, `--b` | c. Also of `vitbench package` |\n| `--d` * | e |") == {
        "--a": {"package"}, "--b": {"package"}, "--d": {"package", "predict"},
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
    with chdir(folder):  # a command may run on its own
        assert main(["accept", str(sorted(history.glob("*.json"))[-1])]) == 0
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
    assert {*READING, "predict", "package", "duet", "aa-run"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit, match=r"^0$"):
            main([name, "--help"])
        assert f"vitbench {name}" in capsys.readouterr().out
