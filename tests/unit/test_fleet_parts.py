"""A verification in parts, on a simulated schedule of deaths: no part counts twice or is lost."""

import tempfile
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_fleet_hosts import host
from tests.unit.test_fleet_receipts import Killed, World
from vitbench.errors import UserError
from vitbench.fleet.hosts import require_same_images
from vitbench.fleet.parts import needs, ready, spent, steps
from vitbench.fleet.plan import FleetPlan, HostClass, Span, Task
from vitbench.fleet.receipts import MEASURED, UNAVAILABLE, Receipt, Receipts
from vitbench.fleet.run import Outcome, run_plan
from vitbench.fleet.schedule import Assignment, Host
from vitbench.fleet.verdicts import verdict, verdicts_text

FP32, INT8 = "m/fp32/cpu/b4", "m/int8/cpu/b4"
A = HostClass("aaaaaaaa", "a machine", (FP32, INT8), images=21)
PLAN = FleetPlan((), (A,), shard_images=8, files_sha256="F")
SPANS = ((0, 8), (8, 16), (16, 21))


def part(case: str, kind: str, start: int, stop: int) -> Task:
    return Task(A.key, case, Span(kind, start, stop).name)


LOGITS = [part(FP32, "logits", *span) for span in SPANS]
COUNTS = {case: [part(case, "counts", *span) for span in SPANS] for case in (FP32, INT8)}


class Parts(World):
    """Hosts that verify parts. What a host is given must be what the plan says it needs."""

    unavailable, other_builds = "", frozenset()

    def __init__(self, seed, killed_at, hosts, deadly=frozenset()):
        super().__init__(seed, killed_at, hosts)
        self.deadly, self.cases = deadly, Counter()

    def start(self, given: Assignment, files=None) -> None:
        super().start(given, files)
        wanted = {Path(file).name for file in files}
        need = needs(PLAN, A, given.task.case)
        kind = given.task.part.partition("-")[0]
        of = {"": need.all, "counts": need.logits, "logits": ()}[kind]
        assert wanted == {each.part for each in of} or self.unavailable == given.task.case
        assert all(file.read_text().startswith("of ") for file in files.values())
        self.cases[given.task] += 1

    def ended(self, seconds):
        return [self.of_part(each) if each.state else each for each in super().ended(seconds)]

    def of_part(self, found: Outcome) -> Outcome:
        if found.task.case == self.unavailable:
            return replace(found, state=UNAVAILABLE, why="no such CPU", report={})
        if not found.task.part:
            return replace(found, report={"benchmarks": []})
        data = f"of {found.task} by {found.host}".encode()
        built = "another" if found.host in self.other_builds else "one"
        digests = {"sha256": sha256(data).hexdigest(), "conditions": built}
        return replace(found, report=digests, data=data)


def played(world: Parts, folder: Path, said: list[str]):
    """The command, run again whenever it is killed."""
    for _ in range(len(world.killed_at) + 1):
        receipts = Receipts(folder, said.append, lambda: world.now)
        try:
            receipts.keep_plan(receipts.plan() or PLAN)
            world.done = set(receipts.found)
            return run_plan(receipts, PLAN, world, 20.0, said.append, clock=lambda: world.now)
        except Killed:
            world.new_life()
    raise AssertionError("the command was killed more often than asked for")


def hosts(*lives: tuple[float, float]):
    return [
        (Host(f"h{n}", A.key, f"machine {n}"), joins, dies) for n, (joins, dies) in enumerate(lives)
    ]


STAYS = (0.0, 1e9)
LIVES = st.lists(
    st.sampled_from([STAYS, (0.0, 20.0), (0.0, 60.0), (30.0, 1e9), (30.0, 80.0)]), max_size=4
)


