"""What a run of many hosts is to measure: each case on each host class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vitbench.case import Case
from vitbench.errors import UserError


def variant_of(case: str) -> str:
    """Model, variant and device of a case: cases that have these in common are measured from one
    file."""
    return case.rpartition("/")[0]


@dataclass(frozen=True, order=True)
class Task:
    """A case that is to be measured once on a host class, which `host_class` names by its key."""

    host_class: str
    case: str

    @property
    def variant(self) -> str:
        """As of `variant_of`."""
        return variant_of(self.case)

    def __str__(self) -> str:
        return self.case


@dataclass(frozen=True)
class HostClass:
    """Hosts whose figures are those of one machine. `key`: hexadecimal digits; `name`: for people;
    `cases`: the ids that the options of the run choose on such a host; `selected`: the options that
    made them fewer than the suite has."""

    key: str
    name: str
    cases: tuple[str, ...]
    selected: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetPlan:
    """`arguments`: the options of the run, as pytest takes them. A class that joins late comes
    last, and none is taken away."""

    arguments: tuple[str, ...]
    classes: tuple[HostClass, ...]

    def tasks(self) -> Iterator[Task]:
        """All, class by class, in the order of the cases."""
        return (Task(each.key, case) for each in self.classes for case in each.cases)

    def class_of(self, key: str) -> HostClass | None:
        return next((each for each in self.classes if each.key == key), None)

    def joined(self, new: Sequence[HostClass]) -> "FleetPlan":
        """The plan with those of `new` whose key it has not yet."""
        found = {each.key: each for each in (*reversed(new), *self.classes)}
        known = dict.fromkeys(each.key for each in (*self.classes, *new))
        return replace(self, classes=tuple(found[key] for key in known))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Any, name: str) -> "FleetPlan":
        """Raises UserError, which begins with `name`, where it is no plan."""
        try:
            classes = tuple(
                HostClass(
                    str(each["key"]),
                    str(each["name"]),
                    tuple(Case.parse(case).id for case in each["cases"]),
                    tuple(map(str, each["selected"])),
                    dict(each["versions"]),
                )
                for each in found["classes"]
            )
            return cls(tuple(map(str, found["arguments"])), classes)
        except (KeyError, TypeError, ValueError, UserError) as error:
            raise UserError(
                f"{name}: it is no plan of a run of many hosts: begin a new run without --resume"
            ) from error
