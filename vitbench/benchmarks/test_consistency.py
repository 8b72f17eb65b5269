"""Whether each case predicts what the reference predicts. Nothing is timed: runs under -n too."""

import pytest


@pytest.mark.measures("consistency", batches=(1, 8))
def test_agreement(agreement):
    """Top-1 and logits against fp32 on the CPU keep the variant's limits."""
    agreement()


@pytest.mark.measures("consistency", batches=(1,))
def test_repeatability(repeatable):
    """The same images give the same logits, bit for bit."""
    repeatable()


@pytest.mark.measures("consistency", batches=(1,))
def test_batch_of_one_against_eight(agreement_across_batches):
    """A prediction does not depend on its neighbours by more than the limits allow."""
    agreement_across_batches()


@pytest.mark.measures("consistency", batches=(1,))
def test_cuda_against_cpu(agreement_across_devices):
    """A CUDA deployment predicts what the same variant predicts on the CPU."""
    agreement_across_devices()
