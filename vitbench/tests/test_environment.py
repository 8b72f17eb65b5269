"""What vitbench changes in its own environment."""

import os
import sys

import pytest

from vitbench import environment


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported torch, whose user chose nothing."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards, whatever is set here
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.usefixtures("fresh")
def test_idle_threads_sleep_soon():
    environment.settle_idle_threads()
    assert environment.variables()["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")]
)
def test_what_the_user_chose_stays(fresh, name, value):
    fresh.setenv(name, value)
    before = dict(os.environ)
    environment.settle_idle_threads()
    assert dict(os.environ) == before


def test_what_would_come_too_late_is_not_recorded_as_set(fresh):
    fresh.setitem(sys.modules, "torch", object())
    environment.settle_idle_threads()
    assert "GOMP_SPINCOUNT" not in environment.variables()
