"""Fixtures that several files of this folder share."""

import pytest

from tests.helpers.ray_cluster import local_cluster


@pytest.fixture(scope="module")
def cluster():
    with local_cluster() as found:
        yield found


@pytest.fixture
def nodes(cluster):
    """The cluster of Ray without nodes of an earlier test."""
    cluster.clear()
    return cluster
