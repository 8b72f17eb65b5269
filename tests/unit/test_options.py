"""One table of options: pytest and the commands read, check and understand them alike."""

import argparse
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from _pytest.config import get_config

from vitbench.cli.latest import named
from vitbench.cli.main import COMMANDS, main, parser
from vitbench.cli.options import (
    AA_RUN,
    BISECT,
    BLAME,
    DUET,
    MIXED,
    OPTIONS,
    PACKAGE,
    PREDICT,
    PYTEST,
    options_of,
)
from vitbench.cli.parsing import checked, path_of
from vitbench.errors import UserError
from vitbench.measure.options import Options, read_options
from vitbench.plugin import names
from vitbench.plugin.names import Given
from vitbench.project.project import Project

PROJECT = Project(Path("/start"))
CASE = "m/int8-dynamic/cpu/b1"
FIRST = {DUET: ["--against=x"], PREDICT: ["image"], PACKAGE: ["fp32", "--output=x"], AA_RUN: [],
         BISECT: ["good", "bad", f"--case={CASE}"], BLAME: [CASE], MIXED: [CASE]}  # fmt: skip
"""What a command wants besides."""
BESIDE = {"against", "against_tip", "base_artifact", "prepare_seconds", "no_shortcut",
          "tolerance", "blocks_max", "minutes", "inconclusive", "markdown", "report",
          "reports", "arrangement", "latency_bound", "load_proof", "load_samples",
          "price",          "endpoint"}  # fmt: skip
"""Of the rule of a duet, of load, of where report and page go, of money, and of servers, which
become variants of the project: none says how a model is built."""
SINGULAR = {"model": "models", "variant": "variants", "batch": "batches",
            "cache_limit": "cache_limit_bytes", "build_memory": "build_memory_bytes",
            "no_thumbnails": "thumbnails"}  # fmt: skip


def values(command, *arguments):
    """The checked values of a command line."""
    if command != PYTEST:
        return checked(command, vars(parser().parse_args([command, *FIRST[command], *arguments])))
    config = get_config()
    names.pytest_addoption(config._parser, config.pluginmanager)
    return checked(PYTEST, Given(config._parser.parse(arguments)).values())


everywhere = pytest.mark.parametrize("command", [PYTEST, *FIRST])


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("VITBENCH_CACHE_LIMIT", raising=False)


def test_each_option_reaches_the_options_of_a_run():
    known = {field.name for field in fields(Options)}
    idle = [o.name for o in OPTIONS if o.dest not in BESIDE | known | SINGULAR.keys()]
    assert idle == []
    assert {SINGULAR.get(o.dest, o.dest) for o in OPTIONS} - BESIDE == known - {
        "import_roots",
        "tree",
        "project_variants",
    }


@everywhere
def test_what_was_not_given_has_the_default_of_the_options(command, tmp_path):
    found = read_options(values(command), Path("/start"), PROJECT)
    device = "auto" if command == PYTEST else "cpu"
    plain = Options(models=found.models, threads=found.threads, cache=tmp_path, device=device)
    assert found == plain


@everywhere
def test_pytest_and_a_command_understand_the_same(command):
    given = {
        "--threads=3": {"threads": 3},
        "--model=a=deit_tiny_patch16_224": {},
        "--weights=seeded": {"weights": "seeded"},
        "--variant=fp*": {"variants": ("fp*",)},
        "--batch=4": {"batches": (4,)},
        "--images=x": {"images": Path("/start/x")},
        "--labels=~/y": {"labels": Path.home() / "y"},
        "--calibration=/z": {"calibration": Path("/z")},
        "--seconds=0.5": {"seconds": 0.5},
        "--verify-images=9": {"verify_images": 9},
        "--cache-limit=2kB": {"cache_limit_bytes": 2000},
        "--build-memory=1GiB": {"build_memory_bytes": 2**30},
    }
    taken = {option.name for option in options_of(command)}
    given = {word: to for word, to in given.items() if word.partition("=")[0] in taken}
    found = read_options(values(command, *given), Path("/start"), PROJECT)
    wanted = {name: value for to in given.values() for name, value in to.items()}
    assert found == replace(read_options(values(command), Path("/start"), PROJECT), **wanted,
                            models=found.models)  # fmt: skip
    assert [spec.name for spec in found.models] == ["a"]


