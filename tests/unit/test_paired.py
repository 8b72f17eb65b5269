from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vitbench.measure.clock import BusyClock
from vitbench.measure.paired import PairedRounds
from vitbench.runtimes.base import Deployment

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """pytest-benchmark would take the inner pytest for an xdist worker, and not time."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


class World:
    """A time that only calls move, and a diary of what happened."""

    def __init__(self) -> None:
        self.now, self.diary, self.active, self.fails_at = 0.0, [], [], None
        self.clock = BusyClock(lambda: self.now)
        self.calls: dict[str, int] = {"case": 0, "reference": 0}

    def turn(self, name: str, step: float) -> tuple[Deployment, Any]:
        """A deployment whose n-th call (from 0) takes n * step seconds."""

        def call(staged: object) -> None:
            assert staged == f"staged for {name}"
            assert self.active == [name], "called outside its own active()"
            if self.fails_at == (name, self.calls[name]):
                raise RuntimeError("planted")
            self.diary.append(name)
            self.now += self.calls[name] * step
            self.calls[name] += 1

        @contextmanager
        def active() -> Iterator[None]:
            self.active.append(name)
            self.now += 1000
            try:
                yield
            finally:
                self.active.remove(name)

        deployment = Deployment(lambda images: images, call, lambda out: out, active=active)
        return deployment, f"staged for {name}"

    def pairs(self) -> PairedRounds:
        return PairedRounds(self.turn("case", 1), self.turn("reference", 16), self.clock)


def test_pedantic_sees_exactly_the_timed_calls_of_the_case(pytester):
    pytester.makepyfile(
        """
        from tests.unit.test_paired import World

        world = World()

        def test_it(benchmark):
            benchmark._timer = world.clock
            pairs = world.pairs()
            benchmark.pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=4)
            assert benchmark.stats.stats.data == [1, 2, 4, 5]
            assert pairs.reference_seconds == [16, 48, 64, 96]
            # Each timed call follows one of its own: untimed in its first, the timed one after.
            case, reference = ["case"] * 3, ["reference"] * 3
            assert world.diary == ["reference"] * 2 + case + reference + case + ["reference"] * 2
            assert world.active == []
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_the_timer_can_be_given_by_mark(pytester):
    pytester.makepyfile(
        """
        import pytest
        from tests.unit.test_paired import World

        world = World()

        @pytest.mark.benchmark(timer=world.clock)
        def test_it(benchmark):
            pairs = world.pairs()
            benchmark.pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=2)
            assert benchmark.stats.stats.data == [1, 2]
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def play(pairs: PairedRounds, rounds: int) -> None:
    for _ in range(rounds):
        pairs.setup()
        pairs()
        pairs.teardown()


@pytest.mark.parametrize("who", ["case", "reference"])
@pytest.mark.parametrize("call", range(3))
def test_an_exception_leaves_no_state(who, call):
    world = World()
    world.fails_at = (who, call)
    pairs = world.pairs()
    with pytest.raises(RuntimeError, match="planted"):
        play(pairs, 2)
    assert world.active == []
    pairs.close()
    assert world.active == []


def test_close_ends_a_round_that_was_cut_off():
    world = World()
    pairs = world.pairs()
    pairs.setup()
    assert world.active == ["case"]
    pairs.close()
    assert world.active == []


def test_a_deployment_can_be_its_own_reference():
    world = World()
    deployment, staged = world.turn("case", 1)
    pairs = PairedRounds((deployment, staged), (deployment, staged), world.clock)
    play(pairs, 2)
    assert pairs.reference_seconds == [1, 6]


def test_warm_up_estimates_a_whole_round():
    world = World()
    case, reference = world.turn("case", 1), world.turn("reference", -16)
    world.calls["reference"] = -3
    # Of 0 1 2 seconds the least is 0; the reference stops after 48 and 32, which is enough.
    assert PairedRounds(case, reference, world.clock).warm_up(3, 2) == 1.5 * (0 + 32)
    assert world.calls == {"case": 3, "reference": -1}
    assert world.active == []


@pytest.mark.parametrize(
    ("seconds", "a_round", "least", "rounds"),
    [
        (1, 0.1, 2, 10),
        (1.1, 0.1, 2, 12),
        (1, 30, 5, 6),
        (1, 30, 1, 2),
        (1e9, 0.1, 2, 2000),
        (1, 0, 2, 2000),
        (0, 0.1, 0, 0),
        (1, 0.1, 3000, 3000),
    ],
)
def test_rounds_fill_the_seconds_and_are_even(seconds, a_round, least, rounds):
    assert PairedRounds.rounds_for(seconds, a_round, least) == rounds
