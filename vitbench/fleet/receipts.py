"""The folder of a run of many hosts: its plan, and a receipt for each case that ended.

    plan.json                       what is to be measured, and with which options
    receipts/CLASS/CASE.json        a case that ended, with its report; written once, by rename
    attempts/CLASS/CASE.json        each time that a host was given the case, and how that ended
    shards/CLASS/CASE/KIND/PART     what a part of a case gave, until the case has its receipt

What is open is the plan without the receipts. Whoever is killed loses what runs, and nothing else.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vitbench.build.locks import locked
from vitbench.errors import UserError
from vitbench.fleet.plan import FleetPlan, Span, Task
from vitbench.measure.shard_folder import name_of
from vitbench.report.files import write

PLAN, RECEIPTS, ATTEMPTS, SHARDS, LOCK = "plan.json", "receipts", "attempts", "shards", "lock"
MEASURED, UNAVAILABLE, FAILED = "measured", "unavailable", "failed"
STATES = (MEASURED, UNAVAILABLE, FAILED)
CUT_OFF = "the command that ran it was ended"


@dataclass(frozen=True)
class Attempt:
    """A host was given a case. Times are seconds since 1970. `phase`: what the host did last.
    `why` says why no receipt came of it; "" where one did, and while it runs."""

    host: str
    began: float
    ended: float | None = None
    phase: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        """What came between, for one without a receipt."""
        during = f" (while {self.phase})" if self.phase else ""
        return f"{self.host}: {self.why or CUT_OFF}{during}"


@dataclass(frozen=True)
class Receipt:
    """A case that ended on a host. `state` is one of STATES; `why` is the reason of the last two.
    `report` is that of the process that measured this case alone; of a part it has the `sha256` of
    its file, and of the `conditions` that it was measured under."""

    task: Task
    state: str
    host: str
    report: Mapping[str, Any]
    why: str = ""
    attempts: Sequence[Attempt] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Receipt":
        """Raises KeyError, TypeError or ValueError for anything else."""
        attempts = tuple(Attempt(**each) for each in found["attempts"])
        own = {**found, "task": Task(**found["task"]), "attempts": attempts}
        if own["state"] not in STATES or not isinstance(own["report"], dict):
            raise ValueError(own["state"])
        return cls(**own)


class Receipts:
    """The receipts of a folder. One process at a time adds to them (`alone`)."""

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder, self._say, self._clock = folder, say, clock
        self._found: dict[Task, Receipt] | None = None
        self._attempts: dict[Task, tuple[Attempt, ...]] = {}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises UserError where another process adds receipts to this folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / LOCK, wait=False) as mine:
                if not mine:
                    raise UserError(
                        f"{self.folder}: another `vitbench fleet run` has this folder: wait "
                        "for it, or give another --receipts=DIR"
                    )
                yield
        except OSError as error:
            raise UserError(f"{self.folder}: {error.strerror}: give another --receipts") from error

    def plan(self) -> FleetPlan | None:
        """The plan of the folder; None where there is none. Raises UserError for a file that is no
        plan."""
        file = self.folder / PLAN
        try:
            return FleetPlan.from_json(json.loads(file.read_text("utf-8")), str(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}") from error
        except ValueError as error:
            raise UserError(f"{file}: it is not JSON: begin a new run without --resume") from error

    def keep_plan(self, plan: FleetPlan) -> None:
        write(self.folder / PLAN, json.dumps(plan.to_json(), indent=1))

    @property
    def found(self) -> Mapping[Task, Receipt]:
        """All receipts. One that cannot be read is none: `say` hears of it."""
        if self._found is None:
            self._found = {}
            for file in sorted((self.folder / RECEIPTS).glob("*/*.json")):
                try:
                    receipt = Receipt.from_json(json.loads(file.read_bytes()))
                    if file != self._file(RECEIPTS, receipt.task):
                        raise ValueError(f"it is of {receipt.task}")
                    self._found[receipt.task] = receipt
                except (OSError, ValueError, KeyError, TypeError):
                    self._say(f"{file}: the receipt cannot be read: its case is measured again")
            for task in [*filter(self._damaged, self._found)]:
                self._say(f"{self.file(task)}: missing or damaged: it is verified again")
                del self._found[task]
        return self._found

    def keep(self, receipt: Receipt, data: bytes = b"") -> bool:
        """Write a receipt, in one step; before that `data`, the file of a part. False where its
        case has one already, which stays: a host that was taken for dead may answer after all.
        Raises UserError where it cannot write."""
        if receipt.task in self.found:
            return False
        if data:
            write(self.file(receipt.task), data)
        whole = replace(receipt, attempts=self.attempts(receipt.task))
        write(self._file(RECEIPTS, receipt.task), json.dumps(whole.to_json()))
        assert self._found is not None
        self._found[receipt.task] = whole
        return True

    def contradiction(self, receipt: Receipt) -> str:
        """Why a part does not go with the parts of its case that have receipts; "" where it does:
        they merge only where all were measured under the same conditions."""
        task, own = receipt.task, receipt.report.get("conditions")
        for other, each in self.found.items() if task.part and own else ():
            alike = (other.host_class, other.case, other.part.partition("-")[0])
            if alike == (task.host_class, task.case, task.part.partition("-")[0]):
                theirs = each.report.get("conditions", own)
                return (
                    ""
                    if theirs == own
                    else "it was measured with another built file, or on other "
                    "images, than the parts before it"
                )
        return ""

    def drop(self, task: Task) -> None:
        """Delete the file of a part. Its receipt stays."""
        self.file(task).unlink(missing_ok=True)

    def file(self, task: Task) -> Path:
        """The file of a part."""
        return self.folder / SHARDS / task.host_class / part_file(task)

    def _damaged(self, task: Task) -> bool:
        """Whether the file of a part is not what its receipt says, and its case is open."""
        wanted = self.found[task].report.get("sha256")
        if not wanted or replace(task, part="") in self.found:
            return False
        try:
            with self.file(task).open("rb") as file:
                return bool(hashlib.file_digest(file, "sha256").hexdigest() != wanted)
        except OSError:
            return True

    def attempts(self, task: Task) -> tuple[Attempt, ...]:
        """Each time that a host was given the case, in this run and before it was resumed."""
        if task not in self._attempts:
            try:
                found = json.loads(self._file(ATTEMPTS, task).read_bytes())
                self._attempts[task] = tuple(Attempt(**each) for each in found)
            except (OSError, ValueError, TypeError):
                self._attempts[task] = ()
        return self._attempts[task]

    def begin(self, task: Task, host: str) -> None:
        """A host is given a case."""
        self._note(task, (*self.attempts(task), Attempt(host, self._clock())))

    def end(self, task: Task, host: str, phase: str = "", why: str = "") -> Attempt | None:
        """The newest attempt of that host that runs has ended, without a receipt where there is a
        `why`. Returns it; None where none of that host's runs."""
        known = list(self.attempts(task))
        for index, each in reversed(list(enumerate(known))):
            if each.host == host and each.ended is None:
                known[index] = replace(each, ended=self._clock(), phase=phase, why=why)
                self._note(task, tuple(known))
                return known[index]
        return None

    def _note(self, task: Task, attempts: tuple[Attempt, ...]) -> None:
        self._attempts[task] = attempts
        write(self._file(ATTEMPTS, task), json.dumps([asdict(each) for each in attempts]))

    def _file(self, kind: str, task: Task) -> Path:
        name = "~".join(filter(None, (name_of(task.case), task.part)))
        return self.folder / kind / task.host_class / f"{name}.json"


def part_file(task: Task) -> str:
    """Where the file of a part lies below a folder of shards (measure/shard_folder.py)."""
    return f"{name_of(task.case)}/{Span.parse(task.part).kind}/{task.part}"
