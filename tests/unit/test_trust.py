"""Whose cache it is: its files are loaded as code, so nobody else may have put one there."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from vitbench.build import trust
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.trust import VARIABLE, require_trust
from vitbench.cli.main import main
from vitbench.errors import UserError

ROOT, ME, ANOTHER = 0, os.getuid(), 54321
chowns = pytest.mark.skipif(ME != 0, reason="only root can give files to another user")


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def way(tmp_path, monkeypatch):
    """A cache that does not exist yet. Whose the folder is that tests run in does not matter."""
    monkeypatch.setattr(trust, "_home", lambda: tmp_path)
    folder = tmp_path / "top" / "middle" / "cache"
    folder.parent.mkdir(parents=True, mode=0o755)
    return folder


def use(folder):
    def build(path):
        path.write_bytes(b"artifact")
        return {}

    return ArtifactCache(folder).get({"a": 1}, ".so", build)


def refused(folder, words):
    with pytest.raises(UserError, match=words) as caught:
        use(folder)
    sentence = str(caught.value)
    assert str(folder) in sentence
    assert "choose another with --cache DIR" in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("place", ["", "..", "../..", "artifacts", "locks"])
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o702])
def test_no_folder_on_the_way_is_everybody_s(way, place, mode):
    use(way)
    (way / place).resolve().chmod(mode)
    sentence = refused(way, "can be written by other users")
    assert place == "" or str((way / place).resolve()) in sentence


@pytest.mark.parametrize("place", ["..", "../.."])
def test_a_sticky_folder_on_the_way_is_safe_for_what_is_ours(way, place):
    (way / place).resolve().chmod(0o1777)
    assert use(way).built


@pytest.mark.parametrize("place", ["", "artifacts"])
def test_a_sticky_cache_is_not_safe(way, place):
    """Everybody could put an entry into it that this user lacks yet."""
    use(way)
    (way / place).chmod(0o1777)
    refused(way, "can be written by other users")


@chowns
@pytest.mark.parametrize("place", ["", "..", "../..", "artifacts", "locks"])
def test_no_folder_on_the_way_is_another_user_s(way, place):
    use(way)
    os.chown((way / place).resolve(), ANOTHER, -1)
    refused(way, f"belongs to the user {ANOTHER}: make it yours")


@pytest.mark.parametrize("place", ["", "..", "artifacts"])
def test_a_group_with_other_members_may_not_write(way, place, monkeypatch):
    use(way)
    (way / place).resolve().chmod(0o770)
    groups(monkeypatch, "students", [])
    refused(way, "can be written by the group students")


@pytest.mark.parametrize(
    ("name", "members", "safe"),
    [("me", [], True), ("me", ["me"], True), ("me", ["me", "you"], False), ("you", [], False)],
)
def test_a_group_of_one_s_own_may_write(way, monkeypatch, name, members, safe):
    """As where each user has a group of their name, and a umask of 002."""
    use(way)
    way.chmod(0o770)
    groups(monkeypatch, name, members)
    if safe:
        assert not use(way).built
    else:
        refused(way, f"can be written by the group {name}")


def groups(monkeypatch, name, members):
    """Every file is of a group of that name; this user is called `me`."""
    import grp
    import pwd

    gid, genuine = 4321, Path.lstat

    def lstat(path):
        found = list(genuine(path))
        found[5] = gid
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", lstat)
    group = grp.struct_group((name, "x", gid, members))
    monkeypatch.setattr(grp, "getgrgid", lambda _: group)
    me = pwd.struct_passwd(("me", "x", ME, gid, "", "/home/me", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: me)


def test_a_group_that_nobody_knows_may_not_write(way, monkeypatch):
    import grp

    use(way)
    way.chmod(0o770)
    groups(monkeypatch, "me", [])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: {}[gid])
    refused(way, "can be written by the group 4321")


def test_a_link_leads_to_what_is_asked(way):
    """The cache, or a folder on the way to it, may lie elsewhere."""
    elsewhere = way.parent / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    for link in (way, way.parent / "link"):
        link.symlink_to(elsewhere.name)  # relative to where the link lies
    assert use(way).built
    assert not use(way.parent / "link" / ".." / "elsewhere").built
    elsewhere.chmod(0o777)
    assert str(elsewhere) in refused(way, "can be written by other users")
    refused(way.parent / "link" / "inside", "can be written by other users")


@chowns
def test_another_user_s_link_is_not_followed(way):
    elsewhere = way.parent / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    way.symlink_to(elsewhere)
    os.chown(way, ANOTHER, -1, follow_symlinks=False)
    refused(way, f"belongs to the user {ANOTHER}")


def test_links_that_lead_nowhere_end(way):
    way.symlink_to(way.name)
    with pytest.raises(UserError, match="--cache DIR"):
        use(way)


def test_above_the_home_folder_nothing_is_asked(way, monkeypatch):
    way.parent.parent.chmod(0o777)
    monkeypatch.setattr(trust, "_home", lambda: way.parent)
    assert use(way).built


@chowns
def test_the_home_folder_may_be_of_whom_the_system_says(way, monkeypatch):
    """In containers of CI it is often the host's user's."""
    os.chown(way.parent, ANOTHER, -1)
    monkeypatch.setattr(trust, "_home", lambda: way.parent)
    assert use(way).built
    way.parent.chmod(0o777)
    refused(way, "can be written by other users")


def test_a_user_without_a_home_is_served(way, monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert use(way).built


@pytest.mark.parametrize(("value", "safe"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_who_is_alone_can_say_so(way, monkeypatch, value, safe):
    way.parent.chmod(0o777)
    monkeypatch.setenv(VARIABLE, value)
    if safe:
        assert use(way).built
    else:
        assert VARIABLE in refused(way, "can be written by other users")


@chowns
@pytest.mark.parametrize("name", ["", "artifact.so", "artifact.txt", "manifest.json"])
def test_an_entry_of_another_user_is_made_again(way, name):
    entry = use(way).path.parent
    (entry / "artifact.txt").touch()
    os.chown(entry / name, ANOTHER, -1)
    made = use(way)
    assert made.built
    assert {file.stat().st_uid for file in [entry, *entry.iterdir()]} == {ROOT}


def link_to_another_file(entry):
    other = entry.parents[2] / "other"
    (entry / "artifact.so").rename(other)
    (entry / "artifact.so").symlink_to(other)


def let_others_write_the_folder(entry):
    entry.chmod(0o777)


def let_others_write_a_file(entry):
    entry.chmod(0o755)
    (entry / "artifact.so").chmod(0o666)


@pytest.mark.parametrize(
    "change", [link_to_another_file, let_others_write_the_folder, let_others_write_a_file]
)
def test_an_entry_that_others_can_change_is_made_again(way, change):
    change(use(way).path.parent)
    assert use(way).built
    assert not use(way).built


def test_files_that_nobody_else_can_reach_may_have_any_mode(way):
    """As with a umask of 000, which GitLab's containers have."""
    entry = use(way).path.parent
    for file in entry.iterdir():
        file.chmod(0o666)
    assert not use(way).built


