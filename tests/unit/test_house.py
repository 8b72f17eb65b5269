"""The rules of the house, read from the imports, and documents that name everything."""

import argparse
import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vitbench.cli.main import parser
from vitbench.cli.options import OPTIONS, options_of

ROOT = Path(__file__).resolve().parents[2]

# Modules that every folder but stats/ may stand on.
BASE = frozenset(
    {"case", "errors", "environment", "lfs", "place", "processor", "pyproject", "team_code",
     "team_sources", "variables", "packages"}
)  # fmt: skip
# What a folder may import of ours, beside BASE and itself. What is not listed (cli, plugin, duet)
# stands on all of them.
MAY: dict[str, frozenset[str]] = {}
READERS = (
    "stats",
    "structure",
    "heads",
    "report",
    "judge",
    "gate",
    "history",
    "show",
)  # of JSON, without torch
MAY["stats"] = frozenset()
MAY["structure"] = frozenset()
MAY["heads"] = frozenset({"stats"})
MAY["report"] = frozenset()
MAY["judge"] = MAY["report"] | {"stats", "structure", "report", "heads"}
MAY["gate"] = MAY["judge"] | {"judge"}
MAY["history"] = MAY["judge"] | {"judge"}
MAY["show"] = MAY["gate"] | {"gate", "history", "duet"}
MAY["init"] = frozenset()
MAY["models"] = frozenset()
MAY["runtimes"] = frozenset({"models", "structure"})
MAY["project"] = MAY["runtimes"] | {"runtimes", "heads"}
MAY["build"] = MAY["runtimes"] | {"runtimes", "stats", "heads"}
MAY["measure"] = MAY["build"] | {"build", "project", "stats", "heads", "report", "judge"}
MAY["photo"] = MAY["measure"] | {"measure"}
MAY["blame"] = MAY["measure"] | {"measure", "duet", "init"}
MAY["fleet"] = MAY["show"] | {"build", "show", "measure"}
MAY["load"] = MAY["measure"] | {"measure", "duet", "photo"}
# The duet's files that show/ imports: they read what was recorded.
DUET_READERS = tuple(
    f"vitbench/duet/{name}.py"
    for name in (
        "aa/gates", "aa/recording", "aa/summary", "block", "block_verdicts", "operators", "rule",
        "verdicts",
    )
)  # fmt: skip
# The modules that know Ray: receipts and resuming do not.
RAY = tuple(f"vitbench/fleet/{name}.py" for name in ("on_host", "ray_hosts", "ray_nodes"))
PYTEST = frozenset({"pytest", "_pytest", "pytest_benchmark", "xdist"})
EXECUTORS = frozenset(
    {"torch", "torchvision", "torchao", "timm", "transformers", "onnx", "onnxruntime", "openvino",
     "nncf", "executorch"}
)  # fmt: skip
HEAVY = EXECUTORS | {"plotly", "skimage", "scipy", "huggingface_hub", "safetensors",
                     "cv2", "simplejpeg", "ray"}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported name, dotted. `lazy` where importing the module does not execute it."""

    name: str
    line: int
    lazy: bool

    @property
    def root(self) -> str:
        return self.name.split(".")[0]


def imports(source: str) -> Iterator[Import]:
    """Every import of a module, those by a constant `import_module("...")` too."""

    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(f"{origin}.{alias.name}", node.lineno, lazy)
        elif isinstance(node, ast.Call) and _imports_by_name(node):
            yield Import(node.args[0].value, node.lineno, lazy)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.body:
                yield from walk(child, True)
            for child in node.orelse:
                yield from walk(child, lazy)
            return
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, lazy or inside)

    yield from walk(ast.parse(source), False)


def _imports_by_name(call: ast.Call) -> bool:
    named = ast.unparse(call.func).split(".")[-1] in ("import_module", "__import__")
    return named and bool(call.args) and isinstance(getattr(call.args[0], "value", None), str)


def violations(path: str, source: str) -> list[str]:
    """Broken rules of one file, a sentence each. `path` is relative to the root, with slashes."""
    folder, *inner = path.split("/")
    found = list(imports(source))
    told = []

    def forbid(broken: Iterable[Import], why: str) -> None:
        told.extend(f"{path}:{each.line} imports {each.name}: {why}" for each in broken)

    forbid((i for i in found if i.root == ""), "write the full name, so that it can be checked")
    if folder == "conftest.py":
        forbid(found, "conftest.py loads the fixture modules, nothing else")
    if folder == "benchmarks":
        other = (i for i in found if not i.name.startswith("vitbench.benchmarks."))
        forbid(other, "benchmarks/ has the tests of vitbench/benchmarks, a thin module a file")
    if path.startswith("vitbench/benchmarks/"):
        forbid((i for i in found if i.root != "pytest"), "benchmarks/ says only what is measured")
        return told
    if folder in ("vitbench", "fixtures"):
        early = (i for i in found if i.root in HEAVY and not i.lazy)
        forbid(early, "heavy, so only inside a function")
    if folder != "vitbench" or inner[0] == "plugin":
        return told
    if path not in RAY:
        forbid((i for i in found if i.root == "ray"), "only three modules of fleet/ know Ray")
    outside = PYTEST | {"fixtures", "benchmarks", "conftest", "tests"}
    forbid((i for i in found if i.root in outside), "only plugin/ knows pytest")
    forbid((i for i in found if i.name.startswith("vitbench.plugin")), "only pytest loads plugin/")

    package = inner[0].removesuffix(".py")
    if package in READERS or path in DUET_READERS:
        forbid((i for i in found if i.root in EXECUTORS), f"{package}/ reads JSON, without torch")
    if path in DUET_READERS:
        allowed = BASE | MAY["gate"] | {"duet"}
    elif package == "stats":
        allowed = frozenset({"stats"})
    elif package in MAY:
        allowed = BASE | MAY[package] | {package}
    elif package in BASE:
        allowed = BASE
    else:
        return told
    ours = (i for i in found if i.root == "vitbench" and not _within(i.name, allowed))
    forbid(ours, f"{package} may import only {', '.join(sorted(allowed))}")
    return told


def _within(name: str, allowed: Iterable[str]) -> bool:
    part = name.split(".")[1] if "." in name else ""
    return part in allowed or part == "__version__"


def modules() -> list[str]:
    """Every Python file of the repository's places."""
    found = [ROOT / "conftest.py"]
    for folder in ("benchmarks", "fixtures", "tests", "vitbench"):
        found += sorted((ROOT / folder).rglob("*.py"))
    return [path.relative_to(ROOT).as_posix() for path in found]


