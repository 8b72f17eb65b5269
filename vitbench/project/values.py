"""Values of a row, checked: one sentence with place, name and key for each mistake."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.case import SLUG
from vitbench.errors import UserError, near

_KINDS: Mapping[type, str] = {
    str: "a string",
    bool: "true or false",
    dict: "a table",
    float: "a number",
    list: "a list of strings",
}


@dataclass(frozen=True)
class Definition:
    """A model or a variant as somebody wrote it down. `noun` is which, for people; `at` gives the
    place of what keys lead to below the row: file and line, or the entry point of a package. Every
    method raises UserError, with the place, for what cannot be meant."""

    noun: str
    name: str
    given: Mapping[str, Any]
    at: Callable[..., str]

    @classmethod
    def of(cls, noun: str, name: str, given: Any, at: Callable[..., str]) -> "Definition":
        """The row, whose name is checked, and that it is a table."""
        row = cls(noun, name, given, at)
        if not SLUG.fullmatch(name):
            raise row.fail("a name may hold letters, digits, '_', '.' and '-' only")
        if not isinstance(given, dict):
            raise row.fail("it should be a table")
        return row

    def require_known(self, known: tuple[str, ...]) -> "Definition":
        """The row itself, whose keys are all known."""
        for key in self.given:
            if key not in known:
                raise self.fail(
                    f"there is no key {key!r}: {near(key, known)}; it may have {', '.join(known)}",
                    key,
                )
        return self

    def fail(self, words: str, *keys: str) -> UserError:
        """The sentence for a mistake at `keys`, to be raised."""
        return UserError(f"{self.at(*keys)}: the {self.noun} {self.name!r}: {words}")

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """A value of that type; `list` is of strings."""
        if key not in self.given:
            return default
        value = self.given[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number if kind is float else isinstance(value, kind)
        if kind is list and fits:
            fits = all(isinstance(each, str) for each in value)
        if not fits:
            raise self.fail(f"{key} = {value!r} should be {_KINDS[kind]}", key)
        return float(value) if kind is float else value

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str | None:
        """One of the known values."""
        value: str | None = self.get(key, str, default)
        if value is not None and value not in known:
            raise self.unknown(key, value, known)
        return value

    def unknown(self, key: str, value: str, known: tuple[str, ...]) -> UserError:
        return self.fail(
            f"{key} = {value!r} is unknown: {near(value, known)}; it may be {', '.join(known)}", key
        )

    def number(self, key: str, fits: Callable[[float], bool], words: str) -> float | None:
        """A number in its range, which `words` say."""
        value: float | None = self.get(key, float)
        if value is not None and not fits(value):
            raise self.fail(f"{key} = {value:g} should be {words}", key)
        return value
