"""What packages add to vitbench by entry points. Each is imported when it is asked for."""

from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from sys import stderr
from typing import Any

from vitbench.errors import UserError, near, with_kind

MODELS, RUNTIMES, VARIANTS = "vitbench.models", "vitbench.runtimes", "vitbench.variants"
"""The groups of entry points."""


@dataclass(frozen=True)
class Provided:
    """An entry point: `origin` is the package with its version, `value` is `package.module` or
    `package.module:name`."""

    group: str
    name: str
    value: str
    origin: str

    @property
    def where(self) -> str:
        """How a sentence on it begins."""
        return f"{self.origin}: the entry point {self.name!r} of {self.group}"

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    def load(self) -> Any:
        """What it names. Raises UserError, which begins with `where`, where that fails; what an
        import prints goes to stderr."""
        try:
            with redirect_stdout(stderr):
                return EntryPoint(self.name, self.value, self.group).load()
        except AttributeError as error:
            self._require_attribute(error)
            raise UserError(self._fails(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever an import does
            raise UserError(self._fails(error)) from error

    def call(self, function: Any) -> Any:
        """What a function of the package returns. Raises UserError as `load`."""
        try:
            with redirect_stdout(stderr):
                return function()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UserError(f"{self.where}: {self.value} raises {with_kind(error)}") from error

    def _require_attribute(self, error: AttributeError) -> None:
        """Raises UserError where the module is there and lacks the name."""
        try:
            module = import_module(self.module)
        except Exception:
            return
        name = self.value.partition(":")[2].split("[")[0].strip().partition(".")[0]
        if not hasattr(module, name):
            known = [each for each in dir(module) if not each.startswith("_")]
            words = f"{self.module} has no {name}: {near(name, known)}"
            raise UserError(f"{self.where}: {words}") from error

    def _fails(self, error: BaseException) -> str:
        return f"{self.where}: the import of {self.module} raises {with_kind(error)}"


@cache
def provided(group: str) -> tuple[Provided, ...]:
    """The entry points of a group, by package and name. Nothing of a package is imported."""
    found = {
        Provided(group, each.name, each.value, f"{each.dist.name} {each.dist.version}")
        for each in entry_points(group=group)
        if each.dist is not None
    }
    return tuple(sorted(found, key=lambda each: (each.origin.lower(), each.name)))


def by_name(group: str, own: Sequence[str] = ()) -> tuple[dict[str, Provided], dict[str, str]]:
    """The entry points of a group by their names; and, of those whose name is no other's, a
    sentence that names both. `own` are vitbench's names."""
    every = provided(group)
    counts = Counter(each.name for each in every)
    found = {each.name: each for each in every if counts[each.name] == 1 and each.name not in own}
    twice = {
        each.name: f"{each.where}: this name is vitbench's own: the package has to choose another"
        for each in every
        if each.name in own
    }
    for name in (name for name, count in counts.items() if count > 1 and name not in own):
        both = " and ".join(each.origin for each in every if each.name == name)
        twice[name] = (
            f"{both} have an entry point {name!r} of {group}: uninstall one of the packages"
        )
    return found, twice
