"""The commands, options and links of the documents, read from their text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitbench.init.plan import WORKFLOWS

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "pyproject.toml").is_file())

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
OURS = ("vitbench", "pytest", "python", "tox")
OTHERS = ("git", "cd", "ruff", "mypy", "pre-commit", "uv", "set", "[")
"""First words of shell lines that these tests do not look into."""
WRITTEN = ("tests/thorough.json", *WORKFLOWS["github"].values())
"""What a run or a command writes: a checkout may not have it."""


@dataclass(frozen=True)
class Command:
    """One command of a document. `whole` in a block of code; a span in a sentence may leave out
    what it is not about, such as the report."""

    file: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.words)}"


def documents() -> dict[str, str]:
    """The text of each document for users and developers, by its path."""
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "reports/README.md"]
    places += [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in places}


def split(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a shell line, without variables that are set for them."""
    line = re.sub(r"\$\{\{.*?\}\}|\$\(.*?\)|\$\w+", "SHELL", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in (*lexer, ";"):
        if not set(word) <= set("&|;"):
            words.append(word)
            continue
        while words and ASSIGNMENT.match(words[0]):
            del words[0]
        if words:
            yield tuple(words)
        words = []


def commands(file: str, text: str) -> list[Command]:
    """The commands of a document that start vitbench, pytest, Python or tox.

    Blocks without a language are searched too. Raises ValueError for a line of a shell block that
    starts something these tests do not know.
    """
    found = []
    for language, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if language in ("", "yaml", "yml"):
                line = re.sub(r"^\s*(- )?(run: )?", "", line)
                if line.split(" ")[0] not in OURS:
                    continue
            elif language not in ("sh", "bash", "shell"):
                continue
            for words in split(line):
                if words[0] in OURS:
                    found.append(Command(file, words, True))
                elif words[0] not in OTHERS:
                    raise ValueError(f"{file}: the tests of documents do not know {words[0]!r}")
    for span in SPAN.findall(FENCE.sub("", text)):
        words = " ".join(span.split()).replace("\\|", "|")
        if words.split(" ")[0] in OURS and " " in words:
            found += [Command(file, each, False) for each in split(words.replace("|", "/"))]
    return found


def options(text: str) -> list[str]:
    """Options that a document names in code of their own: `--images=DIR`, not those of commands."""
    spans = SPAN.findall(FENCE.sub("", text))
    return [m[0] for span in spans if (m := re.match(r"--[a-z][\w-]*", span))]


def missing_files(text: str) -> list[str]:
    """Files and folders of the repository that a document names in code and that do not exist."""
    spans = SPAN.findall(FENCE.sub("", text))
    place = re.compile(r"(?:vitbench|tests|docs|benchmarks|fixtures|\.github)/[\w./-]*")
    named = [span for span in spans if place.fullmatch(span) and not re.search("[A-Z]+", span)]
    return [name for name in named if name not in WRITTEN and not (ROOT / name).exists()]


def lost_references(source: str) -> list[str]:
    """What a source says of a document, `docs/NAME.md, Heading`, that is not there. The words after
    the comma may be the beginning of the heading."""
    lost = []
    for name, words in re.findall(r"docs/(\w+)\.md(?:, ([A-Z][\w ]*))?", source):
        page = ROOT / f"docs/{name}.md"
        text = page.read_text(encoding="utf-8") if page.is_file() else ""
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
        if not page.is_file() or not any(each.startswith(words) for each in headings):
            lost.append(f"docs/{name}.md, {words}")
    return lost


def slug(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead_links(path: Path, text: str) -> list[str]:
    """Relative links of a document, pictures too, whose file or heading does not exist."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", SPAN.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists():
            dead.append(target)
        elif heading:
            there = text if file == path else file.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", there), re.MULTILINE)
            if heading not in {slug(each) for each in headings}:
                dead.append(target)
    return dead
