"""An option as data, of which pytest's and the command line's are made."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vitbench.errors import UserError

Check = Callable[[str, float], None]
"""Raises UserError, which names the option, for a number that is out of range."""


def positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise UserError(f"{name} {value}: must be greater than 0 and finite")


def not_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise UserError(f"{name} {value:g}: must be 0 or more")


def at_most(most: float, words: str) -> Check:
    """A number above 0 and not above `most`, which is `words`."""

    def up_to(name: str, value: float) -> None:
        positive(name, value)
        if value > most:
            raise UserError(f"{name} {value:g}: must be at most {words}")

    return up_to


def share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UserError(f"{name} {value:g}: must lie between 0 and 1, such as 0.03")


@dataclass(frozen=True)
class Option:
    """An option as data. `commands`: who takes it. `repeatable`: its value is a list; `flag`: it
    takes no value. `check` is applied to each value that is not None."""

    name: str
    commands: Sequence[str]
    help: str
    metavar: str | None = None
    type: type = str
    choices: Sequence[str] | None = None
    default: Any = None
    repeatable: bool = False
    flag: bool = False
    check: Check | None = None

    @property
    def dest(self) -> str:
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def empty(self) -> Any:
        """Its value where nobody gives it."""
        return [] if self.repeatable else False if self.flag else self.default

    def attributes(self) -> dict[str, Any]:
        """What argparse's add_argument and pytest's addoption take, but for the names."""
        common = {"help": self.help, "default": self.empty}
        if self.flag:
            return {**common, "action": "store_true"}
        action = "append" if self.repeatable else "store"
        value = {"type": self.type, "metavar": self.metavar, "choices": self.choices}
        return {**common, "action": action, **{k: v for k, v in value.items() if v is not None}}
