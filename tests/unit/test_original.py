"""The copy of what another tool built: whole, under its own names, and no other content's."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from vitbench.build.artifacts import ArtifactCache
from vitbench.build.entry import key
from vitbench.build.eviction import evict, hold
from vitbench.build.locks import Leases
from vitbench.build.original import original
from vitbench.errors import UserError
from vitbench.runtimes import Variant
from vitbench.runtimes.limits import REBUILT


@pytest.fixture
def row(tmp_path):
    """A variant whose artifact is two files."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "vit.xml").write_bytes(b"<net/>")
    (folder / "vit.bin").write_bytes(b"weights")
    return Variant("shipped", "openvino", "fp32", REBUILT, "", artifact=str(folder / "vit.xml"))


def copied(cache, found):
    """The entry of a copy, as `Builds` makes it."""

    def build(path):
        path.parent.mkdir()
        found.copy(path)
        return {"build_seconds": None, "input": {"name": "x"}}

    return cache.get({"files": found.names}, f".files/{found.files[0].name}", build)


def test_a_copy_is_whole_and_has_its_own_names(tmp_path, row):
    found = original(row)
    artifact = copied(ArtifactCache(tmp_path / "cache"), found)
    assert {name: part.read_bytes() for name, part in artifact.names.items()} == {
        "vit.xml": b"<net/>",
        "vit.bin": b"weights",
    }
    assert artifact.bytes == len(b"<net/>weights")
    assert artifact.build_seconds is None
    assert not artifact.built
    assert artifact.completed(row) == replace(row, input={"name": "x"})
    again = copied(ArtifactCache(tmp_path / "cache"), found)
    assert (again.path, again.sha256) == (artifact.path, artifact.sha256)


def test_a_single_file_has_the_digest_that_sha256sum_prints(tmp_path, row):
    file = tmp_path / "vit.pte"
    file.write_bytes(b"program")
    artifact = copied(
        ArtifactCache(tmp_path / "cache"),
        original(replace(row, runtime="executorch", artifact=str(file))),
    )
    assert artifact.sha256 == hashlib.sha256(b"program").hexdigest()


def test_another_content_of_any_file_is_another_identity(row):
    before = original(row)
    Path(row.artifact).with_suffix(".bin").write_bytes(b"weightz")
    after = original(row)
    assert key({"files": before.names}) != key({"files": after.names})


def test_a_damaged_copy_is_made_again(tmp_path, row):
    cache, found = ArtifactCache(tmp_path / "cache"), original(row)
    path = copied(cache, found).path
    path.with_suffix(".bin").write_bytes(b"other")
    assert copied(ArtifactCache(tmp_path / "cache"), found).names["vit.bin"].read_bytes() == (
        b"weights"
    )


@pytest.mark.parametrize("change", ["write", "delete"])
def test_a_file_that_changes_during_the_run_is_noticed(row, change):
    found, weights = original(row), Path(row.artifact).with_suffix(".bin")
    found.require_unchanged()
    os.utime(weights)  # touched, with the same content
    found.require_unchanged()
    if change == "write":
        weights.write_bytes(b"WEIGHTS")
    else:
        weights.unlink()
    with pytest.raises(UserError, match=r"^shipped: vit.bin was changed or deleted while this run"):
        found.require_unchanged()


def test_a_file_that_changes_before_it_is_copied_is_noticed(tmp_path, row):
    found = original(row)
    Path(row.artifact).write_bytes(b"<net id='2'/>")
    with pytest.raises(UserError, match=r"^shipped: vit.xml was changed"):
        copied(ArtifactCache(tmp_path / "cache"), found)
    assert not list((tmp_path / "cache" / "artifacts").iterdir())


def test_a_file_that_is_missing_is_a_sentence(row):
    Path(row.artifact).with_suffix(".bin").unlink()
    with pytest.raises(UserError, match=r"^shipped: vit.xml has its weights in vit.bin, which"):
        original(row)
    Path(row.artifact).unlink()
    with pytest.raises(UserError, match=r"^shipped: vit.*missing"):
        original(row)


def test_a_copy_is_evicted_as_other_entries_and_the_file_itself_never(tmp_path, row):
    folder = tmp_path / "cache"
    path = copied(ArtifactCache(folder), original(row)).path
    leases = Leases()
    hold(path, leases)  # as of a process that was handed its path
    assert evict(folder, 0) > 0
    assert path.exists()
    leases.release()
    assert evict(folder, 0) == 0
    assert not path.exists()
    assert Path(row.artifact).exists()
