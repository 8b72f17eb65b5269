"""Whether other users could put files into the cache: what lies in it is loaded as code."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vitbench.errors import UserError

VARIABLE = "VITBENCH_CACHE_TRUST"
"""Set where no other user is, as in a container of one's own: then nothing is asked."""


def require_trust(cache: Path, *inside: str) -> None:
    """Raises UserError where another user could change the cache, a folder in it, or the way to it.

    All must belong to this user or to root, links too, and be writable by nobody else: not by
    everybody, and not by a group that has other members than this user. In a sticky folder such as
    /tmp others cannot rename or delete what is not theirs, so one on the way is good enough. Above
    the home folder nothing is asked, and who owns the home folder itself is the system's business.
    What does not exist is passed over.
    """
    if not _asked():
        return
    own = {Path(os.path.realpath(cache.joinpath(*inside[:n]))) for n in range(len(inside) + 1)}
    home = _home()
    for place in _way(cache.joinpath(*inside)):
        if home is not None and place in home.parents:
            continue
        reason = _reason(place, strict=place in own, owner=place != home)
        if reason:
            where = "it" if place == cache else str(place)
            raise UserError(
                f"the cache {cache} is not safe, and what lies in it is run: {where} {reason}, or "
                f"choose another with --cache DIR (where no other user is, as in a container of "
                f"your own, {VARIABLE}=1 allows it)"
            )


def trusted_entry(entry: Path) -> bool:
    """Whether an entry and its files are this user's or root's, no links, and changed by no other.

    Raises OSError where there is none.
    """
    if not _asked():
        return True
    folder = entry.lstat()
    # Files in a folder that others cannot enter are out of their reach, whatever their modes.
    reachable = bool(folder.st_mode & 0o011)
    found = [(folder, True), *((file.lstat(), reachable) for file in entry.rglob("*"))]
    return all(
        not stat.S_ISLNK(each.st_mode)
        and each.st_uid in (0, os.getuid())
        and not (ask and _writable_by(each))
        for each, ask in found
    )


def _asked() -> bool:
    return hasattr(os, "getuid") and os.environ.get(VARIABLE, "0") in ("", "0")


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (RuntimeError, OSError):  # a user without one
        return None


def _way(path: Path) -> Iterator[Path]:
    """Every folder and link that decides what a path names, from the root on, as far as it goes."""
    place, left = Path(path.anchor or "/"), [*reversed(path.absolute().parts[1:])]
    yield place
    links = 0
    while left:
        part = left.pop()
        step = place.parent if part == ".." else place / part
        try:
            is_link = stat.S_ISLNK(step.lstat().st_mode)
        except FileNotFoundError:
            return
        yield step
        if not is_link:
            place = step
            continue
        links += 1
        if links > 40:  # as the kernel: the next stat says ELOOP
            return
        target = Path(os.readlink(step))
        if target.is_absolute():
            place = Path(target.anchor)
            yield place
        left += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _reason(place: Path, strict: bool, owner: bool) -> str | None:
    """Why a place is not safe and what to do, as the end of a sentence; None where it is."""
    found = place.lstat()
    if owner and found.st_uid not in (0, os.getuid()):
        return f"belongs to {_user(found.st_uid)}: make it yours (chown)"
    if stat.S_ISLNK(found.st_mode) or (found.st_mode & stat.S_ISVTX and not strict):
        return None
    others = _writable_by(found)
    return others and f"can be written by {others}: take that right from them (chmod go-w)"


def _writable_by(found: os.stat_result) -> str | None:
    """Who else may write: other users, or the members of a group."""
    if found.st_mode & stat.S_IWOTH:
        return "other users"
    if found.st_mode & stat.S_IWGRP and not _private(found.st_gid):
        return f"the group {_group(found.st_gid)}"
    return None


def _private(gid: int) -> bool:
    """Whether a group is root's, or this user's alone: of that name, and without other members."""
    import grp
    import pwd

    if gid == 0:
        return True
    try:
        me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == me and set(group.gr_mem) <= {me}


def _user(uid: int) -> str:
    import pwd

    with suppress(KeyError):
        return f"the user {pwd.getpwuid(uid).pw_name}"
    return f"the user {uid}"


def _group(gid: int) -> str:
    import grp

    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
