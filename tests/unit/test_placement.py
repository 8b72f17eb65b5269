"""Where an artifact is executed, as other processes are asked for it."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from vitbench.errors import UserError
from vitbench.runtimes import VARIANTS, Placement, Variant, placement_of, variant
from vitbench.runtimes.limits import INT8

PLACEMENT = Placement(
    Path("/cache/model.pt"), variant("int8-dynamic"), "cpu", {"image": [3, 8, 16], "depth": 12}, 2
)


def test_a_request_names_the_fields_that_every_arm_of_a_duet_reads():
    request = PLACEMENT.to_json()
    assert request == {
        "path": "/cache/model.pt",
        "variant": "int8-dynamic",
        "recipe": variant("int8-dynamic").to_json(),
        "device": "cpu",
        "architecture": {"image": [3, 8, 16], "depth": 12},
        "threads": 2,
        "import_roots": [],
    }
    sent = json.loads(json.dumps({"verb": "load", **request, "seed": 1}))
    assert placement_of(sent) == PLACEMENT
    assert placement_of(sent).image == (3, 8, 16)


def test_a_variant_of_another_version_is_a_user_s_error():
    older = {name: value for name, value in PLACEMENT.to_json().items() if name != "recipe"}
    assert placement_of({**older, "variant": "fp32"}).variant == variant("fp32")
    with pytest.raises(UserError, match=r"^int3: no such variant: .*; `vitbench list` shows all"):
        placement_of({**older, "variant": "int3"})


OWN = Variant(
    "acme", "openvino", "int8", INT8, "of acme", ("cpu", "cuda"), {"rest": "bf16"}, ("acme>=1",),
    True, "acme.quant:smooth", "/b/vit.xml", {"layout": "NHWC", "size": [64, 64]}, "mine",
    "pyproject.toml",
)  # fmt: skip


@pytest.mark.parametrize("row", [*VARIANTS, OWN], ids=lambda row: row.name)
def test_a_whole_variant_survives_the_trip_to_a_process(row):
    assert Variant.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_every_field_of_the_variant_that_travels_differs_from_its_default():
    """Else the trip of that field is not tried."""
    plain = Variant("", "", "", INT8, "")
    same = [f.name for f in fields(Variant) if getattr(OWN, f.name) == getattr(plain, f.name)]
    assert same == ["limits"]
