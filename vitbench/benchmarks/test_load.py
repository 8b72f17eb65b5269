"""Requests a second within a latency bound, in the best arrangement. Runs where it is asked for."""

import pytest


@pytest.mark.measures("load", batches=(1,))
def test_load(under_load):
    under_load()
