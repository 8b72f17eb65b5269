"""Whether what is timed remembers what it answered: caches are caught, honest networks pass."""

import time
from collections import Counter

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


def kept(key, most=1000, uses=1):
    """Answers that are found again by a key of the images, the latest ones, from call number `uses`
    on."""
    answers, seen = {}, Counter()

    def call(images):
        found = key(images)
        seen[found] += 1
        if found in answers:
            return answers[found]
        answer = computed(images)
        if seen[found] >= uses:
            answers[found] = answer
            for old in list(answers)[:-most]:
                del answers[old]
        return answer

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
    "from the second request on": kept(lambda images: images.tobytes(), uses=2),
    "from the third request on": kept(lambda images: images.tobytes(), uses=3),
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


@pytest.mark.parametrize(("seconds", "calls"), [(0.25, 4), (0.1, 4), (0.02, 20), (0.001, 64)])
def test_a_look_takes_less_than_half_a_second_or_four_calls(monkeypatch, seconds, calls):
    called = []
    monkeypatch.setattr(remembering, "BusyClock", lambda: BusyClock(lambda: seconds * len(called)))
    judged(lambda images: called.append(images) or images)
    assert len(called) == calls
