"""A run of many hosts on a simulated schedule of deaths: nothing counts twice or is forgotten."""

import itertools
import json
import random
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitbench.errors import UserError
from vitbench.fleet import receipts as receipts_module
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.receipts import MEASURED, Attempt, Receipt, Receipts
from vitbench.fleet.run import Outcome, run_plan
from vitbench.fleet.schedule import MOST_ATTEMPTS, Assignment, Host, placements

CASES = tuple(f"m/{name}/cpu/b{batch}" for name in ("fp32", "int8", "bf16") for batch in (1, 8))
A, B = HostClass("aaaaaaaa", "a machine", CASES), HostClass("bbbbbbbb", "b machine", CASES[:4])
PLAN = FleetPlan(("--model=m",), (A, B))
WAIT = 20.0


class Killed(BaseException):
    """The command was killed here."""


class World:
    """Hosts that join, die and answer late, in simulated seconds; the command may be killed at any
    of its steps (`killed_at`, counted over all lives of the command).

    It keeps what a run may not do out: two cases at once on a machine, a case that has a receipt.
    """

    def __init__(self, seed: int, killed_at: set[int], hosts: list[tuple[Host, float, float]]):
        self.random, self.killed_at, self.hosts = random.Random(seed), killed_at, hosts
        self.deadly = set(self.random.sample(CASES, self.random.randint(0, 1)))
        self.now, self.steps = 0.0, itertools.count()
        self.cut_off = 0.3  # of the hosts that die: they do not, and answer late
        self.running: dict[str, tuple[Assignment, float]] = {}
        self.late: list[tuple[float, Outcome]] = []
        self.delivered: Counter[Task] = Counter()
        self.begun: list[Task] = []
        self.done: set[Task] = set()

    def step(self) -> None:
        now = next(self.steps)
        assert now < 20_000, "the run comes to no end"
        if now in self.killed_at:
            raise Killed

    def there(self, host: Host) -> bool:
        return any(h == host and joins <= self.now < dies for h, joins, dies in self.hosts)

    def look(self):
        self.step()
        there = [host for host, _, _ in self.hosts if self.there(host)]
        return there, [c for c in (A, B) if c.key in {h.host_class for h in there}]

    def left_out(self):
        return [f"{h.name}: it is gone" for h, _, _ in self.hosts if not self.there(h)]

    def start(self, given: Assignment, _=None) -> None:
        self.step()
        busy = [each.host for each, _ in self.running.values()]
        assert given.host.physical not in {host.physical for host in busy}
        assert given.host.host_class == given.task.host_class
        assert given.task not in self.done
        self.begun.append(given.task)
        self.running[given.host.name] = given, self.now + self.random.uniform(1, 30)

    def ended(self, seconds: float):
        self.step()
        ends = [end for _, end in self.running.values()] + [at for at, _ in self.late]
        self.now = min([self.now + seconds, *(max(end, self.now) for end in ends)])
        found = [outcome for at, outcome in self.late if at <= self.now]
        self.late = [each for each in self.late if each[0] > self.now]
        for name, (each, end) in list(self.running.items()):
            if not self.there(each.host):
                found.append(Outcome(name, each.task, why="the host died"))
                if self.random.random() < self.cut_off:
                    self.late.append((self.now + 5, Outcome(name, each.task, MEASURED, report={})))
            elif end <= self.now and each.task.case in self.deadly:
                found.append(Outcome(name, each.task, why="its process was killed by SIGSEGV"))
            elif end <= self.now:
                found.append(Outcome(name, each.task, MEASURED, report={"of": name}))
            else:
                continue
            del self.running[name]
        self.delivered.update(each.task for each in found if each.state)
        return found

    def new_life(self) -> None:
        """What ran for a command that was killed ends with that command."""
        self.running, self.late = {}, []


def on_disk(folder: Path) -> dict[Path, str]:
    return {file: file.read_text() for file in folder.glob("receipts/*/*.json")}


def live(world: World, folder: Path):
    """The command, run again until its end. Returns its answer, and what it said."""
    said: list[str] = []
    seen: dict[Path, str] = {}
    for _ in range(len(world.killed_at) + 1):
        with suppress(Killed):
            receipts = Receipts(folder, said.append, lambda: world.now)
            with receipts.alone():
                world.done = set(receipts.found)
                if (plan := receipts.plan()) is None:
                    plan = FleetPlan(PLAN.arguments, ())
                    receipts.keep_plan(plan)
                end = run_plan(receipts, plan, world, WAIT, said.append, clock=lambda: world.now)
                return end, said, seen
        world.new_life()
        now = on_disk(folder)
        assert {file: now[file] for file in seen} == seen, "a receipt was changed"
        seen = now
    raise AssertionError("the command was killed more often than asked for")


HOSTS = st.lists(
    st.builds(
        lambda of, physical, joins, lives: (of, physical, joins, joins + lives),
        st.sampled_from([A, B]),
        st.integers(0, 3),
        st.sampled_from([0.0, 0.0, 15.0, 60.0]),
        st.sampled_from([5.0, 40.0, 1e9]),
    ),
    max_size=5,
)


