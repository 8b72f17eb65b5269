"""The duet with arms that speak the protocol and misbehave as told, then a real one."""

import errno
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.repositories import Repository
from tests.unit.test_conclude import answer
from vitbench.case import Case
from vitbench.cli.main import main
from vitbench.duet.base.side import Side
from vitbench.duet.block import Block
from vitbench.duet.conversation import Conversation
from vitbench.duet.play import Duet
from vitbench.duet.play_case import in_parallel
from vitbench.duet.rule import Rule
from vitbench.duet.turns import ARMS, rounds_for, take_turns
from vitbench.errors import UserError, WorkerFailed
from vitbench.judge.verdict import NOTHING_COMPARABLE, exit_code
from vitbench.measure.options import Options
from vitbench.models import parse_specs

GOOD, BAD = (Case("m", name, "cpu", 1) for name in ("good", "bad"))

# An arm of its own: it obeys the protocol, but the case `bad` does what FAULT says in VERB.
FAKE = '''
import json, os, signal, sys, time
PREPARED = json.loads({prepared!r})
FAULT, VERB, SECONDS, PROTOCOL = {fault!r}, {verb!r}, {seconds!r}, {protocol!r}
OPERATORS = {operators!r}
loaded = images = None
for line in sys.stdin:
    request = json.loads(line)
    verb = request["verb"]
    case = request.get("case") or request.get("variant") or loaded
    if verb == "load":
        loaded = request["variant"]
    if case and case.endswith("bad" if "/" not in case else "/bad/cpu/b1") and verb == VERB:
        if FAULT == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if FAULT == "hung":
            time.sleep(60)
        if FAULT == "rubbish":
            print("not JSON", flush=True)
            continue
        if FAULT == "ended":
            print("out of luck", file=sys.stderr)
            sys.exit(3)
        if FAULT == "wrong":
            error = {{"kind": "WrongOutputs", "message": "1 of 1 differ"}}
            print(json.dumps({{"error": error}}), flush=True)
            continue
        if FAULT == "refused":
            error = {{"kind": "UserError", "message": "No such file or directory: 'w/tiny.pth'"}}
            print(json.dumps({{"error": error}}), flush=True)
            continue
        if FAULT == "raised":
            print(json.dumps({{"error": {{"kind": "KeyError", "message": "oh"}}}}), flush=True)
            continue
    name = (request.get("case") or "//").split("/")[1]
    if verb == "prepare":
        images = request["folder"] + "/images.npy"
        open(images, "w").close()
    elif verb in ("load", "operators"):
        open(request["images"]).close()  # as a real arm does: the images must still be there
    if verb == "structure" and OPERATORS is None:  # as an arm of an older vitbench
        error = {{"kind": "UserError", "message": "there is no verb 'structure': hello, load"}}
        print(json.dumps({{"error": error}}), flush=True)
        continue
    if verb == "contents":  # as of an older vitbench
        error = {{"kind": "UserError", "message": "there is no verb 'contents': hello"}}
        print(json.dumps({{"error": error}}), flush=True)
        continue
    prepared = {{**PREPARED, "load": {{"variant": name, "images": images}}}}
    given = {{
        "hello": {{"protocol": PROTOCOL, "vitbench": "9.9", "versions": {{}}, "variables": {{}}}},
        "prepare": prepared,
        "load": {{"seconds": SECONDS}},
        "turn": {{"seconds": SECONDS}},
        "operators": [{{"name": "linear", "seconds": SECONDS, "calls": 1}}],
        "structure": {{
            "key": {{"runtime": "eager", "versions": {{}}, "isa": [], "threads": 1, "batch": 1,
                    "device": "cpu"}},
            "counters": {{"operators": OPERATORS}},
        }},
    }}.get(verb, {{}})
    print(json.dumps({{"answer": given}}), flush=True)
'''  # fmt: skip


@pytest.fixture
def side(tmp_path):
    """Make a side whose arm is the fake one."""

    def make(name, fault="", verb="turn", seconds=0.01, protocol=1, operators=None):
        folder = tmp_path / name
        (folder / "vitbench").mkdir(parents=True)
        (folder / "vitbench" / "__init__.py").touch()
        code = FAKE.format(
            prepared=json.dumps(answer()), fault=fault, verb=verb, seconds=seconds,
            protocol=protocol, operators=operators,
        )  # fmt: skip
        (folder / "vitbench" / "arm.py").write_text(code)
        return Side(name, sys.executable, folder)

    return make


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path / "cache"))
    # The folder of a fake side stands before everything else, this checkout too.
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return Options(
        models=parse_specs(["deit_tiny_patch16_224"], tmp_path), weights=None, images=None,
        variants=(), reference="fp32", device="cpu", batches=(), threads=1, seconds=0.5,
        build_seconds=5.0, profile=False, calibration=None, verify_images=4,
        cache=tmp_path / "cache", rebuild=None,
    )  # fmt: skip