def out_of_range():
    wrong = {"positive": ("0", "-1", "nan", "inf"), "share": ("0", "1", "nan"),
             "not_negative": ("-1", "nan"), "up_to": ("0", "-1", "nan", "inf")}  # fmt: skip
    for option in OPTIONS:
        for command in {*option.commands} & {PYTEST, *FIRST} if option.check else ():
            for value in wrong[option.check.__name__]:
                if option.type is float or value.lstrip("-").isdigit():
                    yield command, option.name, value


@pytest.mark.parametrize(("command", "name", "value"), sorted(out_of_range()))
def test_a_number_out_of_range_is_refused_by_its_name(command, name, value):
    with pytest.raises(UserError, match=rf"^{name} {value}(\.0)?: must "):
        values(command, f"{name}={value}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cache-limit=big"],
        ["--build-memory=0GB"],
        ["--model="],
        ["--images=~nobody-is-called-so/x"],
    ],
)
def test_another_bad_value_is_refused_by_its_name(arguments):
    name = arguments[0].partition("=")[0]
    with pytest.raises(UserError, match=name):
        read_options(values(PYTEST, *arguments), Path("/start"), PROJECT)


@everywhere
def test_an_empty_value_is_not_the_default(command):
    texts = [o for o in options_of(command) if o.type is str and not o.choices and not o.flag]
    assert {"--model", "--cache"} <= {option.name for option in texts}
    for option in texts:
        for empty in ("", " "):
            with pytest.raises(UserError, match=rf"^{option.name} is empty: give \S+, or leave it"):
                values(command, f"{option.name}={empty}")
        assert values(command, f"{option.name}=x")


def arguments_of(top: argparse.ArgumentParser, *words: str) -> Iterator[tuple[str, ...]]:
    """A command line for each argument of each command with a text that may be anything."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from arguments_of(command, *words, name)
        elif action.type in (path_of, named):
            yield (*words, f"{action.option_strings[-1]}=" if action.option_strings else "")
        else:
            assert action.type is not Path, action


EMPTY = list(arguments_of(parser()))


@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_path_is_not_the_folder_where_one_is(words, capsys):
    with pytest.raises(SystemExit, match=r"^4$"):
        main(words)
    said = capsys.readouterr().err
    assert said.startswith(f"vitbench {words[0]}")
    assert ": the value is empty: give a path; see " in said


def test_every_command_with_a_path_has_a_line():
    commands = {words[0] for words in EMPTY}
    every = {module.__name__.rpartition(".")[2].replace("_", "-") for module in COMMANDS}
    assert every - commands == {"list", "init", "soak"}


def test_a_command_refuses_it_in_a_sentence(capsys):
    assert main(["aa-run", "--minutes=0", "--tolerance=2"]) == 4
    said = capsys.readouterr().err
    assert said == "vitbench: error: --tolerance 2: must lie between 0 and 1, such as 0.03\n"


def test_cores_are_shared_by_the_processes_of_a_run(monkeypatch):
    monkeypatch.setattr("vitbench.environment.available_cores", lambda: 6)
    assert read_options(values(PYTEST), Path("/"), PROJECT, processes=4).threads == 1
    assert read_options(values(PYTEST), Path("/"), PROJECT, processes=2).threads == 3
    assert read_options(values(PYTEST, "--threads=5"), Path("/"), PROJECT, processes=2).threads == 5
    assert (
        read_options(values(PYTEST, "--rebuild"), Path("/"), PROJECT, run="token").rebuild
        == "token"
    )
    assert read_options(values(PYTEST), Path("/"), PROJECT, run="token").rebuild is None


def test_the_help_of_pytest_names_the_short_names():
    config = get_config()
    names.pytest_addoption(config._parser, config.pluginmanager)
    told = config._parser.optparser.format_help()
    assert "vitbench (--vitbench-model is also --model, unless another plugin has it" in told
