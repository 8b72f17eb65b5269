"""The folder of a run of many hosts: its plan, and a receipt for each case that ended.

    plan.json                       what is to be measured, and with which options
    receipts/CLASS/CASE.json        a case that ended, with its report; written once, by rename
    attempts/CLASS/CASE.json        each time that a host was given the case, and how that ended

What is open is the plan without the receipts. Whoever is killed loses what runs, and nothing else.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vitbench.build.locks import locked
from vitbench.errors import UserError
from vitbench.fleet.plan import FleetPlan, Task
from vitbench.report.files import write

PLAN, RECEIPTS, ATTEMPTS, LOCK = "plan.json", "receipts", "attempts", "lock"
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
    `report` is that of the process that measured this case alone."""

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
        return self._found

    def keep(self, receipt: Receipt) -> bool:
        """Write a receipt, in one step. False where its case has one already, which stays: a host
        that was taken for dead may answer after all. Raises UserError where it cannot write."""
        if receipt.task in self.found:
            return False
        whole = replace(receipt, attempts=self.attempts(receipt.task))
        write(self._file(RECEIPTS, receipt.task), json.dumps(whole.to_json()))
        assert self._found is not None
        self._found[receipt.task] = whole
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
        name = task.case.replace("/", "~").replace(":", "+")
        return self.folder / kind / task.host_class / f"{name}.json"