def verdicts(sides, options, blocks=4, turn_seconds=60.0):
    duet = Duet(sides, options, turn_seconds=turn_seconds)
    rule = Rule(planned=blocks)
    return {v.case.split("/")[1]: v for v in duet.run([GOOD, BAD], rule, minutes=10)}


def test_a_slower_head_is_found_and_its_operators_are_named(side, options):
    sides = {"base": side("base"), "head": side("head", seconds=0.012)}
    found = verdicts(sides, options, blocks=4)["good"]
    assert found.state == "SLOWER", found.sentence
    assert found.change == pytest.approx(0.2, abs=1e-6)
    assert "Operators that grew: linear 12 ms (was 10); 6 profiles of each arm" in found.sentence


@pytest.mark.parametrize("verb", ["prepare", "load", "turn"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("killed", "was killed by SIGKILL"),
        ("ended", "ended with status 3 and no answer; its last words: out of luck"),
        ("rubbish", "answered b'not JSON', not JSON"),
        ("raised", "failed with KeyError: oh"),
    ],
)
def test_a_worker_that_fails_takes_no_other_case_down(side, options, fault, words, verb):
    found = verdicts({"base": side("base"), "head": side("head", fault, verb)}, options)
    assert found["good"].state == "SAME"
    assert found["bad"].state == ("DRIFTED" if verb == "prepare" else "INCONCLUSIVE")
    assert "the head worker (head)" in found["bad"].sentence
    assert words in found["bad"].sentence


@pytest.mark.parametrize("verb", ["load", "turn"])
@pytest.mark.parametrize(("who", "state"), [("head", "DRIFTED"), ("base", "INCONCLUSIVE")])
def test_a_side_that_answers_otherwise_while_it_is_timed_is_told(side, options, verb, who, state):
    sides = {"base": side("base"), "head": side("head")}
    sides[who] = replace(sides[who], folder=side("wrong", "wrong", verb).folder)
    found = verdicts(sides, options)
    assert found["good"].state == "SAME"
    assert found["bad"].state == state
    assert "block 1: the " in found["bad"].sentence
    assert f"worker ({who}): 1 of 1 differ" in found["bad"].sentence


FUSED, PLAIN = {"scaled_dot_product": 12}, {"bmm": 24, "softmax": 12}


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (FUSED, []),
        (PLAIN, ["attention: 12 x scaled_dot_product became 24 x bmm + 12 x softmax"]),
        ({}, ["not compared: head: eager reports no operator of the call"]),
        (None, None),
    ],
)  # fmt: skip
def test_what_is_executed_otherwise_stands_beside_the_verdict(side, options, head, lines):
    sides = {"base": side("base", operators=FUSED), "head": side("head", operators=head)}
    told = []
    duet = Duet(sides, options, told.append)
    [found] = duet.run([GOOD], Rule(planned=4), minutes=10)
    assert found.state == "SAME"
    assert found.figures.get("structure") == lines
    assert any("not compared: there is no verb" in line for line in told) == (head is None)


def test_an_arm_that_dies_while_it_counts_takes_nothing_down(side, options):
    sides = {
        "base": side("base", operators=FUSED),
        "head": side("head", "killed", "structure", operators=FUSED),
    }
    found = verdicts(sides, options)
    assert {each.state for each in found.values()} == {"SAME"}
    [line] = found["bad"].figures["structure"]
    assert line.startswith("not compared: the head worker (head) was killed by SIGKILL")
    assert found["good"].figures["structure"] == []


def test_a_crash_in_a_late_block_keeps_the_earlier_ones(side, options):
    """Head is slower, and its worker is killed in the fifth block."""

    class Crashing(Duet):
        def block(self, number, cases):
            if number == 4:
                self.sides["head"] = side("crashing", "killed")
            super().block(number, cases)

        def open_cases(self, cases, _):
            return [c for c in cases if c.id not in self.progress.stopped]  # however sure it is

    sides = {"base": side("base"), "head": side("head", seconds=0.012)}
    duet = Crashing(sides, options)
    good, bad = duet.run([GOOD, BAD], Rule(planned=5), minutes=10)
    assert (good.state, good.figures["blocks"]) == ("SLOWER", 5)
    assert (bad.state, bad.figures["blocks"]) == ("SLOWER", 4)
    assert "No more blocks: block 5: the head worker (crashing) was killed by SIGKILL" in (
        bad.sentence
    )


