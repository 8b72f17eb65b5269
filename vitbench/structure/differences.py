"""What differs between two structures: a readable line for each difference."""

from collections.abc import Iterator, Mapping

from vitbench.structure.groups import GROUPS, OTHER, group_of
from vitbench.structure.record import KINDS, Counters, Key, Structure

GROUPED = ("operators", "kernels")
"""Kinds whose names are told by what they are for: related ones moved together."""
TOGETHER = ("products", "conversions")
"""Kinds of few names, told on one line."""


def differences(base: Structure, head: Structure) -> list[str]:
    """A line for each difference of the counters, and for what differs of the keys; [] for none:
    "attention: 12 x scaled_dot_product became 24 x bmm + 12 x softmax"."""
    lines = list(_of_keys(base.key, head.key))
    kinds = dict.fromkeys((*KINDS, *sorted({*base.counters, *head.counters})))
    for kind in kinds:
        before, after = (_counted(each.counters, kind) for each in (base, head))
        if before != after:
            lines += _of_kind(kind, before, after)
    return lines


def _of_keys(base: Key, head: Key) -> Iterator[str]:
    """Base and head may run in two environments: their counters are compared all the same."""
    for name in ("runtime", "device", "threads", "batch"):
        then, now = getattr(base, name), getattr(head, name)
        if then != now:
            yield f"{name}: {then} became {now}"
    if sorted(base.isa) != sorted(head.isa):
        yield f"instruction sets: {_words(base.isa)} became {_words(head.isa)}"
    for name in sorted({*base.versions, *head.versions}):
        then, now = (key.versions.get(name, "none") for key in (base, head))
        if then != now:
            yield f"versions: {name} {then} became {now}"


def _counted(counters: Counters, kind: str) -> dict[str, int]:
    return {name: count for name, count in counters.get(kind, {}).items() if count}


def _of_kind(kind: str, base: Mapping[str, int], head: Mapping[str, int]) -> Iterator[str]:
    changed = [n for n in sorted({*base, *head}) if base.get(n, 0) != head.get(n, 0)]
    if kind in GROUPED:
        for group in (*GROUPS, OTHER):
            if names := [name for name in changed if group_of(name) == group]:
                title = group if kind == "operators" else f"{kind}, {group}"
                yield _moved(title, _shown(names), base, head)
    elif kind in TOGETHER:
        yield _moved(kind, {name: name for name in changed}, base, head, times=" ")
    elif kind == "views":
        totals = f"{sum(base.values())} became {sum(head.values())}"
        yield f"views: {totals} ({_steps(changed, base, head)})"
    else:
        for name in changed:
            yield f"{kind}, {name}: {base.get(name, 0):,} became {head.get(name, 0):,}"


def _moved(
    title: str,
    shown: Mapping[str, str],
    base: Mapping[str, int],
    head: Mapping[str, int],
    times: str = " x ",
) -> str:
    """One line of the names in `shown`, with the words for them, whose counts differ."""
    then, now = (
        " + ".join(
            f"{counts[name]}{times}{words}" for name, words in shown.items() if name in counts
        )
        for counts in (base, head)
    )
    if then and now:
        return f"{title}: {then} became {now}"
    counts = head if now else base
    be = "is" if sum(counts[name] for name in shown) == 1 else "are"
    return f"{title}: {then or now} {be} {'new' if now else 'gone'}"


def _shown(names: list[str]) -> dict[str, str]:
    """Operators for people: without torch's marks, and their types where these are not all one."""
    typed = len({name.partition(" ")[2] for name in names}) > 1
    found = {}
    for name in names:
        bare, _, types = name.partition(" ")
        bare = bare.strip("_").removesuffix("_for_cpu")
        found[name] = f"{bare} ({types.replace(' ', ', ')})" if typed and types else bare
    return found


def _steps(names: list[str], base: Mapping[str, int], head: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {head.get(name, 0) - base.get(name, 0):+d}" for name in names)


def _words(isa: tuple[str, ...]) -> str:
    return " ".join(sorted(isa)) or "none"
