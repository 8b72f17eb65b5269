"""Which case ids a glob of a contract can match at all, and what is near where it can match none.

`*`, `?` and `[...]` of fnmatch match a slash too, so a glob has no parts that could be looked up
one by one. Instead it is run over all ids at once, as an automaton over sets of places.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate

from vitbench.errors import UserError, near
from vitbench.judge.contracts import Contract

DEVICE_KINDS = ("cpu", "cuda")
_NAME = string.ascii_letters + string.digits + "_.-"
_TOKEN = re.compile(r"\[!?[^\]]+\]|.")

Places = frozenset[int]
"""Where in a glob one may be: place n is before its nth token."""


class Glob:
    """A glob as steps from places to the places after a text."""

    def __init__(self, glob: str) -> None:
        self.tokens = _TOKEN.findall(glob)
        self._fits = [re.compile(translate(token)).match for token in self.tokens]
        self.start = self._skipped({0})

    def whole(self, places: Places) -> bool:
        return len(self.tokens) in places

    def text(self, places: Places, *texts: str) -> Places:
        """After any one of these texts."""
        reached: Places = frozenset()
        for text in texts:
            now = places
            for char in text:
                now = self._after(now, char)
            reached |= now
        return reached

    def some(self, places: Places, chars: str) -> Places:
        """After any text of these characters that is not empty."""
        reached: Places = frozenset()
        edge = places
        while edge:
            edge = self.text(edge, *chars) - reached
            reached |= edge
        return reached

    def device(self, places: Places, kind: str) -> Places:
        """After any device of a kind."""
        if kind == "cpu":
            return self.text(places, kind)
        return self.some(self.text(places, f"{kind}:"), string.digits)

    def _after(self, places: Places, char: str) -> Places:
        met = [p for p in places if p < len(self.tokens) and self._fits[p](char)]
        return self._skipped({p if self.tokens[p] == "*" else p + 1 for p in met})

    def _skipped(self, places: set[int]) -> Places:
        """With what is reached where a star matches nothing."""
        found, waiting = set(places), list(places)
        while waiting:
            place = waiting.pop()
            if place < len(self.tokens) and self.tokens[place] == "*" and place + 1 not in found:
                found.add(place + 1)
                waiting.append(place + 1)
        return frozenset(found)


def can_match(
    glob: str,
    variants: Mapping[str, Sequence[str]] | None,
    models: Iterable[str] | None = None,
    devices: Iterable[str] | None = None,
) -> bool:
    """Whether a glob matches the id of any case, of any batch.

    `variants` with the kinds of device that each is made for, None: any name on any kind; `models`
    None: any name; `devices` None: any device of those kinds.
    """
    automaton = Glob(glob)
    model = (
        automaton.some(automaton.start, _NAME)
        if models is None
        else automaton.text(automaton.start, *models)
    )
    before = automaton.text(model, "/")
    for name, kinds in ({"": DEVICE_KINDS} if variants is None else variants).items():
        variant = automaton.text(before, name) if name else automaton.some(before, _NAME)
        at = automaton.text(variant, "/")
        if devices is None:
            after: Places = frozenset().union(*(automaton.device(at, kind) for kind in kinds))
        else:
            after = automaton.text(at, *(d for d in devices if d.split(":")[0] in kinds))
        if automaton.whole(_batch(automaton, after)):
            return True
    return False


def _batch(automaton: Glob, places: Places) -> Places:
    first = automaton.text(automaton.text(places, "/b"), *string.digits[1:])
    return first | automaton.some(first, string.digits)


def check_globs(
    contracts: Iterable[Contract], variants: Mapping[str, Sequence[str]], models: Iterable[str]
) -> None:
    """Raises UserError, with file, line and near names, for a glob that can match no case on any
    machine. `variants` are the known ones, with the kinds of device of each; `models` are the
    run's.

    A glob of all four parts may be for any model. One such as "*int4*" is for a variant: it would
    match every variant of a model whose name has that text, so here only those of the run count.
    """
    known = (*models, "m")
    for contract in contracts:
        glob = contract.glob
        loose = glob.startswith("*") and glob.count("/") < 3
        if not can_match(glob, variants, known if loose else None):
            raise UserError(f"{contract.place}: {glob!r} {_misses(glob, variants, loose)}")


def _misses(glob: str, variants: Mapping[str, Sequence[str]], loose: bool) -> str:
    parts = glob.split("/")
    if can_match(glob, None):
        fitting = [name for name in variants if can_match(glob, {name: DEVICE_KINDS})]
        if fitting and not can_match(glob, variants):
            kinds = " and ".join(dict.fromkeys(kind for name in fitting for kind in variants[name]))
            return f"matches no case: {', '.join(fitting)} runs only on {kinds}"
        named = parts[1] if len(parts) == 4 else max(parts, key=len)
        which = f"no variant: {near(named, variants)}; `vitbench list` shows all"
        return f"matches {which}" + (
            "; to name a model, write all four parts: MODEL/*/*/*" if loose else ""
        )
    if len(parts) == 4 and can_match("/".join((*parts[:2], "*", parts[3])), None):
        return f"matches no device: {parts[2]!r} is none of cpu and cuda:N, such as cuda:0"
    return "matches no case id: expected MODEL/VARIANT/DEVICE/bN, such as */int8-dynamic/cpu/b1"