def test_of_several_workers_that_fail_at_once_head_is_named():
    def fails(name):
        raise WorkerFailed(name)

    with pytest.raises(WorkerFailed, match=r"^head$"):
        in_parallel(fails, ["null", "base", "head"])
    assert in_parallel(str.upper, ["null", "head"]) == ["NULL", "HEAD"]


def test_a_base_that_breaks_down_is_no_base_to_pass_by(side, options):
    found = verdicts({"base": side("base", "killed", "prepare"), "head": side("head")}, options)
    assert found["good"].state == "SAME"
    assert found["bad"].state == "INCONCLUSIVE"
    assert "base fails: the base worker (base) was killed by SIGKILL" in found["bad"].sentence


@pytest.mark.parametrize(
    ("tracked", "words"),
    [
        (False, "base's tree, and git does not track w/tiny.pth: name the file as `checkpoint` of"),
        (True, "base's tree: base's commit does not have w/tiny.pth, which is new in head"),
        (None, "base fails: No such file or directory: 'w/tiny.pth'"),
    ],
)
def test_a_base_that_cannot_be_built_is_incomparable(side, options, tmp_path, tracked, words):
    """No quieter machine would decide it. `tracked`: head's file; None: it has none."""
    repository, tree = Repository(tmp_path / "r"), tmp_path / "tree"
    tree.mkdir()
    if tracked is not None:
        repository.write("w/tiny.pth", "weights")
    if tracked:
        repository.commit_all()
    base = replace(side("base", "refused", "prepare"), top=tree, cwd=tree)
    head = replace(side("head"), top=repository.folder)
    found = verdicts({"base": base, "head": head}, options)
    assert (found["good"].state, found["bad"].state) == ("SAME", "INCOMPARABLE")
    assert words in found["bad"].sentence
    assert ("base's tree" in found["bad"].sentence) == (tracked is not None)
    assert exit_code([found["bad"]]) == NOTHING_COMPARABLE, "it alone is not green"


def test_a_worker_that_hangs_is_stopped(side, options):
    sides = {"base": side("base", "hung"), "head": side("head")}
    found = verdicts(sides, options, turn_seconds=2.0)
    assert found["good"].state == "SAME"
    assert "was stopped: no answer in 2 s" in found["bad"].sentence


def test_workers_that_do_not_start_any_more_end_it_and_the_finished_blocks_are_judged(
    side, options
):
    class Dying(Duet):
        def block(self, number, cases):
            if number:
                raise WorkerFailed("the head worker: no answer in 300 s")
            super().block(number, cases)

    told = []
    duet = Dying({"base": side("base"), "head": side("head")}, options, told.append)
    (found,) = duet.run([GOOD], Rule(planned=4), minutes=1)
    assert found.state == "INCONCLUSIVE"
    assert found.figures["blocks"] == 1
    assert "no more blocks: the head worker: no answer in 300 s" in told


def test_a_base_that_is_head_is_not_compared(side, options):
    """No worker is started, and every case says why."""
    told = []
    same = replace(side("base", "killed", "hello"), same="they are one", notes=("a note",))
    found = Duet({"base": same, "head": same}, options, told.append).run([GOOD, BAD], Rule(), 1)
    assert [v.state for v in found] == ["INCOMPARABLE"] * 2
    assert {v.sentence for v in found} == {"nothing was compared: they are one"}
    assert told == ["a note"]
    assert exit_code(found) == exit_code(found, inconclusive_fails=False) == 2


def test_another_protocol_is_one_clear_sentence(side, options):
    sides = {"base": side("base", protocol=2), "head": side("head")}
    with pytest.raises(UserError, match=r"base speaks protocol 2 of the duet \(vitbench 9.9\)"):
        verdicts(sides, options)


def test_it_stops_when_all_is_decided_or_time_is_up(side, options):
    sides = {"base": side("base"), "head": side("head")}
    duet = Duet(sides, options)
    duet.run([GOOD], Rule(planned=20), minutes=1)
    assert 2 <= len(duet.progress.blocks[GOOD.id]) < 20, "equal times decide soon"
    duet = Duet(sides, options)
    duet.run([GOOD], Rule(planned=20), minutes=1e-9)
    assert len(duet.progress.blocks[GOOD.id]) == 1