@settings(max_examples=settings.get_profile(settings._current_profile).max_examples // 4)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 200), max_size=4), LIVES)
def test_each_part_counts_once_and_a_case_has_all_of_its_own_or_no_receipt(seed, killed_at, lives):
    world, said = Parts(seed, killed_at, hosts(*lives)), []
    with tempfile.TemporaryDirectory() as folder:
        end = played(world, Path(folder), said)
        assert set(Receipts(Path(folder)).found) == set(end.receipts)
    for case in A.cases:
        task = Task(A.key, case)
        need = needs(PLAN, A, case)
        assert (task in end.receipts) != (task in end.lost)
        if task in end.receipts:
            assert {*need.all} <= set(end.receipts)
        else:
            assert end.lost[task].startswith("INCOMPLETE: ")
            assert verdict(task, end.receipts, end.lost) == "INCOMPLETE"
    if STAYS in lives:
        assert not end.lost


def test_the_reference_comes_first_and_a_variant_begins_on_one_host():
    found: dict[Task, Receipt] = {}

    def give(*tasks: Task, state: str = MEASURED) -> list[Task]:
        found.update({each: Receipt(each, state, "one", {}) for each in tasks})
        return ready(PLAN, found, lambda _: False)

    assert give() == LOGITS[:1]
    assert give(LOGITS[0]) == LOGITS[1:]
    assert give(*LOGITS) == [COUNTS[FP32][0], COUNTS[INT8][0]]
    assert give(COUNTS[FP32][0]) == [*COUNTS[FP32][1:], COUNTS[INT8][0]]
    assert give(*COUNTS[FP32]) == [Task(A.key, FP32), COUNTS[INT8][0]]
    assert spent(PLAN, found) == set()
    assert give(*COUNTS[INT8], Task(A.key, FP32)) == [Task(A.key, INT8)]
    assert spent(PLAN, found) == set()  # int8 is timed beside fp32
    assert give(Task(A.key, INT8)) == []
    assert spent(PLAN, found) == {*LOGITS, *COUNTS[FP32], *COUNTS[INT8]}
    assert len(steps(PLAN)) == 11


def test_a_case_that_a_part_finds_unavailable_ends_without_the_others(tmp_path):
    world = Parts(1, set(), hosts(STAYS))
    world.unavailable = INT8
    end = played(world, tmp_path, [])
    assert end.receipts[Task(A.key, INT8)].state == UNAVAILABLE
    assert sum(world.cases[each] for each in COUNTS[INT8]) == 1
    assert end.lost == {}


def test_what_kills_its_process_on_the_first_part_is_not_tried_on_the_others(tmp_path):
    world = Parts(1, set(), hosts(STAYS, STAYS), deadly={INT8})
    end = played(world, tmp_path, [])
    assert [sum(world.cases[each] for each in COUNTS[INT8])] == [3]
    why = end.lost[Task(A.key, INT8)]
    assert why.startswith("INCOMPLETE: 21 of 21 images are in no shard (0 to 7, 8 to 15, 16 to 20)")
    assert "h0: its process was killed by SIGSEGV" in why
    assert Task(A.key, FP32) in end.receipts
    text = verdicts_text(PLAN, end.receipts, end.lost)
    assert f"{INT8}  INCOMPLETE" in text
    assert "KEPT" not in text


def test_a_part_that_was_measured_with_another_built_file_does_not_count(tmp_path):
    world, said = Parts(1, set(), hosts(STAYS, (20.0, 1e9))), []
    world.other_builds = frozenset({"h1"})
    end = played(world, tmp_path, said)
    assert end.lost == {}
    for parts in (LOGITS, *COUNTS.values()):
        assert len({end.receipts[each].report["conditions"] for each in parts}) == 1
    assert any("it was measured with another built file" in line for line in said)


@pytest.mark.parametrize("harm", [lambda f: f.write_bytes(b"of another"), lambda f: f.unlink()])
def test_a_damaged_part_is_verified_again_and_its_case_may_have_ended(tmp_path, harm):
    world, said = Parts(1, {150}, hosts(STAYS)), []
    receipts = Receipts(tmp_path)
    receipts.keep_plan(PLAN)
    for task in (LOGITS[0], COUNTS[FP32][0]):
        report = {"sha256": sha256(b"of it").hexdigest(), "conditions": "one"}
        receipts.keep(Receipt(task, MEASURED, "h9", report), b"of it")
    harm(receipts.file(LOGITS[0]))
    again = Receipts(tmp_path, said.append)
    assert set(again.found) == {COUNTS[FP32][0]}
    assert said == [f"{receipts.file(LOGITS[0])}: missing or damaged: it is verified again"]
    end = played(world, tmp_path, [])
    assert end.lost == {}
    assert end.receipts[LOGITS[0]].host == "h0"
    assert not list((tmp_path / "shards").rglob("*-*"))  # no case needs them any more
    assert set(Receipts(tmp_path, said.append).found) == set(end.receipts)
    assert len(said) == 1


def test_hosts_with_other_images_are_named():
    def of(name: str, digest: str, count: int):
        found = host(name)
        return replace(found, found={**found.found, "files_sha256": digest, "images": count})

    same = [of("one", "F", 21), of("two", "F", 21)]
    assert require_same_images(same, "") == require_same_images(same, "F") == "F"
    with pytest.raises(UserError) as error:
        require_same_images([*same, of("three", "G", 20)], "")
    assert str(error.value) == (
        "--images: other images than one has are on three (20 images): give all hosts the same "
        "files of the same names, or choose hosts by --hosts=GLOB"
    )
    with pytest.raises(UserError, match="other images than the run began with are on one"):
        require_same_images(same, "G")


def test_a_plan_in_parts_is_kept_whole(tmp_path):
    Receipts(tmp_path).keep_plan(PLAN)
    assert Receipts(tmp_path).plan() == PLAN
    assert str(LOGITS[1]) == "m/fp32/cpu/b4, logits of images 8 to 15"
