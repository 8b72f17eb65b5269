"""vitbench's options in pytest: `--vitbench-NAME` always, and `--NAME` where nobody else has it.

Every pytest run of an environment that has vitbench imports this module: it stays light.
"""

from argparse import ArgumentError, Namespace
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

from vitbench.cli.option import Option
from vitbench.cli.options import PYTEST, options_of

PREFIX = "vitbench_"
PLUGIN = "vitbench-short-names"


@dataclass(frozen=True)
class Given:
    """vitbench's own options by their short names: `given(config).device`."""

    option: Namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self.option, PREFIX + name)

    def values(self) -> dict[str, Any]:
        """All of them, by short name."""
        own = vars(self.option).items()
        return {name.removeprefix(PREFIX): v for name, v in own if name.startswith(PREFIX)}


def given(config: pytest.Config) -> Given:
    return Given(config.option)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Adds each option as `--vitbench-NAME`; its value is `given(config).NAME`.

    The short names follow when every plugin and conftest has added its own options.
    """
    if pluginmanager.has_plugin(PLUGIN):
        return
    about = "vitbench (--vitbench-model is also --model, unless another plugin has it; so are all)"
    group = parser.getgroup("vitbench", about)
    for option in options_of(PYTEST):
        group.addoption(_long(option), dest=PREFIX + option.dest, **option.attributes())
    names = ShortNames(group)
    pluginmanager.register(names, PLUGIN)
    # Where a conftest loads this module, pytest is calling pytest_load_initial_conftests already:
    # the wrapper comes too late. Then the last chance is the call that parses for good.
    parse = parser.parse

    def parse_with_short_names(*arguments: Any, **options: Any) -> Namespace:
        names.add()
        return parse(*arguments, **options)

    parser.parse = parse_with_short_names  # type: ignore[method-assign]


class ShortNames:
    """Adds the short names once. `taken`: those that another plugin or a conftest has."""

    def __init__(self, group: pytest.OptionGroup) -> None:
        self.taken: list[str] = []
        self._group: pytest.OptionGroup | None = group

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self.add()

    def add(self) -> None:
        if self._group is None:
            return
        group, self._group = self._group, None
        for option in options_of(PYTEST):
            same = {**option.attributes(), "help": f"short for {_long(option)}"}
            try:
                group.addoption(option.name, dest=PREFIX + option.dest, **same)
            except (ArgumentError, ValueError):
                self.taken.append(option.name)

    @property
    def words(self) -> str | None:
        """A line on the short names that mean something else here; None where all are ours."""
        if not self.taken:
            return None
        long = ", ".join(f"--vitbench-{name[2:]}" for name in self.taken)
        return f"vitbench: another plugin or a conftest has {', '.join(self.taken)}: write {long}"


def short_names(config: pytest.Config) -> ShortNames:
    found: ShortNames = config.pluginmanager.getplugin(PLUGIN)
    return found


def named(config: pytest.Config) -> bool:
    """Whether the user gives an option of vitbench: in the command, PYTEST_ADDOPTS or addopts."""
    return any(getattr(given(config), each.dest) != each.empty for each in options_of(PYTEST))


def _long(option: Option) -> str:
    return f"--vitbench-{option.name[2:]}"
