"""Which variants there are, which of them globs select, and what is declared to be installed."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.requirements import Requirement
from packaging.version import Version

from vitbench.case import Case
from vitbench.environment import installed
from vitbench.errors import Unavailable, UserError, near
from vitbench.place import install
from vitbench.runtimes.base import Variant
from vitbench.runtimes.foreign import require_definition
from vitbench.runtimes.provided import Problem, package_variants
from vitbench.runtimes.registry import runtime
from vitbench.runtimes.variants import VARIANTS

# The extra that installs a package, where it is not `runtimes`.
EXTRAS = {"torch": "suite", "zentorch": "zentorch"}
# Packages whose every release is made for the torch of the same first two numbers.
OF_ONE_TORCH = ("zentorch",)

# On every machine with the same bundled weights: short, real and comparable.
DEFAULT_MODEL = "deit_tiny_patch16_224"


@dataclass(frozen=True)
class Catalogue:
    """The variants that a run knows, by unique names. `problems` are of those that are left out."""

    rows: tuple[Variant, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]

    def variant(self, name: str) -> Variant:
        """The variant of that name. Raises UserError where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise UserError(f"{name}: {self.no_variant(name)}")

    def select(
        self, globs: Sequence[str], reference: str, models: Sequence[str] | None = None
    ) -> tuple[Variant, ...]:
        """The variants that any glob matches, in the order of the catalogue, the reference first.

        No glob selects all. Raises UserError for a glob that matches none or something that is left
        out, an unknown reference, a file of another tool that cannot be right, and, of the `models`
        of a run, a glob of files of others alone.
        """
        names = self.names
        if reference not in names:
            raise UserError(f"--reference {reference}: {self.no_variant(reference)}")
        for glob in globs:
            self._refuse_left_out(glob)
            matched = [row for row in self.rows if fnmatchcase(row.name, glob)]
            if not matched:
                raise UserError(f"--variant {glob}: {self.no_variant(glob)}")
            if models is not None and all(strange(row, models) for row in matched):
                raise UserError(f"--variant {glob}: {strange(matched[0], models)}")
        chosen = [
            row
            for row in self.rows
            if row.name == reference or not globs or any(fnmatchcase(row.name, g) for g in globs)
        ]
        for row in chosen:
            require_definition(row)
        return tuple(sorted(chosen, key=lambda row: row.name != reference))

    def no_variant(self, name: str) -> str:
        """What is said of a name or a glob of no variant, with the nearest names."""
        unread = [each.sentence for each in self.problems if each.name in (None, name)]
        words = f"no such variant: {near(name, self.names)}; `vitbench list` shows all"
        return "; ".join([words, *unread])

    def device_kinds(self) -> dict[str, tuple[str, ...]]:
        """The name of each variant, and the kinds of device that it is made for."""
        return {row.name: row.devices for row in self.rows}

    def _refuse_left_out(self, glob: str) -> None:
        for each in self.problems:
            name = each.name
            if name and name not in self.names and fnmatchcase(name, glob) and glob.strip("*"):
                raise UserError(f"--variant {glob}: {each.sentence}")


def catalogue_of(project: Sequence[Variant] = ()) -> Catalogue:
    """vitbench's own variants, those of packages, and those of a project.

    Raises UserError where a project's has the name of another one.
    """
    packages, problems = package_variants()
    for row in project:
        for other in (*VARIANTS, *packages):
            if row.name == other.name:
                raise UserError(
                    f"{row.origin}: the variant {row.name!r} is also one of {other.origin}: give "
                    f"it another name in {row.origin}"
                )
    return Catalogue((*VARIANTS, *packages, *project), problems)


def strange(row: Variant, models: Sequence[str]) -> str | None:
    """Why none of these models has a variant: a file belongs to one model alone. None where one
    has."""
    if row.model is None or row.model in models:
        return None
    what = "server" if row.served else "file"
    return (
        f"the {what} of {row.name} belongs to the model {row.model}, which this run does not take: "
        f"add --model={row.model}"
    )


def of_a_tree(rows: Sequence[Variant], globs: Sequence[str]) -> tuple[Variant, ...]:
    """The variants that two trees can be compared by: a running server is of neither. Raises
    UserError where one of `globs` chooses a server alone."""
    served = [row.name for row in rows if row.served]
    left = tuple(row for row in rows if not row.served)
    for glob in globs:
        chosen = [name for name in served if fnmatchcase(name, glob)]
        if chosen and not any(fnmatchcase(row.name, glob) for row in left):
            raise UserError(
                f"--variant {glob}: {chosen[0]} is a running server, which belongs to neither "
                "version of a duet: measure it without --against"
            )
    return left


def cases(
    models: Sequence[str],
    variants: Sequence[Variant],
    devices: Sequence[str],
    batches: Sequence[int],
) -> list[Case]:
    """Every combination once, grouped by model, device and batch. A variant made for one kind of
    device is on that kind where the run has it, else it is there once, to say why it is
    unavailable. A file is a variant of the model that it belongs to alone."""
    found = []
    for model in models:
        for device in devices:
            for batch in batches:
                for row in variants:
                    suits = [d for d in devices if d.split(":")[0] in row.devices]
                    if not strange(row, [model]) and device in (suits or devices[:1]):
                        found.append(Case(model, row.name, device, batch))
    return list(dict.fromkeys(found))


def declared(row: Variant) -> str | None:
    """Why the installed packages or a missing file rule a variant out, or None where they do not.
    Imports nothing heavy.

    `vitbench list` and every run ask here, so that both say the same.
    """
    for text in ("torch", *row.requires):  # torch is what every model is made with
        requirement = Requirement(text)
        name, found = requirement.name, installed(requirement.name)
        if found is None:
            return f"{name} is not installed ({install(EXTRAS.get(name, 'runtimes'))})"
        if not requirement.specifier.contains(found, prereleases=True):
            return f"{name} {found} is installed; {row.name} needs {requirement}"
        if name in OF_ONE_TORCH and _series(found) != _series(torch := installed("torch") or "0"):
            return f"{name} {found} is for torch {_series(found)}, and torch {torch} is installed"
    try:
        require_definition(row)
    except UserError as error:
        return str(error)
    return None


def _series(version: str) -> str:
    """The first two numbers of a version."""
    return ".".join(map(str, Version(version).release[:2]))


def require(row: Variant, device: str) -> Variant:
    """The variant itself. Raises Unavailable, with the reason, where it cannot run on this device
    here."""
    if reason := declared(row):
        raise Unavailable(reason)
    found = runtime(row.runtime)
    found.version()
    found.supports(row, device)
    return row