@pytest.mark.parametrize("path", modules())
def test_the_rules_are_kept(path):
    told = violations(path, (ROOT / path).read_text(encoding="utf-8"))
    assert not told, "\n".join(told)


def test_every_place_was_looked_at():
    looked = {path.rpartition("/")[0] for path in modules()}
    folders = {f"vitbench/{each}" for each in (*MAY, "cli", "duet", "plugin")}
    assert {
        "",
        "benchmarks",
        "fixtures",
        "tests/unit",
        "tests/suite",
        "vitbench",
        *folders,
    } <= looked


def test_every_module_of_the_suite_has_its_thin_module():
    folders = [ROOT / "benchmarks", ROOT / "vitbench" / "benchmarks"]
    thin, suite = ({path.name for path in folder.glob("test_*.py")} for folder in folders)
    assert thin == suite != set()


PLANTED = [
    ("vitbench/measure/session.py", "import pytest", "only plugin/ knows"),
    ("vitbench/measure/clock.py", "def f():\n    import pytest_benchmark", "only plugin/ knows"),
    ("vitbench/fleet/receipts.py", "def f():\n    import ray", "know Ray"),
    ("vitbench/fleet/ray_hosts.py", "import ray", "only inside a function"),
    ("vitbench/cli/main.py", "from vitbench.plugin.options import Given", "only pytest loads"),
    ("vitbench/stats/ramp.py", "from vitbench.errors import UserError", "may import only stats"),
    ("vitbench/gate/judgement.py", "from vitbench.history.store import load", "may import only"),
    ("vitbench/duet/rule.py", "from vitbench.measure.paired import x", "may import only"),
    ("vitbench/duet/rule.py", "def f():\n    import torch", "without torch"),
    ("vitbench/stats/intervals.py", "def f():\n    import torch", "without torch"),
    ("vitbench/judge/best.py", "from vitbench.measure.paired import x", "may import only"),
    ("vitbench/judge/best.py", "from vitbench import measure", "may import only"),
    ("vitbench/report/reader.py", "from vitbench.show.table import table", "may import only"),
    ("vitbench/show/html.py", "import vitbench.runtimes.base", "may import only"),
    ("vitbench/show/html.py", "def f():\n    import_module('torch')", "without torch"),
    ("vitbench/show/html.py", "def f():\n    importlib.import_module('timm')", "without torch"),
    ("vitbench/runtimes/lite.py", "import torch", "only inside a function"),
    ("vitbench/runtimes/lite.py", "class A:\n    import torch.jit", "only inside a function"),
    ("vitbench/runtimes/lite.py", "try:\n    import timm\nexcept ImportError: ...", "only inside"),
    ("vitbench/runtimes/lite.py", "if TYPE_CHECKING: ...\nelse:\n    import torch", "only inside"),
    ("vitbench/environment.py", "from scipy.stats import beta", "only inside a function"),
    ("vitbench/plugin/options.py", "import transformers", "only inside a function"),
    ("vitbench/models/base.py", "from vitbench.runtimes import RUNTIMES", "may import only"),
    ("vitbench/runtimes/base.py", "from vitbench.build.pool import Pool", "may import only"),
    ("vitbench/build/pool.py", "def f():\n    from vitbench import measure", "may import only"),
    ("vitbench/measure/sample.py", "from vitbench.duet.play import play", "may import only"),
    ("vitbench/case.py", "from vitbench.models import Model", "may import only"),
    ("vitbench/build/pool.py", "from .artifacts import Artifact", "write the full name"),
    ("vitbench/build/pool.py", "from . import artifacts", "write the full name"),
    ("benchmarks/test_latency.py", "import pytest", "a thin module a file"),
    ("benchmarks/test_latency.py", "from vitbench.case import Case", "a thin module a file"),
    ("vitbench/benchmarks/test_x.py", "def test():\n    import torch", "only what is measured"),
    ("vitbench/benchmarks/test_x.py", "from vitbench.case import Case", "only what is measured"),
    ("conftest.py", "import sys", "nothing else"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "source", "why"), PLANTED)
