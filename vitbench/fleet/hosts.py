"""Host classes: which hosts are one machine, and whether all have the same versions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from vitbench.case import AGREEMENT_REFERENCE
from vitbench.errors import UserError, near, some
from vitbench.fleet.plan import HostClass
from vitbench.report.hardware import hardware, identity


@dataclass(frozen=True)
class Inspected:
    """A host and what pytest said there (plugin/fleet.py). `label`: a class that its owner gave."""

    name: str
    physical: str
    label: str
    found: Mapping[str, Any]

    @property
    def versions(self) -> dict[str, str]:
        """Of all that decides what is measured; of vitbench the digest of its files, too."""
        known = {key: str(value) for key, value in self.found["machine"]["versions"].items()}
        return {**known, "vitbench": f"{known.get('vitbench')} ({self.found['code'][:8]})"}

    @property
    def host_class(self) -> HostClass:
        """What a report calls a machine, without the weights of models, and the versions: figures
        of two hosts of a class are figures of one machine."""
        parts = [identity(self.found["machine"]), self.label, self.versions]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        name = hardware({"vitbench": self.found["machine"]}).name
        name += f", {self.label}" if self.label else ""
        cases, selected = self.found["cases"], self.found["selected"]
        return HostClass(
            digest[:16],
            name,
            tuple(cases),
            tuple(selected),
            self.versions,
            self.found.get("reference", AGREEMENT_REFERENCE),
            self.found.get("images", 0),
        )

    @property
    def files_sha256(self) -> str:
        """Of the images, and of their names; "" where nothing is verified in parts."""
        return str(self.found.get("files_sha256", ""))


def require_hosts(names: Sequence[str], globs: Sequence[str]) -> None:
    """Raises UserError for a glob of `--hosts` that matches none."""
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise UserError(
                f"--hosts={glob}: no such host: {near(glob, names)}; there are {some(names, 10)}"
            )


def differing_versions(hosts: Sequence[Inspected], known: Mapping[str, str] | None = None) -> str:
    """Which versions are not the same on all hosts, and which host has which; "" where all are.
    `known`: those of the plan."""
    found = {each.name: each.versions for each in hosts}
    if known:
        found = {"the plan": dict(known), **found}
    told = []
    for package in dict.fromkeys(name for each in found.values() for name in each):
        holders: dict[str, list[str]] = {}
        for host, versions in found.items():
            holders.setdefault(versions.get(package, "none"), []).append(host)
        if len(holders) > 1:
            sides = [f"{version} on {some(names)}" for version, names in holders.items()]
            told.append(f"{package} {', '.join(sides)}")
    return "; ".join(told)


def require_same_versions(hosts: Sequence[Inspected], known: Mapping[str, str] | None) -> None:
    """Raises UserError where the versions of hosts differ."""
    if told := differing_versions(hosts, known):
        raise UserError(
            f"the hosts have other versions: {told}: install the same on all (constraints.txt), "
            "choose hosts by --hosts=GLOB, or give --allow-mix, which measures them as classes of "
            "their own"
        )


def require_same_images(hosts: Sequence[Inspected], known: str) -> str:
    """The digest of the images of all hosts. Raises UserError where hosts have others than the
    first one, or than those of the plan, `known`."""
    wanted = known or hosts[0].files_sha256
    others = [each for each in hosts if each.files_sha256 != wanted]
    if others:
        than = "the run began with" if known else f"{hosts[0].name} has"
        told = ", ".join(f"{x.name} ({x.found.get('images', 0):,} images)" for x in others)
        raise UserError(
            f"--images: other images than {than} are on {told}: give all hosts the same files "
            "of the same names, or choose hosts by --hosts=GLOB"
        )
    return wanted


def distinct(classes: Sequence[HostClass]) -> dict[str, str]:
    """A name for each class by its key; classes of one hardware are told apart by what differs."""
    found = {}
    for each in classes:
        alike = [c for c in classes if c.name == each.name and c.key != each.key]
        own = [
            f"{package} {version}"
            for package, version in each.versions.items()
            if any(other.versions.get(package) != version for other in alike)
        ]
        found[each.key] = ", ".join([each.name, *own]) if alike else each.name
    return found
