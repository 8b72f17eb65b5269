"""What stands in a row beside its seconds."""

from types import SimpleNamespace

import pytest

from vitbench.case import Case
from vitbench.errors import Unavailable
from vitbench.plugin.rows import Extras, roofline

CASE = Case("m", "fp32", "cpu", 8)


def session(**does):
    """A session of these methods, which collects what it says."""
    told = []
    return SimpleNamespace(say=told.append, told=told, **does)


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
    fake = session(**dict.fromkeys(("flops", "peaks", "profile"), fails(error)))
    extras = Extras(CASE, fake)
    assert extras.operations() is None
    assert extras.peak() is None
    assert extras.operators(None) == []
    assert extras.stages(None, None) == {}
    assert set(extras.left_out) == {"operations", "peak", "operators", "stages"}
    assert extras.left_out["operations"] == reason
    assert f"m/fp32/cpu/b8: no operations: {reason}" in fake.told


def test_what_does_not_fail_is_there():
    fake = session(flops=lambda _: 10, peaks=lambda _: {"fp32": 5.0}, profile=lambda *_: ["gelu"])
    extras = Extras(CASE, fake)
    assert (extras.operations(), extras.peak(), extras.operators(None)) == (80, 5.0, ["gelu"])
    assert not extras.left_out


def test_a_roofline_has_no_share_of_what_is_not_known():
    assert roofline(80, 2.0, 100.0)["share"] == 0.4
    assert roofline(None, 2.0, 100.0)["share"] is None
    assert roofline(80, 2.0, None)["share"] is None
