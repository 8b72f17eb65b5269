"""A value that does not fit a type: the sentence names the place and what is there."""

import math
from typing import Any

import pytest
from msgspec import Struct

from vitbench.report.extra import Count, Number
from vitbench.report.misfit import misfit
from vitbench.report.row import OurRow


class Inner(Struct):
    figure: Number | None = None
    count: Count = 0
    name: str = ""


class Outer(Struct):
    needed: Inner
    tables: dict[str, Inner] = {}
    whole: list[int] = []


def outer(**changes):
    return {"needed": {}, "tables": {"a.b": {"count": 1}}, "whole": [1], **changes}


@pytest.mark.parametrize("value", [outer(), outer(more=3), outer(tables={}), {"needed": {}}])
def test_what_fits(value):
    assert misfit(value, Outer, "it") == ""


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "it lacks 'needed'"),
        ([], "it should be object, but is array"),
        (outer(needed=None), "it.needed should be object, but is null"),
        (outer(whole=[1, 2.5]), "it.whole[1] should be integer, but is number"),
        (outer(whole=[True]), "it.whole[0] should be integer, but is boolean"),
        (outer(needed={"figure": "x"}), "it.needed.figure should be number or null, but is string"),
        (outer(needed={"figure": math.nan}), "it.needed.figure should be number, but is nan"),
        (outer(needed={"figure": -math.inf}), "it.needed.figure should be number, but is -inf"),
        (
            outer(needed={"figure": 10**400}),
            "it.needed.figure is a number beyond a float's range",
        ),
        (
            outer(whole="\ud800"),  # as JSON writes half a character
            "it has half a character of UTF-16, as in \\ud800",
        ),
        # msgspec names no key of a table: the first member is as good as the type asks.
        (
            outer(tables={"a.b": {"count": 1}, "c": {"count": -2}}),
            "it.tables.c.count is -2, but should be at least 0",
        ),
        (
            outer(tables={"a.b": {"name": "x"}, "c": {"name": 1}}),
            "it.tables.c.name should be string, but is integer",
        ),
    ],
)
def test_what_does_not_fit_is_named(value, sentence):
    assert misfit(value, Outer, "it") == sentence


def test_a_row_of_no_known_group():
    row = {"group": "speed", "stats": {}, "extra_info": {}}
    assert misfit(row, OurRow, "row") == "row.group is 'speed', which is not allowed there"


def test_what_no_type_names_may_be_nested_deeper_than_python_calls():
    deep = value = []
    for _ in range(100_000):
        value.append([])
        value = value[0]
    assert misfit({"needed": {}, "more": deep}, Outer, "it") == ""
    assert misfit({"any": deep}, dict[str, Any], "it") == ""
