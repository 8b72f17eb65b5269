"""The exceptions that are written for a person to read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches


class UserError(Exception):
    """Bad input: one sentence that names the file, option or value and says what to do."""


class Unavailable(Exception):  # noqa: N818 - it names a state, which becomes a skip
    """Something cannot run here. The message is the reason; it becomes the skip."""


class WrongOutputs(UserError):  # noqa: N818 - it names what was seen
    """What is timed does not answer what was verified. The message names what differs."""


class Incomparable(UserError):  # noqa: N818 - like Unavailable, it names a state
    """A case of a duet must not be compared. The message is the reason."""


class WorkerFailed(Exception):  # noqa: N818 - like Unavailable, it names what happened
    """A worker died, came too late or answered nonsense: one sentence for a person to read."""


class RecipeFailed(WorkerFailed):
    """What a project's own recipe says cannot be built: its transform raises, returns something
    else, or returns what the runtime cannot build. The message names the transform."""


ACROSS_PROCESSES: Mapping[str, type[Exception]] = {
    each.__name__: each
    for each in (UserError, Unavailable, WrongOutputs, Incomparable, WorkerFailed, RecipeFailed)
}
"""Exceptions that a worker's parent raises as the worker raised them, by name."""


def near(name: str, names: Iterable[str]) -> str:
    """The known names that are most like one, in words."""
    known = {each.lower(): each for each in names}
    bare = re.sub(r"[*?\[\]!]", "", name).lower()
    found = [known[each] for each in get_close_matches(bare, known, n=3, cutoff=0.5)]
    return f"nearest: {', '.join(found)}" if found else "no known name is similar"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(count: int, noun: str) -> str:
    """ "1 image" or "3 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_short(error: BaseException) -> str:
    """What an error says first, on one line of at most 300 characters; more than its first line
    where that is a mere heading, and its kind where it says nothing."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colours of a terminal
    lines = [" ".join(line.split()) for line in plain.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    words = lines[0] if len(lines[0]) >= 40 else " ".join(lines)
    return words if len(words) <= 300 else f"{words[:297]}..."


def with_kind(error: BaseException) -> str:
    """As `in_short`, after the kind of the error: for one that nobody wrote for a person."""
    kind, words = type(error).__name__, in_short(error)
    return kind if words == kind else f"{kind}: {words}"


def for_parent(error: Exception) -> dict[str, str]:
    """What a worker tells its parent of an error: its `kind`, and a `message` of one line, which is
    whole where the error is one of ACROSS_PROCESSES, and `in_short` of others."""
    kind = type(error).__name__
    meant = kind in ACROSS_PROCESSES
    return {"kind": kind, "message": " ".join(str(error).split()) if meant else in_short(error)}
