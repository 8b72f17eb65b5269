"""What planted serving processes answer (vitbench/load/answers.py)."""

import os
import signal
import time
from collections import Counter

import numpy as np


def outputs(samples):
    """Three classes; each sample has an answer of its own."""
    numbers = np.asarray(samples, dtype=np.float32)
    return np.stack([10 + numbers, -numbers, 0 * numbers], axis=1)


def _pass(seconds):
    """Takes exactly so long: sleep is late by chance, so the end of it spins."""
    end = time.perf_counter() + seconds
    time.sleep(max(0.0, seconds - 0.001))
    while time.perf_counter() < end:
        pass


def constant(request):
    """Takes `service_seconds` for a call of any size."""

    def answer(samples):
        _pass(request["service_seconds"])
        return outputs(samples)

    return answer


def compiling(request):
    """As `constant`, but the first call of each size takes ten times as long."""
    known = set()

    def answer(samples):
        _pass(request["service_seconds"] * (1 if len(samples) in known else 10))
        known.add(len(samples))
        return outputs(samples)

    return answer


def remembering(request):
    """As `constant`, but what it answered `uses` times (1 unless given) it answers at once."""
    asked = Counter()

    def answer(samples):
        key = tuple(int(each) for each in samples)
        if asked[key] < request.get("uses", 1):
            _pass(request["service_seconds"])
        asked[key] += 1
        return outputs(samples)

    return answer


def shortcut(request):
    """Answers as verified at first; after `calls` calls it saves itself the work."""
    left = [request["calls"]]

    def answer(samples):
        left[0] -= 1
        _pass(0.001)
        return outputs(samples if left[0] > 0 else 0 * samples)

    return answer


def in_streams(request):
    """A stream for each of `makers`, functions of this module."""
    return [globals()[name](request) for name in request["makers"]]


def raising(request):
    """Cannot answer its call number `calls`."""
    left = [request["calls"]]

    def answer(samples):
        left[0] -= 1
        if not left[0]:
            raise ValueError("no such kernel")
        return outputs(samples)

    return answer


def another_image(_):
    """Answers with the output of another image."""
    return lambda samples: outputs(1 + samples)


def dying(request):
    """Killed in its call number `calls`, as by the kernel when memory runs out."""
    left = [request["calls"]]

    def answer(samples):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return outputs(samples)

    return answer


def silent(request):
    """Stops answering in its call number `calls`."""
    left = [request["calls"]]

    def answer(samples):
        left[0] -= 1
        if not left[0]:
            time.sleep(60)
        return outputs(samples)

    return answer


def _from_call(request, otherwise):
    """As `outputs`, but `otherwise` of them from call number `calls` on."""
    left = [request["calls"]]

    def answer(samples):
        left[0] -= 1
        return outputs(samples) if left[0] > 0 else otherwise(outputs(samples))

    return answer


def fewer(request):
    """Answers a row less than it was asked."""
    return _from_call(request, lambda rows: rows[:-1])


def more(request):
    """Answers a row more than it was asked."""
    return _from_call(request, lambda rows: np.concatenate([rows, rows[:1]]))


def wider(request):
    """Answers as another head would, of one class more."""
    return _from_call(request, lambda rows: np.pad(rows, ((0, 0), (0, 1))))


def cores(_):
    """Answers on how many cores any thread of this process may run."""
    threads = [int(each) for each in os.listdir("/proc/self/task")]
    most = max(len(os.sched_getaffinity(each)) for each in threads)
    return lambda samples: np.full((len(samples), 1), most, np.float32)
