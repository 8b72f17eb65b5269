"""The cache on disk: made once, whole or not at all, by any number of processes."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitbench.build.artifacts import ArtifactCache, default_folder
from vitbench.build.entry import key
from vitbench.errors import UserError

IDENTITY = {"weights": "abc", "options": {"engine": "x86", "mobile": True}}


class Builder:
    """Writes `content` and counts how often it was asked to."""

    def __init__(self, content=b"artifact"):
        self.content = content
        self.calls = 0

    def __call__(self, path):
        self.calls += 1
        path.write_bytes(self.content)
        return {"build_seconds": 1.5, "peak_memory_bytes": 7}


@pytest.fixture
def build():
    return Builder()


@pytest.fixture
def cache(tmp_path):
    return ArtifactCache(tmp_path / "cache")


def entries(cache, kind="artifacts"):
    return {path.name for path in (cache.folder / kind).glob("*")}


def test_a_key_depends_on_what_is_said_and_not_on_its_order():
    assert key({"a": 1, "b": {"c": 2, "d": 3}}) == key({"b": {"d": 3, "c": 2}, "a": 1})
    assert key({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert key({"a": 1}) != key({"a": "1"})


def test_the_folder_is_the_environment_s_or_the_user_s(monkeypatch, tmp_path):
    monkeypatch.setenv("VITBENCH_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("VITBENCH_CACHE")
    assert default_folder().name == "vitbench"


def test_an_artifact_is_built_once_and_described(cache, build):
    first, second = (cache.get(IDENTITY, ".pt", build) for _ in range(2))
    assert build.calls == 1
    assert (first.built, second.built) == (True, False)
    assert first.path == second.path == cache.folder / "artifacts" / key(IDENTITY) / "artifact.pt"
    assert first.path.read_bytes() == b"artifact"
    assert (first.bytes, first.build_seconds) == (8, 1.5)
    assert second.manifest == json.loads((first.path.parent / "manifest.json").read_text())
    assert second.manifest["identity"] == IDENTITY
    assert second.manifest["peak_memory_bytes"] == 7


def test_another_identity_is_another_artifact(cache, build):
    cache.get(IDENTITY, ".pt", build)
    assert cache.get({**IDENTITY, "weights": "abd"}, ".pt", build).built


def flip_a_byte(entry):
    (entry / "artifact.pt").write_bytes(b"artifacT")


def cut_the_manifest(entry):
    manifest = entry / "manifest.json"
    manifest.write_text(manifest.read_text()[:20])


def empty_the_manifest(entry):
    (entry / "manifest.json").write_text("[]")


def lose_the_artifact(entry):
    (entry / "artifact.pt").unlink()


@pytest.mark.parametrize(
    "damage", [flip_a_byte, cut_the_manifest, empty_the_manifest, lose_the_artifact]
)
def test_a_damaged_entry_is_built_again(cache, build, damage):
    damage(cache.get(IDENTITY, ".pt", build).path.parent)
    again = cache.get(IDENTITY, ".pt", build)
    assert again.built
    assert again.path.read_bytes() == b"artifact"


def test_an_entry_appears_only_when_it_is_whole(cache):
    def build(path):
        path.write_bytes(b"half")
        assert not (cache.folder / "artifacts" / key(IDENTITY)).exists()
        path.write_bytes(b"whole")
        return {}

    artifact = cache.get(IDENTITY, ".pt", build)
    assert artifact.path.read_bytes() == b"whole"
    assert artifact.build_seconds > 0
    assert entries(cache) == {artifact.key}


def test_what_a_killed_build_left_is_swept(cache, build):
    partial = cache.folder / "artifacts" / f"{key(IDENTITY)}.partial"
    partial.mkdir(parents=True)
    (partial / "debris").write_text("half")
    artifact = cache.get(IDENTITY, ".pt", build)
    assert {path.name for path in artifact.path.parent.iterdir()} == {
        "artifact.pt",
        "manifest.json",
    }
    assert entries(cache) == {artifact.key}


def test_a_failing_build_leaves_nothing_and_says_why(cache, build):
    def fail(path):
        path.write_bytes(b"half")
        raise ZeroDivisionError("the builder's own")

    with pytest.raises(ZeroDivisionError, match="own"):
        cache.get(IDENTITY, ".pt", fail)
    assert entries(cache) == set()
    assert cache.get(IDENTITY, ".pt", build).built


def test_a_full_disk_names_the_folder_and_the_option(cache):
    def fill(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with pytest.raises(UserError, match="--cache DIR") as caught:
        cache.get(IDENTITY, ".pt", fill)
    assert str(cache.folder) in str(caught.value)
    assert entries(cache) == set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, build):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="--cache DIR") as caught:
        ArtifactCache(tmp_path / "file" / "cache").get(IDENTITY, ".pt", build)
    assert str(tmp_path / "file") in str(caught.value)
    assert build.calls == 0


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path, build):
    """They could put a library there, and torch would run it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(UserError, match=r"can be written by other users.*another with --cache DIR"):
        ArtifactCache(shared).get({"a": 1}, ".bin", build)
    shared.chmod(0o755)
    assert ArtifactCache(shared).get({"a": 1}, ".bin", build).built


