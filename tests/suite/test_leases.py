"""What is deleted of the cache, and what is not: in use here, in use elsewhere, or not ours."""

import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench import runtimes
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.entry import key
from vitbench.build.eviction import evict, hold, lease_file, lock_file
from vitbench.build.locks import Leases, acquire, locked
from vitbench.case import Case
from vitbench.duet.base.prepare import prepare_by
from vitbench.duet.progress import Progress
from vitbench.errors import UserError
from vitbench.runtimes import Placement, variant

BIG = b"x" * 10_000


def build(path):
    path.write_bytes(BIG)
    return {}


def fill(folder, *numbers):
    """Artifacts that nobody uses, the first the least recently used."""
    paths = []
    for age, number in enumerate(numbers):
        path = ArtifactCache(folder).get({"n": number}, ".pt", build).path
        os.utime(path.with_name("manifest.json"), (1e9 + age, 1e9 + age))
        paths.append(path)
    return paths


def here(folder):
    return {path.relative_to(folder).as_posix() for path in folder.glob("*/*")}


USER = """
import sys, time
from pathlib import Path
from vitbench.build.artifacts import ArtifactCache

def build(path):
    if sys.argv[2] == "slow":
        path.write_bytes(b"half")
        print("building", flush=True)
        time.sleep(60)
    path.write_bytes(b"x" * 10_000)
    return {}

cache = ArtifactCache(Path(sys.argv[1]))
print(cache.get({"n": 0}, ".pt", build).path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that uses an artifact, or builds it for ever; and how to wait for it."""
    started = []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(tmp_path), how], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_what_another_process_uses_stays_until_it_ends(tmp_path, other, ending):
    process, path = other("fast")
    used = Path(path)
    os.utime(used.with_name("manifest.json"), (1e9, 1e9))  # by far the oldest
    (idle,) = fill(tmp_path, 1)
    ArtifactCache(tmp_path, limit_bytes=1).get({"n": 2}, ".pt", build)
    assert used.exists()
    assert not idle.exists()
    process.send_signal(ending)
    process.wait()
    ArtifactCache(tmp_path, limit_bytes=1).get({"n": 3}, ".pt", build)
    assert not used.exists()


def test_a_build_that_lives_is_left_alone_and_a_dead_one_is_swept(tmp_path, other):
    process, said = other("slow")
    assert said == "building"
    evict(tmp_path, 0)
    (partial,) = tmp_path.glob("artifacts/*.partial")
    assert (partial / "artifact.pt").exists()
    process.kill()
    process.wait()
    ArtifactCache(tmp_path).json("agreement", {"of": "another"}, lambda: 1)
    assert not partial.exists()
    assert not lock_file(tmp_path / "artifacts" / key({"n": 0})).exists()


def test_who_waits_for_a_build_that_is_killed_builds_itself(tmp_path, other):
    process, said = other("slow")
    assert said == "building"
    waiting, built = ThreadPoolExecutor(1), []

    def get():
        return ArtifactCache(tmp_path).get(
            {"n": 0}, ".pt", lambda path: built.append(1) or build(path)
        )

    found = waiting.submit(get)
    assert not built
    process.kill()
    assert found.result(timeout=60).path.read_bytes() == BIG
    assert built == [1]


@pytest.mark.parametrize("kind", ["logits", "agreement", "another kind"])
def test_every_kind_of_entry_is_evicted_the_least_recently_used_first(tmp_path, kind):
    def put(number, limit=10**9):
        ArtifactCache(tmp_path, limit_bytes=limit).array(
            kind, {"n": number}, 2000, lambda: [np.ones(2000)]
        )

    for number in range(3):
        put(number)
        manifest = tmp_path / kind / key({"n": number}) / "manifest.json"
        os.utime(manifest, (1e9 + number, 1e9 + number))
    put(0)  # read: now the youngest
    put(3, limit=40_000)
    assert here(tmp_path / kind) == {
        f"{key({'n': n})}/{name}" for n in (0, 3) for name in ("artifact.npy", "manifest.json")
    }
    names = {path.name for path in (tmp_path / "locks").iterdir()}
    assert names == {f"{kind}-{key({'n': n})}.lock" for n in (0, 3)}


def test_small_results_make_room_too(tmp_path):
    old, young = fill(tmp_path, 0, 1)
    ArtifactCache(tmp_path, limit_bytes=15_000).json("agreement", {}, lambda: 1)
    assert not old.exists()
    assert young.exists()