def test_a_broken_rule_is_told(path, source, why):
    told = violations(path, source)
    assert len(told) == 1
    assert told[0].startswith(f"{path}:")
    assert why in told[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("vitbench/runtimes/lite.py", "def f():\n    import torch"),
        ("vitbench/fleet/ray_hosts.py", "def f():\n    import ray.exceptions"),
        ("vitbench/runtimes/lite.py", "if TYPE_CHECKING:\n    import torch"),
        ("vitbench/runtimes/lite.py", "if typing.TYPE_CHECKING:\n    import torch"),
        ("vitbench/measure/clock.py", "from vitbench.runtimes.base import Deployment"),
        ("vitbench/build/package.py", "from vitbench import __version__, environment"),
        ("vitbench/stats/intervals.py", "def f():\n    from scipy.stats import beta"),
        ("vitbench/show/table.py", "from vitbench.report.reader import read_report"),
        ("vitbench/measure/session.py", "from vitbench.judge.agreement import Agreement"),
        ("tests/unit/test_x.py", "import pytest\nimport torch\nimport vitbench.models"),
        ("vitbench/plugin/cases.py", "import pytest\nfrom vitbench.case import Case"),
        ("vitbench/benchmarks/test_latency.py", "import pytest"),
        ("benchmarks/test_latency.py", "from vitbench.benchmarks.test_latency import *"),
    ],
)
def test_what_is_allowed_is_not_told(path, source):
    assert violations(path, source) == []


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser of each command, and of each command of a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from commands(command)


