"""Size on disk, time to load and to answer first, and peak memory, in a fresh process each."""

import pytest


@pytest.mark.measures("footprint", batches=(1,))
def test_footprint(footprint):
    footprint()