def test_what_this_run_used_is_not_computed_twice_however_low_the_limit(tmp_path):
    cache = ArtifactCache(tmp_path, limit_bytes=1)
    for compute in (lambda: [np.ones(2000)], lambda: 1 / 0):
        assert cache.array("logits", {"n": 0}, 2000, compute).sum() == 2000
        cache.json("agreement", {"n": 0}, lambda: 1)


def test_what_is_in_use_beyond_the_limit_is_said_once(tmp_path):
    said = []
    cache = ArtifactCache(tmp_path, limit_bytes=15_000, say=said.append)
    first = cache.get({"n": 0}, ".pt", build).path
    assert not said
    for number in (1, 2):
        cache.get({"n": number}, ".pt", build)
    assert len(said) == 1
    assert str(tmp_path) in said[0]
    assert "--cache-limit" in said[0]
    assert first.exists()


def test_what_is_not_ours_stays(tmp_path):
    digest = key({"n": 9})
    strange = [
        tmp_path / "notes.txt", tmp_path / "src" / "model.py", tmp_path / "src" / f"{digest}.py",
        tmp_path / "blobs" / digest / "weights.bin", tmp_path / "history" / "mine.npz",
        tmp_path / "locks" / "door.lock", tmp_path / "timing.lock", tmp_path / "x" / "a.partial",
    ]  # fmt: skip
    for file in strange:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(BIG)
    (tmp_path / "blobs" / key({"n": 8})).write_bytes(BIG)
    seen = tmp_path / "history" / "0123456789abcdef.npz"  # what `vitbench history` wrote
    seen.write_bytes(BIG)
    before = here(tmp_path) - {"history/0123456789abcdef.npz"}
    evict(tmp_path, 0)
    assert here(tmp_path) == before
    assert all(file.exists() for file in strange)


def test_locks_of_what_is_gone_are_swept_and_those_in_use_stay(tmp_path):
    (path,) = fill(tmp_path, 0)
    gone = [lock_file(tmp_path / "artifacts" / key({"n": n})) for n in (1, 2)]
    for lock in gone:
        lock.touch()
    with locked(gone[0]):
        evict(tmp_path, 10**9)
        assert gone[0].exists()
        assert not gone[1].exists()
    assert lock_file(path.parent).exists()


def test_a_lock_whose_file_was_deleted_is_no_lock(tmp_path, monkeypatch):
    """Whoever waited for it would else hold a lock that nobody after it sees."""
    import fcntl

    lock, genuine = tmp_path / "a.lock", fcntl.flock

    def swept(file, how):
        genuine(file, how)
        if not swept.done:
            swept.done = True
            lock.unlink()

    swept.done = False
    monkeypatch.setattr(fcntl, "flock", swept)
    held = acquire(lock)
    monkeypatch.undo()
    assert acquire(lock, wait=False) is None
    os.close(held)


FEW = """
import resource, sys
from pathlib import Path
from vitbench.build.locks import Leases

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
leases = Leases()
for number in range(100):
    leases.take(Path(sys.argv[1]) / f"{number}.lease")
"""


