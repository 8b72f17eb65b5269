"""Where an artifact is executed, as other processes are asked for it."""

import json
from pathlib import Path

import pytest

from vitbench.errors import UserError
from vitbench.runtimes import Placement, placement_of, variant

PLACEMENT = Placement(
    Path("/cache/model.pt"), variant("int8-dynamic"), "cpu", {"image": [3, 8, 16], "depth": 12}, 2
)


def test_a_request_names_the_fields_that_every_arm_of_a_duet_reads():
    request = PLACEMENT.to_json()
    assert request == {
        "path": "/cache/model.pt",
        "variant": "int8-dynamic",
        "device": "cpu",
        "architecture": {"image": [3, 8, 16], "depth": 12},
        "threads": 2,
    }
    sent = json.loads(json.dumps({"verb": "load", **request, "seed": 1}))
    assert placement_of(sent) == PLACEMENT
    assert placement_of(sent).image == (3, 8, 16)


def test_a_variant_of_another_version_is_a_user_s_error():
    with pytest.raises(UserError, match=r"no variant 'int3': `vitbench list` shows them"):
        placement_of({**PLACEMENT.to_json(), "variant": "int3"})