@settings(max_examples=settings.get_profile(settings._current_profile).max_examples // 4)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 120), max_size=6), HOSTS)
def test_nothing_counts_twice_and_nothing_is_forgotten(seed, killed_at, found):
    hosts = [
        (Host(f"h{number}", of.key, f"machine {physical}"), joins, dies)
        for number, (of, physical, joins, dies) in enumerate(found)
    ]
    world = World(seed, killed_at, hosts)
    real = receipts_module.write

    def write(path, content):
        """A kill falls before a file is written, or after."""
        world.step()
        real(path, content)
        world.step()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts_module, "write", write)
        end, said, seen = live(world, Path(folder))
        now = on_disk(Path(folder))
        again = Receipts(Path(folder), said.append)
        assert again.plan() == end.plan
        tasks = set(end.plan.tasks())
        assert set(again.found) | set(end.lost) == tasks
        assert not set(again.found) & set(end.lost)
        assert {file: now[file] for file in seen} == seen
        tried = {task: sum(bool(each.why) for each in again.attempts(task)) for task in end.lost}
    assert len(now) == len(again.found)
    assert all(world.delivered[task] for task in again.found)
    uncounted = sum("does not count" in line for line in said)
    if not killed_at:
        assert sum(world.delivered.values()) == len(again.found) + uncounted
    for task, why in end.lost.items():
        assert "is left" in why or "SIGSEGV" in why or why.count(";") == MOST_ATTEMPTS - 1
        there = [host for host, _, _ in hosts if world.there(host)]
        assert tried[task] >= MOST_ATTEMPTS or task.host_class not in {h.host_class for h in there}


def test_without_deaths_each_case_is_begun_once_and_two_hosts_share_them(tmp_path):
    hosts = [(Host("one", A.key, "1"), 0.0, 1e9), (Host("two", A.key, "2"), 0.0, 1e9)]
    world = World(1, set(), hosts)
    world.deadly = set()
    end, _, _ = live(world, tmp_path)
    assert Counter(world.begun) == Counter(Task(A.key, case) for case in CASES)
    assert {receipt.host for receipt in end.receipts.values()} == {"one", "two"}
    assert end.lost == {}


def test_the_case_of_a_dead_host_is_measured_by_another_one_of_its_class(tmp_path):
    hosts = [(Host("one", A.key, "1"), 0.0, 0.5), (Host("two", A.key, "2"), 0.0, 1e9)]
    world = World(1, set(), hosts)
    world.deadly, world.cut_off = set(), 0.0
    end, said, _ = live(world, tmp_path)
    assert end.lost == {}
    first = world.begun[0]
    assert end.receipts[first].attempts[0].words == "one: the host died"
    assert end.receipts[first].host == "two"
    assert f"{first.case} has no receipt of one: the host died" in said


def test_a_case_that_kills_its_process_is_lost_with_the_reason_and_alone(tmp_path):
    world = World(1, set(), [(Host("one", A.key, "1"), 0.0, 1e9)])
    world.deadly = {CASES[2]}
    end, _, _ = live(world, tmp_path)
    assert end.lost == {Task(A.key, CASES[2]): "one: its process was killed by SIGSEGV"}
    assert len(end.receipts) == len(CASES) - 1
    assert len([task for task in world.begun if task.case == CASES[2]]) == MOST_ATTEMPTS


def test_a_host_that_is_full_costs_a_case_no_attempt(tmp_path):
    """One after the other, more hosts than a case has attempts: each says so once, and is gone."""
    names = [f"full-{number}" for number in range(MOST_ATTEMPTS + 1)]
    hosts = [(Host(name, A.key, "one machine"), 0.0, 1e9) for name in names]
    world = World(1, set(), hosts)
    world.deadly, world.running = set(), {}

    def ended(seconds: float):
        world.now += seconds
        given = [each for each, _ in world.running.values()]
        world.running = {}
        world.hosts = [each for each in hosts if each[0] not in {g.host for g in given}]
        hosts[:] = world.hosts
        why = "the host is full"
        return [Outcome(g.host.name, g.task, why=why, begun=False) for g in given]

    world.ended = ended
    found = Receipts(tmp_path)
    end = run_plan(found, replace(PLAN, classes=(A,)), world, WAIT, print, clock=lambda: world.now)
    assert len(end.lost) == len(CASES)
    (why,) = {*end.lost.values()}
    assert why == "no host of the class a machine is left"
    tried = [each.words for each in found.attempts(Task(A.key, CASES[0]))]
    assert tried == [f"{name}: the host is full" for name in names]


def test_a_class_without_a_host_is_lost_and_the_reason_names_the_hosts(tmp_path):
    world = World(1, set(), [(Host("one", A.key, "1"), 0.0, 0.5)])
    end, _, _ = live(world, tmp_path)
    assert len(end.lost) == len(CASES)
    assert "no host of the class a machine is left (one: it is gone)" in {*end.lost.values()}


