"""The record of the last whole run of the thorough tests, which CI prints: tests/thorough.json."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from vitbench.processor import cpu

FILE = Path(__file__).parents[1] / "thorough.json"


@dataclass(frozen=True)
class Record:
    """`date` is UTC's, `commit` git's name of the state that ran: with a + where files differed."""

    date: str
    commit: str
    machine: str
    passed: int
    failed: int
    skipped: int
    seconds: int

    def sentence(self) -> str:
        return (
            f"thorough tests: last run on {self.date}, at {self.commit[:12]}, on {self.machine}: "
            f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped "
            f"in {self.seconds} s"
        )


def read(path: Path = FILE) -> Record | None:
    """None where no run is recorded yet. Raises ValueError for what is no record."""
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except TypeError as error:
        raise ValueError(f"{path.name}: {error}") from None
    date.fromisoformat(record.date)
    numbers = (record.passed, record.failed, record.skipped, record.seconds)
    if not all(type(each) is int and each >= 0 for each in numbers) or not record.passed:
        raise ValueError(f"{path.name}: {numbers} are no numbers of tests and seconds")
    int(record.commit.removesuffix("+"), 16)
    return record


def commit(root: Path) -> str:
    """Raises OSError and CalledProcessError where there is no git, or no repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def write(record: Record, path: Path = FILE) -> None:
    path.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def record_of(root: Path, seconds: float, passed: int, failed: int, skipped: int) -> Record:
    """Of a run that ends now, of the repository at `root`. Raises as `commit`."""
    return Record(
        datetime.now(UTC).date().isoformat(),
        commit(root),
        f"{cpu()['model']}, {os.cpu_count()} cores",
        passed,
        failed,
        skipped,
        round(seconds),
    )
