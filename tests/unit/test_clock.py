from pytest_benchmark.utils import NameWrapper

from vitbench.measure.clock import BusyClock
from vitbench.runtimes.base import Deployment


class Time:
    """A clock that only moves when something takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def test_counts_the_call_and_the_synchronisation_after_it_and_nothing_else():
    time, pending = Time(), [100.0]  # earlier work that is still in flight

    def call(staged: object) -> object:
        time.passes(1)
        pending.append(8)
        return staged

    def synchronize() -> None:
        while pending:
            time.passes(pending.pop())

    clock = BusyClock(time)
    deployment = Deployment(lambda images: images, call, lambda out: out, synchronize)
    before = clock()
    assert clock.call(deployment, "staged") == ("staged", 9)
    time.passes(1000)
    assert clock() - before == 9


def test_another_process_seconds_can_be_charged():
    clock = BusyClock(Time())
    clock.charge(2.5)
    clock.charge(0.25)
    assert clock() == 2.75


def test_the_report_names_the_timer_without_its_address():
    """As pytest-benchmark writes the name of a timer."""
    assert str(NameWrapper(BusyClock())).endswith("vitbench.BusyClock")
    assert " at 0x" in str(NameWrapper(Time()))  # without a name of its own, it would be there
