"""Which file base takes for a path that its tree does not have as it is."""

import hashlib
from pathlib import Path

import pytest

from tests.helpers.repositories import Repository, pointer
from vitbench.duet.base.revision import git
from vitbench.duet.base.untracked import Untracked
from vitbench.errors import UserError

WEIGHTS, OTHER = b"weights of base", b"weights of head"
MODEL = Path("out/model.pth")


@pytest.fixture
def untracked(tmp_path):
    """A work tree of base beside a repository, which is head."""
    (tmp_path / "base").mkdir()
    return Untracked(Repository(tmp_path / "head").folder, tmp_path / "base")


def write(root, name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def dvc(content):
    return f"outs:\n- md5: {hashlib.md5(content).hexdigest()}\n  hash: md5\n  path: {MODEL.name}\n"


def test_a_tracked_file_is_bases_own(untracked):
    own = write(untracked.base, "model.pth", WEIGHTS)
    write(untracked.head, "model.pth", OTHER)
    assert untracked.take(Path("model.pth"), "checkpoint") == own
    assert (untracked.notes(), untracked.lacking) == ((), {})


def test_a_checkpoint_that_git_does_not_track_is_heads_and_said(untracked):
    path = write(untracked.head, MODEL, OTHER)
    assert untracked.take(MODEL, "checkpoint") == path
    assert untracked.notes() == (
        "git does not track what both sides take from head: out/model.pth (checkpoint). A change "
        "of it is not compared",
    )
    assert untracked.lacking == {}


def test_an_artifact_that_git_does_not_track_is_never_heads(untracked):
    write(untracked.head, "build/vit.xml", "<net>")
    own = untracked.take(Path("build/vit.xml"), "artifact")
    assert own == untracked.base / "build/vit.xml"
    assert not own.exists()
    write(untracked.base, "build/vit.xml", "<net base>")  # as a command of base builds it
    assert untracked.take(Path("build/vit.xml"), "artifact").read_text() == "<net base>"
    assert untracked.notes() == ()


def test_what_is_nowhere_is_nowhere(untracked):
    assert not untracked.take(Path("vit_tiny_patch16_224"), "model").exists()
    assert (untracked.notes(), untracked.lacking) == ((), {})


@pytest.mark.parametrize("head", [WEIGHTS, OTHER, None])
@pytest.mark.parametrize("stored", [False, True])
def test_a_pointer_of_git_lfs_is_replaced_by_the_very_file_alone(untracked, head, stored):
    own = write(untracked.base, "model.pth", pointer(WEIGHTS))
    if head:
        write(untracked.head, "model.pth", head)
    if stored:
        sha256 = hashlib.sha256(WEIGHTS).hexdigest()
        write(untracked.head, f".git/lfs/objects/{sha256[:2]}/{sha256[2:4]}/{sha256}", WEIGHTS)
    assert untracked.take(Path("model.pth"), "checkpoint") == own
    if stored or head == WEIGHTS:
        assert own.read_bytes() == WEIGHTS
        assert untracked.lacking == {}
    else:
        assert list(untracked.lacking) == [own]
        assert "base's model.pth is a pointer of Git LFS" in untracked.lacking[own]
    assert untracked.notes() == ()


@pytest.mark.parametrize("what", ["checkpoint", "artifact"])
@pytest.mark.parametrize("head", [WEIGHTS, OTHER, None])
@pytest.mark.parametrize("stored", [False, True])
def test_dvc_names_bases_file(untracked, what, head, stored):
    write(untracked.base, "out/model.pth.dvc", dvc(WEIGHTS))
    write(untracked.head, "out/model.pth.dvc", dvc(OTHER))
    if head:
        write(untracked.head, MODEL, head)
    if stored:
        md5 = hashlib.md5(WEIGHTS).hexdigest()
        write(untracked.head, f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}", WEIGHTS)
    taken = untracked.take(MODEL, what)
    if stored or head == WEIGHTS:
        assert taken.read_bytes() == WEIGHTS
        assert untracked.lacking == {}
    else:
        assert "base's out/model.pth (by DVC of MD5 " in untracked.lacking[taken]
        assert taken.exists() == (what == "checkpoint" and head is not None)
    assert untracked.notes() == ()  # a note would say that a change is not compared


def test_a_folder_of_a_model_is_completed(untracked):
    """config.json is tracked, the weights are not; what head alone tracks is no file of base's."""
    write(untracked.base, "model/config.json", "{}")
    write(untracked.head, "model/config.json", '{"of": "head"}')
    write(untracked.head, "model/preprocessor_config.json", "{}")
    git(untracked.head, "add", ".")
    write(untracked.head, "model/model.safetensors", OTHER)
    own = untracked.take(Path("model"), "model")
    assert own == untracked.base / "model"
    assert (own / "config.json").read_text() == "{}"
    assert (own / "model.safetensors").read_bytes() == OTHER
    assert not (own / "preprocessor_config.json").exists()
    assert untracked.notes()[0].startswith(
        "git does not track what both sides take from head: model/model.safetensors (model)."
    )


def test_a_folder_with_a_pointer_lacks_its_file(untracked):
    write(untracked.base, "model/model.bin", pointer(WEIGHTS))
    write(untracked.head, "model/model.bin", OTHER)
    own = untracked.take(Path("model"), "model")
    assert "base's model/model.bin is a pointer" in untracked.lacking[own]


def test_the_weights_beside_an_artifact_are_brought_too(untracked):
    """git tracks the small file; Git LFS or DVC have the large one."""
    for name in ("a.xml", "b.xml"):
        write(untracked.base, f"build/{name}", "<net>")
    write(untracked.base, "build/a.bin", pointer(WEIGHTS))
    write(untracked.base, "build/b.bin.dvc", dvc(WEIGHTS).replace("model.pth", "b.bin"))
    write(untracked.base, "build/c.bin", pointer(OTHER))
    for name in ("a.bin", "b.bin"):
        write(untracked.head, f"build/{name}", WEIGHTS)
    untracked.take(Path("build/a.xml"), "artifact")
    assert (untracked.base / "build/a.bin").read_bytes() == WEIGHTS
    assert list(untracked.lacking) == [untracked.base / "build/c.bin"]
    md5 = hashlib.md5(WEIGHTS).hexdigest()
    write(untracked.head, f".dvc/cache/{md5[:2]}/{md5[2:]}", WEIGHTS)
    untracked.take(Path("build/b.xml"), "artifact")
    assert (untracked.base / "build/b.bin").read_bytes() == WEIGHTS


def test_a_note_names_a_few_paths(untracked):
    for number in range(5):
        write(untracked.head, f"out/{number}.pth", OTHER)
        untracked.take(Path(f"out/{number}.pth"), "checkpoint")
    assert "out/2.pth (checkpoint) and 2 more. " in untracked.notes()[0]


def test_a_folder_of_head_that_is_a_file_in_base_is_one_sentence(untracked):
    write(untracked.head, MODEL, WEIGHTS)
    write(untracked.base, MODEL.parent, "a file")
    untracked.copies = True
    with pytest.raises(UserError, match=r"base has no room for .*: a folder of head is a file"):
        untracked.take(MODEL, "checkpoint")
