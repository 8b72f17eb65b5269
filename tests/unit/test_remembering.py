"""Whether what is timed remembers what it answered: caches are caught, honest networks pass."""

import time

import numpy as np
import pytest

from vitbench.errors import WrongOutputs
from vitbench.measure import remembering
from vitbench.measure.clock import BusyClock
from vitbench.measure.remembering import require_no_memory
from vitbench.runtimes import Deployment

IMAGES = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)


def computed(images):
    """A call of 4 ms."""
    time.sleep(0.004)
    return images.reshape(len(images), -1)[:, :10]


def kept(key, most=1000):
    """Answers that are found again by a key of the images, the latest ones."""
    answers = {}

    def call(images):
        found = key(images)
        if found not in answers:
            answers[found] = computed(images)
            for old in list(answers)[:-most]:
                del answers[old]
        return answers[found]

    return call


def slow_first(calls, seconds=0.3):
    """As what compiles: its first calls take long."""
    numbers = iter(range(10**6))

    def call(images):
        if next(numbers) < calls:
            time.sleep(seconds)
        return computed(images)

    return call


def early_exit(images):
    """Work that depends on the image."""
    time.sleep(0.004 * (1 + int(abs(images).sum() * 1000) % 5))
    return computed(images)


def judged(call):
    return require_no_memory("own", Deployment(np.copy, call, np.array), IMAGES, 2)


CACHES = {
    "of bytes": kept(lambda images: images.tobytes()),
    "of rounded pixels": kept(lambda images: images.round(1).tobytes()),
    "of the array itself": kept(id),
    "of the last image alone": kept(lambda images: images.tobytes(), 1),
}


@pytest.mark.parametrize("call", CACHES.values(), ids=CACHES)
def test_a_cache_is_caught_in_every_run(call):
    for _ in range(2):  # what the first run sent is remembered, too
        with pytest.raises(WrongOutputs, match="over and over is answered") as told:
            judged(call)
        assert str(told.value).endswith("remembers results, so no figure of it is kept")


HONEST = {
    "a slow first call": slow_first(1),
    "three slow calls": slow_first(3),
    "work that depends on the image": early_exit,
    "a call of no time": lambda images: images.reshape(len(images), -1).copy(),
}


@pytest.mark.parametrize("call", HONEST.values(), ids=HONEST)
def test_an_honest_network_passes(call):
    assert judged(call).calls


@pytest.mark.parametrize(("seconds", "calls"), [(0.25, 2), (0.1, 4), (0.001, 32)])
def test_a_look_takes_less_than_half_a_second_or_two_calls(monkeypatch, seconds, calls):
    called = []
    monkeypatch.setattr(remembering, "BusyClock", lambda: BusyClock(lambda: seconds * len(called)))
    judged(lambda images: called.append(images) or images)
    assert len(called) == calls