def test_more_leases_than_files_that_a_process_has_unless_it_asks(tmp_path):
    command = [sys.executable, "-c", FEW, str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len([*tmp_path.iterdir()]) == 100


def test_a_folder_without_locks_is_named(tmp_path, monkeypatch):
    """Two builds there would spoil each other."""

    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(UserError, match=r"No locks available; choose another with --cache DIR"):
        ArtifactCache(tmp_path).get({"n": 0}, ".pt", build)


def test_a_duet_holds_what_its_workers_prepared(tmp_path):
    """The worker that prepared an artifact ends, and others load it by its path, blocks later."""
    (path,) = fill(tmp_path / "cache", 0)
    arm, leases = Namespace(ask=lambda *_: {"load": {"path": str(path)}}), Leases()
    cases, known = [Case("m", "fp32", "cpu", 1)], Progress()
    assert prepare_by(arm, "base", cases, tmp_path, 1.0, known, leases, print) == []
    assert list(known.prepared["base"]) == ["m/fp32/cpu/b1"]
    evict(tmp_path / "cache", 0)
    assert path.exists()
    del leases
    evict(tmp_path / "cache", 0)
    assert not path.exists()


class Namespace:
    def __init__(self, **values):
        self.__dict__.update(values)


@pytest.mark.parametrize("path", ["", "images.npy", "/nowhere/artifacts/" + "a" * 64 + "/x.pt"])
def test_a_path_that_is_no_artifact_s_is_not_held(path):
    hold(Path(path), leases := Taken())
    assert leases.paths == []


def test_an_artifact_s_path_is_held(tmp_path):
    path = ArtifactCache(tmp_path).get({"n": 1}, ".pt", build).path
    hold(path, leases := Taken())
    assert len(leases.paths) == 1


class Taken(Leases):
    """Leases that list what they took."""

    def __init__(self):
        super().__init__()
        self.paths = []

    def take(self, path):
        super().take(path)
        self.paths.append(path)


@pytest.mark.parametrize("name", ["fp32", "scripted", "ort-fp32", "tuned-int8"])
def test_an_artifact_that_is_gone_is_one_sentence(tmp_path, name):
    path = tmp_path / "artifact.pt"
    asked = Placement(path, variant(name), "cpu", {"image": [3, 8, 8]}, 1)
    for ask in (lambda: runtimes.load(asked), lambda: runtimes.operators(asked, None)):
        with pytest.raises(UserError, match=r"artifact\.pt is gone: .* run it again"):
            ask()


def test_a_folder_that_cannot_be_written_serves_with_what_lies_in_it(tmp_path, monkeypatch):
    cache = ArtifactCache(tmp_path)
    made = cache.get({"n": 0}, ".pt", build)
    cache.json("agreement", {}, lambda: {"share": 1})

    def refused(*arguments, **_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))

    with monkeypatch.context() as patched:
        for function in ("open", "utime", "mkdir"):
            patched.setattr(os, function, refused)
        fresh = ArtifactCache(tmp_path)
        assert fresh.get({"n": 0}, ".pt", refused).path == made.path
        assert fresh.json("agreement", {}, refused) == {"share": 1}
        with pytest.raises(UserError, match=r"Read-only file system; choose another with --cache"):
            fresh.get({"n": 1}, ".pt", build)
        with pytest.raises(UserError, match=r"read-only, and an entry is to be made; choose"):
            ArtifactCache(tmp_path, rebuild="now").get({"n": 0}, ".pt", build)


def test_a_result_for_which_there_is_no_space_leaves_nothing(tmp_path, monkeypatch):
    def full(self, *_):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    cache = ArtifactCache(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(UserError, match="no space is left"):
            cache.json("agreement", {}, lambda: 1)
    assert here(tmp_path) == {f"locks/agreement-{key({})}.lock"}
    assert cache.json("agreement", {}, lambda: 2) == 2


def test_an_entry_made_again_is_missing_for_no_reader(tmp_path):
    old = ArtifactCache(tmp_path).get({"n": 0}, ".pt", build)

    def again(path):
        assert old.path.exists()
        path.write_bytes(b"new")
        return {}

    made = ArtifactCache(tmp_path, rebuild="now").get({"n": 0}, ".pt", again)
    assert made.path.read_bytes() == b"new"
    assert [path.name for path in tmp_path.glob("artifacts/*")] == [made.key]
    assert json.loads(made.path.with_name("manifest.json").read_text())["token"] == "now"


def test_a_lease_is_held_by_several_and_let_go_by_each(tmp_path):
    (path,) = fill(tmp_path, 0)
    several = [Leases(), Leases()]
    for leases in several:
        leases.take(lease_file(path.parent))
        leases.take(lease_file(path.parent))
    while several:
        assert acquire(lease_file(path.parent), wait=False) is None
        several.pop().release()
    evict(tmp_path, 0)
    assert not path.exists()


STRESS = """
import random, sys, time
from pathlib import Path
from vitbench.build.artifacts import ArtifactCache

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
random.seed(seed)

def build(path):
    path.write_bytes(b"%d" % number * 1000)
    return {}

end, built = time.monotonic() + 4, 0
while time.monotonic() < end:
    cache, held = ArtifactCache(folder, limit_bytes=3000), {}
    for _ in range(4):
        number = random.randrange(8)
        found = cache.get({"n": number}, ".pt", build)
        built += found.built
        held[number] = found.path
        assert cache.json("agreement", {"n": number}, lambda: number) == number
        for each, path in held.items():
            assert path.read_bytes() == b"%d" % each * 1000, (seed, each)
print(built)
"""


@pytest.mark.thorough
def test_nobody_loses_what_it_uses_while_all_evict(tmp_path):
    """Four processes that hold up to four of eight artifacts, where three fit."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STRESS, str(tmp_path), str(seed)],
            cwd=ROOT, text=True, stdout=subprocess.PIPE,
        )
        for seed in range(4)
    ]  # fmt: skip
    told = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sum(map(int, told)) > 20  # what was let go was evicted, and built again
    assert not [*tmp_path.glob("artifacts/*.partial")]