def test_a_receipt_is_written_once(tmp_path):
    task, found = Task(A.key, CASES[0]), Receipts(tmp_path)
    receipt = Receipt(task, MEASURED, "one", {"benchmarks": []})
    assert found.keep(receipt)
    before = on_disk(tmp_path)
    assert not found.keep(replace(receipt, host="two"))
    assert not Receipts(tmp_path).keep(replace(receipt, host="two"))
    assert on_disk(tmp_path) == before
    assert len(before) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "measured"}'])
def test_a_receipt_that_cannot_be_read_is_none_and_its_case_is_open(tmp_path, content):
    task, said = Task(A.key, CASES[0]), []
    Receipts(tmp_path).keep(Receipt(task, MEASURED, "one", {}))
    (file,) = on_disk(tmp_path)
    assert set(Receipts(tmp_path, said.append).found) == {task}
    assert said == []
    file.write_text(content)
    found = Receipts(tmp_path, said.append)
    assert found.found == {}
    assert said == [f"{file}: the receipt cannot be read: its case is measured again"]
    assert found.keep(Receipt(task, MEASURED, "two", {}))
    assert Receipts(tmp_path).found[task].host == "two"


def test_a_receipt_in_the_place_of_another_case_is_none(tmp_path):
    Receipts(tmp_path).keep(Receipt(Task(A.key, CASES[0]), MEASURED, "one", {}))
    (file,) = on_disk(tmp_path)
    file.rename(file.with_name("m~int8~cpu~b1.json"))
    assert Receipts(tmp_path).found == {}


def test_two_commands_do_not_share_a_folder(tmp_path):
    refused = pytest.raises(UserError, match="another `vitbench fleet run` has this folder")
    with Receipts(tmp_path).alone(), refused, Receipts(tmp_path).alone():
        pass
    with Receipts(tmp_path).alone():
        pass


@pytest.mark.parametrize("content", ["{", "[]", '{"arguments": [], "classes": [{"key": "a"}]}'])
def test_a_file_that_is_no_plan_is_refused_by_name(tmp_path, content):
    found = Receipts(tmp_path)
    assert found.plan() is None
    found.keep_plan(PLAN)
    assert found.plan() == PLAN
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(UserError, match=r"plan\.json: it is .*without --resume"):
        found.plan()


def test_a_host_goes_on_with_the_variant_that_it_has_built():
    tasks = [*FleetPlan((), (A,)).tasks()]
    one = Host("one", A.key, "1", frozenset({"m/bf16/cpu"}))
    two = Host("two", A.key, "2")
    begun = placements(tasks, [two, one], [], {})
    assert [(each.host.name, each.task.case) for each in begun] == [
        ("two", "m/fp32/cpu/b1"),
        ("one", "m/bf16/cpu/b1"),
    ]
    begun = placements(tasks, [two, replace(one, built=frozenset())], [], {})
    assert [each.task.case for each in begun] == ["m/fp32/cpu/b1", "m/int8/cpu/b1"]


def test_hosts_on_one_machine_never_run_side_by_side():
    tasks = [*FleetPlan((), (A,)).tasks()]
    hosts = [Host("one", A.key, "same"), Host("two", A.key, "same")]
    (first,) = placements(tasks, hosts, [], {})
    assert placements(tasks, hosts, [first], {}) == []
    apart = [hosts[0], Host("two", A.key, "other")]
    assert len(placements(tasks, apart, [first], {})) == 1


def test_a_class_joins_a_plan_once_and_what_is_planned_stays():
    plan = FleetPlan((), (A,))
    other = replace(A, cases=("m/other/cpu/b1",))
    assert plan.joined([other, B, B]).classes == (A, B)
    assert plan.joined([]) == plan
    assert FleetPlan((), ()).joined([B, A, A]).classes == (B, A)


def test_the_attempts_say_where_a_command_was_cut_off(tmp_path):
    task = Task(A.key, CASES[0])
    Receipts(tmp_path, clock=lambda: 5.0).begin(task, "one")
    (attempt,) = Receipts(tmp_path).attempts(task)
    assert (attempt.began, attempt.ended) == (5.0, None)
    assert attempt.words == "one: the command that ran it was ended"
    found = Receipts(tmp_path, clock=lambda: 9.0)
    found.begin(task, "two")
    found.end(task, "two", "timing", "the host died")
    assert [each.words for each in Receipts(tmp_path).attempts(task)] == [
        "one: the command that ran it was ended",
        "two: the host died (while timing)",
    ]
    assert json.loads(next(tmp_path.glob("attempts/*/*.json")).read_text())[1]["ended"] == 9.0


def test_a_case_goes_to_another_host_than_the_one_that_failed_with_it():
    tasks = [*FleetPlan((), (A,)).tasks()][:2]
    one, two = Host("one", A.key, "1"), Host("two", A.key, "2")
    tries = {tasks[0]: [Attempt("one", 0.0, 1.0, why="the host died")]}
    (begun,) = placements(tasks, [one], [], tries)
    assert begun.task == tasks[0], "there is no other one"
    busy = [Assignment(two, tasks[1])]
    assert placements(tasks, [one, two], busy, tries) == [], "it waits for the other one"
