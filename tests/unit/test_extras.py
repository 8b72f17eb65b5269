"""What a row can do without."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.measure.extras import Extras
from vitbench.runtimes import variant

CASE = Case("m", "fp32", "cpu", 8)


def session(profile, **figures):
    """A session with these figures, which collects what it says."""
    told = []
    return SimpleNamespace(
        say=told.append,
        told=told,
        profile=profile,
        recipe=lambda case: variant(case.variant),
        figures=SimpleNamespace(**figures),
    )


def fails(error):
    def method(*_):
        raise error

    return method


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no\n meta kernel"), "RuntimeError: no meta kernel"),
        (Unavailable("no profiler"), "no profiler"),
    ],
)
def test_what_fails_is_left_out_with_a_reason(error, reason):
    names = ("operations", "peaks", "preprocess_seconds")
    fake = session(fails(error), **dict.fromkeys(names, fails(error)))
    extras = Extras(CASE, fake)
    assert extras.operations() is None
    assert extras.peak() is None
    assert extras.operators(None) == []
    assert extras.stages(None, None) is None
    assert set(extras.left_out) == {"operations", "peak", "operators", "stages"}
    assert extras.left_out["operations"] == reason
    assert f"m/fp32/cpu/b8: no operations: {reason}" in fake.told


def test_what_does_not_fail_is_there():
    fake = session(lambda *_: ["gelu"], operations=lambda _: 10, peaks=lambda _: {"fp32": 5.0})
    extras = Extras(CASE, fake)
    assert (extras.operations(), extras.peak(), extras.operators(None)) == (80, 5.0, ["gelu"])
    assert not extras.left_out


def test_operations_of_a_transform_are_unknown():
    fake = session(lambda *_: [], operations=lambda _: 10)
    fake.recipe = lambda case: replace(variant(case.variant), transform="acme.quant:pruned")
    extras = Extras(CASE, fake)
    assert extras.operations() is None
    assert extras.left_out == {"operations": "a transform may change how much is computed"}
