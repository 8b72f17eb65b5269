"""A pytest plugin for the self-tests: plants a wrong deployment in place of int8-dynamic."""

import os
import time
from dataclasses import replace

import numpy as np

from vitbench.measure import run_figures, session
from vitbench.runtimes import eager


def crash(_):
    raise RuntimeError("CUDA error:\n  an illegal memory access")


DAMAGES = {
    "crash": crash,
    "scaled": lambda logits: logits * 2,
    "swapped": lambda logits: np.roll(logits, 1, axis=1),
    "nan": lambda logits: np.where(np.arange(logits.shape[1]) == 3, np.nan, logits),
}
_load = eager.load


def _planted(placement):
    deployment = _load(placement)
    if placement.variant.precision != "int8":
        return deployment
    name, _, since = os.environ["PLANTED"].partition(" after ")
    calls = iter(range(10**9))

    def read(output):
        logits = deployment.read(output)
        return DAMAGES[name](logits) if next(calls) >= int(since or 0) else logits

    return replace(deployment, read=read)


def _hanging(placement):
    deployment = _load(placement)
    if placement.variant.precision != "int8":
        return deployment
    calls = iter(range(10**9))

    def call(staged):
        if next(calls) > 25:  # verified, warmed up, and in the middle of its rounds
            print("HANGING", flush=True)
            time.sleep(600)
        return deployment(staged)

    return replace(deployment, call=call)


def _beside(*_):
    raise NotImplementedError("not for this model")


if "PLANTED_BESIDE" in os.environ:
    run_figures.flops = session.profile = _beside
eager.load = _hanging if os.environ["PLANTED"] == "hang" else _planted
