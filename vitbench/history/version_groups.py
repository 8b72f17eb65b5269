"""Which runs belong together: versions that alternate are apart, replaced versions are together.

The runs of a version of a package form *blocks*: runs in a row. The version *alternates*, as in a
test matrix, where it came back twice or more: three blocks. Two versions of a package that
alternates belong to one series where one replaced the other for good, which is one of:

- one ended before the other began;
- neither came back more than once: an upgrade that was taken back, and perhaps made again;
- the runs in which both occurred are fewer than the first had alone before and the second after:
  a change-over, as of a fleet of machines that are upgraded one after the other.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NO_VERSION = "none"
# Blocks of a version that alternates: a rollback makes two.
LEAST_BLOCKS = 3


@dataclass(frozen=True)
class VersionGroup:
    """Runs that belong together, by index. `words` names the newest version of each package that
    distinguishes them from the others; "" where there is only one group."""

    members: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class _Version:
    """One version of a package: the indices of its runs, among those looked at, and its blocks."""

    name: str
    runs: tuple[int, ...]
    blocks: int


def version_groups(sets: Sequence[Mapping[str, str]]) -> list[VersionGroup]:
    """The groups of runs, each given by its versions by package, in the order of the runs."""
    return _groups(sets, tuple(range(len(sets))), ())


def _groups(
    sets: Sequence[Mapping[str, str]], members: tuple[int, ...], packages: tuple[str, ...]
) -> list[VersionGroup]:
    kinds = [sets[member] for member in members]
    turns = {}
    for name in dict.fromkeys(key for kind in kinds for key in kind):
        versions = _versions([kind.get(name, NO_VERSION) for kind in kinds])
        if max(version.blocks for version in versions) >= LEAST_BLOCKS:
            turns[name] = versions
    # The package that alternates most first: within its groups the others may not alternate.
    for name in sorted(turns, key=lambda name: -sum(version.blocks for version in turns[name])):
        groups = _chains(turns[name])
        if len(groups) > 1:
            apart = (sorted(run for version in group for run in version.runs) for group in groups)
            return [
                group
                for runs in apart
                for group in _groups(sets, tuple(members[run] for run in runs), (*packages, name))
            ]
    newest = sets[members[-1]] if members else {}
    return [
        VersionGroup(
            members, ", ".join(f"{name} {newest.get(name, NO_VERSION)}" for name in packages)
        )
    ]


def _versions(names: Sequence[str]) -> list[_Version]:
    """The versions among the runs' names, in the order in which they appeared."""
    runs: dict[str, list[int]] = {}
    blocks: dict[str, int] = {}
    for index, name in enumerate(names):
        runs.setdefault(name, []).append(index)
        if not index or names[index - 1] != name:
            blocks[name] = blocks.get(name, 0) + 1
    return [_Version(name, tuple(those), blocks[name]) for name, those in runs.items()]


def _chains(versions: Sequence[_Version]) -> list[list[_Version]]:
    """The versions, each after the one that it replaced for good: the most similar that fits."""
    chains: list[list[_Version]] = []
    for version in versions:
        fit = [chain for chain in chains if all(_replaced(old, version) for old in chain)]
        if fit:
            max(fit, key=lambda chain: _likeness(chain[-1], version)).append(version)
        else:
            chains.append([version])
    return chains


def _replaced(old: _Version, new: _Version) -> bool:
    """Whether `old`, which appeared first, and `new` do not take turns."""
    begin, end = new.runs[0], old.runs[-1]
    if end < begin or max(old.blocks, new.blocks) < LEAST_BLOCKS:
        return True
    before, after = bisect_left(old.runs, begin), len(new.runs) - bisect_left(new.runs, end)
    both = len(old.runs) + len(new.runs) - before - after
    return new.runs[-1] > end and both <= min(before, after)


def _likeness(old: _Version, new: _Version) -> tuple[bool, int, int]:
    """Whether they are written in the same way, how many parts they begin alike with, and how late
    the old one ended."""
    ways = [re.sub(r"\d+", "0", version.name) for version in (old, new)]
    parts = [re.split(r"[.+-]", version.name) for version in (old, new)]
    same = next((i for i, (a, b) in enumerate(zip(*parts, strict=False)) if a != b), len(parts[0]))
    return ways[0] == ways[1], same, old.runs[-1]
