"""Images per second at several batch sizes, in pairs with the model's reference."""

import pytest


@pytest.mark.measures("throughput", batches=(1, 8, 32))
def test_throughput(paired_rounds):
    paired_rounds(least_rounds=2)
