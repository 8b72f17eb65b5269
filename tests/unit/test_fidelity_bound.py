"""What the fidelity tests say of a ratio: the bound that they rest on."""

import numpy as np
import pytest

from tests.fidelity.test_fidelity import require_equal
from vitbench.stats.intervals import paired_ratio


def ratio(change, noise):
    seconds = np.exp(np.random.default_rng(0).normal(0, noise, (2, 400)))
    return paired_ratio(seconds[0], seconds[1] * (1 + change))


def test_equal_times_pass():
    require_equal("a", ratio(0.0, 0.05))


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_other_times_fail(change):
    with pytest.raises(pytest.fail.Exception, match=r"a is .* not within 1\.03"):
        require_equal("a", ratio(change, 0.05))


def test_noise_is_undecided():
    with pytest.raises(pytest.skip.Exception, match="undecided: a is"):
        require_equal("a", paired_ratio(np.ones(400), np.repeat([1.2, 1 / 1.2] * 10, 20)))