def test_what_does_not_exist_yet_is_made_for_this_user_alone(tmp_path):
    before = os.umask(0)
    try:
        use(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    for place in ("a", "a/b", "a/b/artifacts", "a/b/locks"):
        assert (tmp_path / place).stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="/var may be of another kind elsewhere")
def test_the_system_s_own_folders_are_safe():
    require_trust(Path("/var/cache/vitbench-not-there/cache"), "artifacts")


@pytest.fixture
def open_folder():
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="vitbench-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def as_another_user(act):
    """What `act` returns or says in a process of a user without any right, as text."""
    import fcntl  # noqa: F401 - that user cannot import it: this Python may be root's alone
    import grp  # noqa: F401
    import pwd  # noqa: F401

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(ANOTHER)
            os.setuid(ANOTHER)
            said = str(act())
        except UserError as error:
            said = str(error)
        except BaseException as error:
            said = f"a traceback: {error!r}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@chowns
def test_a_cache_that_root_made_serves_users_who_can_read_it(open_folder):
    """As in an image that brings the artifacts along."""
    cache = open_folder / "cache"
    made = use(cache)
    assert "Permission denied; choose another with --cache DIR" in as_another_user(
        lambda: use(cache)
    )
    for place in (cache, *cache.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    found = as_another_user(lambda: use(cache).path)
    assert found == str(made.path)

    def another():
        return ArtifactCache(cache).json("agreement", {"a": 2}, lambda: 1)

    assert "Permission denied; choose another with --cache DIR" in as_another_user(another)
    assert not use(cache).built


@chowns
def test_a_third_user_s_cache_is_refused_to_a_user(open_folder):
    cache = open_folder / "cache"
    use(cache)
    for place in (cache, *cache.rglob("*")):
        os.chown(place, 12345, 12345)
        place.chmod(0o755 if place.is_dir() else 0o644)
    assert "belongs to the user 12345" in as_another_user(lambda: use(cache))


@chowns
def test_a_user_s_own_cache_is_theirs(open_folder):
    own = open_folder / "own"
    own.mkdir()
    os.chown(own, ANOTHER, ANOTHER)
    assert as_another_user(lambda: use(own / "cache").built) == "True"
    refused(own / "cache", f"{own} belongs to the user {ANOTHER}")


def test_an_unsafe_cache_ends_a_command_before_any_work(way, capsys):
    way.mkdir(mode=0o700)
    way.chmod(0o777)
    asked = ["--variant=fp32", f"--cache={way}"]
    assert main(["duet", "--against=HEAD", *asked]) == 4
    told = capsys.readouterr()
    assert f"vitbench: error: the cache {way} is not safe" in told.err
    assert "INCONCLUSIVE" not in told.out