def test_what_is_cached_belongs_to_the_user_alone(cache, build):
    cache.get(IDENTITY, ".pt", build)
    folders = [cache.folder, *(path for path in cache.folder.rglob("*") if path.is_dir())]
    assert len(folders) == 4
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_rebuild_happens_once_per_token(cache, build):
    cache.get(IDENTITY, ".pt", build)
    workers = [ArtifactCache(cache.folder, rebuild="session-1") for _ in range(3)]
    assert [w.get(IDENTITY, ".pt", build).built for w in workers] == [True, False, False]
    assert ArtifactCache(cache.folder, rebuild="session-2").get(IDENTITY, ".pt", build).built
    assert not cache.get(IDENTITY, ".pt", build).built


def test_processes_that_want_the_same_artifact_build_it_once(tmp_path):
    script = """
import sys, time
from pathlib import Path
from vitbench.build.artifacts import ArtifactCache

def build(path):
    time.sleep(0.5)
    path.write_bytes(b"x" * 1000)
    return {}

print(ArtifactCache(Path(sys.argv[1])).get({"a": 1}, ".pt", build).built)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "cache")]
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)
    ]
    printed = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert printed == ["False", "False", "True"]


def test_the_least_recently_used_go_first_and_never_the_newest(tmp_path):
    def fresh(limit):
        return ArtifactCache(tmp_path, limit_bytes=limit)

    build = Builder(b"x" * 10_000)
    old, used, idle = ({"n": n} for n in range(3))
    for age, identity in zip((30, 40, 20), (old, used, idle), strict=True):
        manifest = fresh(10**9).get(identity, ".pt", build).path.with_name("manifest.json")
        os.utime(manifest, (1e9 - age, 1e9 - age))
    fresh(10**9).get(used, ".pt", build)  # a touch: it was the oldest, and is now the youngest
    newest = fresh(25_000).get({"n": 3}, ".pt", build)
    assert entries(fresh(0)) == {key(used), newest.key}
    alone = fresh(1).get({"n": 4}, ".pt", build)
    assert entries(fresh(0)) == {alone.key}
    assert alone.path.exists()


def test_what_a_session_was_handed_stays(tmp_path, build):
    cache = ArtifactCache(tmp_path, limit_bytes=1)
    artifacts = [cache.get({"n": n}, ".pt", build) for n in range(3)]
    assert all(artifact.path.exists() for artifact in artifacts)


def test_small_results_are_computed_once_and_again_when_damaged(cache):
    calls = []

    def compute():
        calls.append(1)
        return {"agreement": 0.5, "top1": (1, 2)}

    for _ in range(2):
        found = cache.json("agreement", IDENTITY, compute)
        assert found == {"agreement": 0.5, "top1": [1, 2]}
    assert len(calls) == 1
    (file,) = cache.folder.glob("agreement/*/artifact.json")
    file.write_text('{"agreement": 0.9}')
    assert cache.json("agreement", IDENTITY, compute)["agreement"] == 0.5
    assert len(calls) == 2
    ArtifactCache(cache.folder, rebuild="now").json("agreement", IDENTITY, compute)
    assert len(calls) == 3
    assert cache.json("another kind", IDENTITY, lambda: None) is None


def test_arrays_come_back_as_they_were(cache):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for compute in (lambda: [array[:1], array[1:]], lambda: 1 / 0):
        found = cache.array("logits", IDENTITY, 2, compute)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.float32


def test_an_array_of_objects_is_refused(cache):
    with pytest.raises(ValueError, match="objects cannot be saved"):
        cache.array("logits", IDENTITY, 1, lambda: [np.array([object()])])
    assert entries(cache, "logits") == set()
