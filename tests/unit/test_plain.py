"""What a report is written from."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from vitbench.case import Case
from vitbench.report.plain import dumps, plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5), (np.float64(0.1), 0.1), (np.int64(3), 3), (np.bool_(True), True),
        (np.array([[1, 2]], np.int8), [[1, 2]]), (np.array(2.5), 2.5),
        ((1, "a", None), [1, "a", None]), ({"a": [np.int32(1)]}, {"a": [1]}), (True, True),
        (math.nan, None), (np.float32("inf"), None),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_of_numpy_are_numbers(value, expected):
    found = plain(value, "it")
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(dumps(value)) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [Path("x")]}, r"it\.a\[0\] is of the type PosixPath, which a report cannot hold"),
        ({1: 2}, "it has the key 1, which is no text"),
        (np.array([Path("x")]), r"it\[0\] is of the type PosixPath"),
        ({"a": {2}}, r"it\.a is of the type set"),
    ],
)
def test_what_json_cannot_say_names_its_place(value, words):
    with pytest.raises(TypeError, match=words):
        plain(value, "it")


def test_parameters_of_other_benchmarks_are_their_text():
    report = {"params": {"case": Case("m", "fp32", "cpu", 1), "x": {2}}, "median": math.inf}
    assert json.loads(dumps(report)) == {
        "params": {"case": "m/fp32/cpu/b1", "x": "{2}"}, "median": None
    }  # fmt: skip
