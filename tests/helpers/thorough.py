"""The record of the last whole run of the thorough tests, which CI prints: tests/thorough.json.

What needs no quiet machine runs side by side, what times runs alone afterwards: two runs of pytest,
each of which is a part of the record.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from vitbench import environment
from vitbench.processor import cpu

FILE = Path(__file__).parents[1] / "thorough.json"
PARTS = ("together", "alone")


@dataclass(frozen=True)
class Part:
    """How one run of pytest ended: `failures` are the ids of the tests that failed."""

    passed: int
    failed: int
    skipped: int
    seconds: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """`date` is UTC's, `commit` git's name of the state that ran: with a + where files differed.
    `versions` are those of Python and of what computes; `parts` has an entry for each of PARTS that
    ran at this commit and on this machine."""

    date: str
    commit: str
    machine: str
    versions: Mapping[str, str]
    parts: Mapping[str, Part] = field(default_factory=dict)

    def sentence(self) -> str:
        counted = {
            name: sum(getattr(part, name) for part in self.parts.values())
            for name in ("passed", "failed", "skipped", "seconds")
        }
        missing = [name for name in PARTS if name not in self.parts]
        failures = [test for part in self.parts.values() for test in part.failures]
        return (
            f"thorough tests: last run on {self.date}, at {self.commit[:12]}, on {self.machine}: "
            f"{counted['passed']} passed, {counted['failed']} failed, {counted['skipped']} skipped "
            f"in {counted['seconds']} s"
            + "".join(f"; the part {name!r} did not run" for name in missing)
            + "".join(f"; failed: {test}" for test in failures)
        )


def read(path: Path = FILE) -> Record | None:
    """None where no run is recorded yet. Raises ValueError for what is no record."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = {
            name: Part(**{**part, "failures": tuple(part["failures"])})
            for name, part in found.pop("parts").items()
        }
        record = Record(**found, parts=parts)
    except FileNotFoundError:
        return None
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    date.fromisoformat(record.date)
    int(record.commit.removesuffix("+"), 16)
    if not parts or not parts.keys() <= {*PARTS}:
        raise ValueError(f"{path.name}: {list(parts)} are not of the parts {PARTS}")
    for name, part in parts.items():
        numbers = (part.passed, part.failed, part.skipped, part.seconds)
        if not all(type(each) is int and each >= 0 for each in numbers) or not sum(numbers[:3]):
            raise ValueError(f"{path.name}: {name}: {numbers} are no numbers of tests and seconds")
        if len(part.failures) != part.failed:
            raise ValueError(f"{path.name}: {name}: {part.failed} failed: {part.failures}")
    return record


def commit(root: Path) -> str:
    """Without the record itself. Raises OSError and CalledProcessError where there is no git, or no
    repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "-uno", "--", ".", ":!tests/thorough.json")
    return git("rev-parse", "HEAD") + ("+" if changed else "")


def write(record: Record, path: Path = FILE) -> None:
    path.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def record_of(root: Path, name: str, part: Part, before: Record | None = None) -> Record:
    """With a part that ends now, of the repository at `root`, and what `before` has of the other
    parts of the same commit, machine and versions. Raises as `commit`."""
    now = Record(
        datetime.now(UTC).date().isoformat(),
        commit(root),
        f"{cpu()['model']}, {os.cpu_count()} cores",
        environment.versions(),
    )
    same = before is not None and all(
        getattr(before, each) == getattr(now, each) for each in ("commit", "machine", "versions")
    )
    others = before.parts if before is not None and same else {}
    return Record(now.date, now.commit, now.machine, now.versions, {**others, name: part})


def plain_id(nodeid: str) -> str:
    """The id of a test without the group that xdist adds."""
    return re.sub(r"@[^@\]]*$", "", nodeid)