def flags(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser that a user may write."""
    shown = (each for each in parser._actions if each.help != argparse.SUPPRESS)
    return [name for action in shown for name in action.option_strings]


def undocumented(names: Iterable[str], text: str) -> list[str]:
    """Names that do not stand in the text as a whole word: `--model` is not in `--models`."""
    return [n for n in names if not re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)]


@pytest.fixture
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def documents(readme) -> str:
    """What a user reads: README.md and docs/."""
    pages = sorted((ROOT / "docs").glob("*.md"))
    return "\n".join([readme, *(page.read_text(encoding="utf-8") for page in pages)])


def test_every_pytest_option_is_in_the_documents(documents):
    options = [option.name for option in options_of("pytest")]
    assert "--model" in options
    assert undocumented(options, documents) == []


def test_our_options_are_read_by_their_own_names():
    """Another plugin may have the short name, and then its value too: so `given(config).NAME`."""
    names = [option.dest for option in options_of("pytest")]
    read = re.compile(rf"config\.(?:option\.|getoption\(.)({'|'.join(names)})\b")
    assert read.search("request.config.option.device")
    assert not read.search("request.config.option.device_name")
    for path in (ROOT / "vitbench/plugin").glob("*.py"):
        assert not read.search(path.read_text(encoding="utf-8")), f"{path.name}: use given(config)"


def test_every_command_and_its_options_are_in_the_documents(documents):
    found = list(commands(parser()))
    assert "vitbench list" in [command.prog for command in found]
    options = dict.fromkeys(name for command in found for name in flags(command))
    assert "--model" in options
    assert undocumented([command.prog for command in found], documents) == []
    assert undocumented([name for name in options if name not in ("-h", "--help")], documents) == []


def test_the_table_has_an_option_once_for_each_command():
    pairs = [(option.name, command) for option in OPTIONS for command in option.commands]
    assert len(pairs) == len(set(pairs))
    taken = {command for _, command in pairs}
    assert taken == {
        "pytest",
        "duet",
        "aa-run",
        "bisect",
        "structure",
        "soak",
        "predict",
        "package",
        "blame",
        "mixed",
        "fleet run",
        "fleet verify",
    }


def test_every_variant_is_in_the_documents(documents):
    from vitbench.runtimes.variants import VARIANTS

    assert undocumented([f"`{variant.name}`" for variant in VARIANTS], documents) == []


def test_the_tests_run_in_ci_as_the_readme_says(readme):
    command = "python -m pip install tox && tox"
    assert command in readme.splitlines()
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_what_is_missing_from_a_text_is_found():
    top = argparse.ArgumentParser("vitbench")
    inner = top.add_subparsers().add_parser("history").add_subparsers().add_parser("prune")
    inner.add_argument("--batch", "-b")
    inner.add_argument("--hidden", help=argparse.SUPPRESS)
    assert [each.prog for each in commands(top)] == ["vitbench history", "vitbench history prune"]
    names = ["--model", *flags(inner)]
    assert names == ["--model", "-h", "--help", "--batch", "-b"]
    text = "`--models` and `--batch=N`, `--model-file`, -h, --help"
    assert undocumented(names, text) == ["--model", "-b"]


def test_every_argument_of_a_command_says_what_it_is():
    silent = [
        f"{command.prog} {action.dest}"
        for command in commands(parser())
        for action in command._actions
        if not (action.help or isinstance(action, argparse._SubParsersAction))
    ]
    assert silent == []


def shared_nouns(folder: Path) -> dict[str, list[str]]:
    """The names of classes that two modules define, and the modules."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(path.stem)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_a_noun_is_the_name_of_one_class(tmp_path):
    assert shared_nouns(ROOT / "vitbench") == {}
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("class Artifact: ...\n")
    assert shared_nouns(tmp_path) == {"Artifact": ["one", "two"]}