def test_rounds_are_balanced():
    order = []
    turns = {arm: lambda arm=arm: order.append(arm) or 1.0 for arm in ARMS}
    seconds = take_turns(turns, 6, start=4)
    assert {arm: len(row) for arm, row in seconds.items()} == dict.fromkeys(ARMS, 6)
    rounds = [order[i : i + 3] for i in range(0, 18, 3)]
    assert len({tuple(each) for each in rounds}) == 6
    for place in range(3):
        assert sorted(each[place] for each in rounds) == sorted(ARMS * 2)


@pytest.mark.parametrize(("turn", "rounds"), [(10.0, 24), (0.02, 48), (1e-9, 600), (0.0, 600)])
def test_rounds_fill_the_seconds(turn, rounds):
    assert rounds_for(3.0, turn) == rounds


def test_nothing_of_a_conversation_outlives_it(tmp_path):
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "for _ in sys.stdin: print('{\"answer\": %d}' % child.pid, flush=True)\n"
    )
    with Conversation("it", (sys.executable, "-c", script), tmp_path) as arm:
        child = arm.ask({}, 10)
        assert alive(child)
    deadline = time.monotonic() + 60
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)  # a killed process takes a moment
    assert not alive(child)
    with pytest.raises(WorkerFailed, match="it cannot be started: No such file"):
        Conversation("it", ("/nowhere/python",), tmp_path)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.usefixtures("options")
def test_a_full_disk_stops_no_duet(side, monkeypatch, tmp_path, capsys):
    """What cannot be written is said, the verdicts are printed, and the exit code says so."""
    sides = {"base": side("base"), "head": side("head")}
    monkeypatch.setattr("vitbench.duet.sides.sides_of", lambda _: nullcontext(sides))
    monkeypatch.setattr("vitbench.duet.base.prepare_head.meant", lambda *_: ("checkout", tmp_path))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code = main([
        "duet", "--against=x", "--variant=fp32", "--seconds=0.1", f"--json={tmp_path / 'd.json'}",
    ])  # fmt: skip
    told = capsys.readouterr()
    assert code == 4
    assert "1 case: 1 SAME" in told.out
    assert "d.json: cannot write it: No space left on device" in told.err
    assert not list(tmp_path.glob("d.json*"))


def test_waiting_for_others_is_no_time_of_the_duet(options, monkeypatch):
    """Blocks of 20 s, each after 75 s of waiting: 1.5 minutes hold four, as without waiting."""
    now, told = [0.0], []

    @contextmanager
    def waiting(_):
        now[0] += 75
        yield 75.0

    class Played(Duet):
        def prepare(self, *_):
            self.progress.prepared = {side: {GOOD.id: answer()} for side in ("base", "head")}

        def block(self, number, _):
            now[0] += 20
            rounds = [0.01 * (1 + 0.2 * (-1) ** number)] * 24  # which decides nothing
            self.progress.blocks.setdefault(GOOD.id, []).append(Block([0.01] * 24, rounds, rounds))

    monkeypatch.setattr("vitbench.duet.play.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("vitbench.duet.play.timing_alone", waiting)
    monkeypatch.setattr("vitbench.duet.play.compare_structures", lambda *_: None)  # no arm starts
    sides = dict.fromkeys(("base", "head"), Side("it", sys.executable, Path()))
    duet = Played(sides, options, told.append)
    (found,) = duet.run([GOOD], Rule(), minutes=1.5)
    assert found.figures["blocks"] == 4
    assert duet.progress.waited_seconds == 300
    assert told[-1] == "no more blocks: another one would end after the 1.5 minutes of --minutes"


def test_two_duets_at_once_take_turns(side, options):
    """Neither's block begins before the other's has ended."""
    spans = []

    class Watched(Duet):
        def block(self, number, cases):
            began = time.monotonic()
            super().block(number, cases)
            spans.append((began, time.monotonic()))

    sides = {"base": side("base"), "head": side("head")}
    duets = [Watched(sides, options) for _ in range(2)]
    with ThreadPoolExecutor(2) as two:
        for done in [two.submit(d.run, [GOOD], Rule(planned=3), 1) for d in duets]:
            done.result()
    assert len(spans) >= 4
    spans.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
