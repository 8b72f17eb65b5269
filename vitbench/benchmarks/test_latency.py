"""Seconds of one call on one image, in pairs with the model's reference."""

import pytest


@pytest.mark.measures("latency", batches=(1,))
def test_latency(paired_rounds):
    paired_rounds(least_rounds=20)
