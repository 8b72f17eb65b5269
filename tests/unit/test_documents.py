"""What the documents name is there: links, files, headings, messages, pictures, settings."""

import re
import textwrap
import tomllib
from subprocess import run

import pytest
import yaml

from tests.browser.pictures import table
from tests.helpers.documents import (
    FENCE,
    ROOT,
    dead_links,
    documents,
    lost_references,
    missing_files,
)
from vitbench.pyproject import KEYS
from vitbench.runtimes import RUNTIMES


def markdown() -> list[str]:
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
    assert jobs.get("jobs", jobs).keys() <= {"gate", "page", "shard", "vitbench"}


@pytest.mark.parametrize("block", blocks("toml"))
def test_settings_of_a_document_are_toml(block):
    assert set(tomllib.loads(block)["tool"]["vitbench"]) <= set(KEYS)


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
    base = {path.name for path in (ROOT / "vitbench").glob("[!_]*.py")} - {"arm.py"}
    assert [name for name in base if name not in house.split()] == []


def test_the_picture_shows_the_table_of_today():
    drawn = (ROOT / "docs/pictures/table.svg").read_text(encoding="utf-8")
    assert drawn == table(), "python -m tests.browser.pictures makes it again"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


def test_the_second_table_of_variants_has_every_runtime():
    text = documents()["docs/variants.md"].partition("\n| runtime |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    named = {name.lower().replace(" ", "") for cell in cells for name in cell.split(", ")}
    assert {name.replace("_", "") for name in RUNTIMES} - named == set()
