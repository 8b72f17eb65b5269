"""What a run of many hosts is to measure: each case on each host class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vitbench.case import AGREEMENT_REFERENCE, Case
from vitbench.errors import UserError


def variant_of(case: str) -> str:
    """Model, variant and device of a case: cases that have these in common are measured from one
    file."""
    return case.rpartition("/")[0]


@dataclass(frozen=True, order=True)
class Span:
    """The images from `start` to `stop` of a sample. `kind`: LOGITS, of which a case gives the
    outputs alone, or COUNTS, on which it is verified."""

    kind: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.start}-{self.stop}"

    @classmethod
    def parse(cls, name: str) -> "Span":
        """Raises ValueError where the text is no name of a part."""
        kind, start, stop = name.split("-")
        return cls(kind, int(start), int(stop))


@dataclass(frozen=True, order=True)
class Task:
    """A case that is to be measured once on a host class, which `host_class` names by its key; or
    one part of its sample, by its name."""

    host_class: str
    case: str
    part: str = ""

    @property
    def variant(self) -> str:
        """As of `variant_of`."""
        return variant_of(self.case)

    def __str__(self) -> str:
        if not self.part:
            return self.case
        part = Span.parse(self.part)
        return f"{self.case}, {part.kind} of images {part.start:,} to {part.stop - 1:,}"


@dataclass(frozen=True)
class HostClass:
    """Hosts whose figures are those of one machine. `key`: hexadecimal digits; `name`: for people;
    `cases`: the ids that the options of the run choose on such a host; `selected`: the options that
    made them fewer than the suite has. `reference`: the timing reference; `images`: how many there
    are to verify on, where that is done in parts."""

    key: str
    name: str
    cases: tuple[str, ...]
    selected: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    reference: str = AGREEMENT_REFERENCE
    images: int = 0


@dataclass(frozen=True)
class FleetPlan:
    """`arguments`: the options of the run, as pytest takes them. A class that joins late comes
    last, and none is taken away. Cases are verified in parts of about `shard_images`, or each as a
    whole where that is 0; `files_sha256` digests the images of a run in parts."""

    arguments: tuple[str, ...]
    classes: tuple[HostClass, ...]
    shard_images: int = 0
    files_sha256: str = ""

    def tasks(self) -> Iterator[Task]:
        """All cases, class by class, in their order."""
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
                    str(each.get("reference", AGREEMENT_REFERENCE)),
                    int(each.get("images", 0)),
                )
                for each in found["classes"]
            )
            return cls(
                tuple(map(str, found["arguments"])),
                classes,
                int(found.get("shard_images", 0)),
                str(found.get("files_sha256", "")),
            )
        except (KeyError, TypeError, ValueError, UserError) as error:
            raise UserError(
                f"{name}: it is no plan of a run of many hosts: begin a new run without --resume"
            ) from error
