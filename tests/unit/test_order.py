"""Commits measured after newer ones are no baseline of the gate, and where a clock was wrong."""

import pytest

from tests.unit.test_creep import gate, night  # noqa: F401 - a fixture
from vitbench.report.order import out_of_order, timestamp


@pytest.mark.parametrize(
    ("committed", "taken", "right"),
    [
        ([1, 2, 3], [1, 2, 3], [0, 0, 0]),
        ([1, 9, 2, 3, 9, 10], [11, 12, 13, 14, 15, 16], [0, 0, 1, 1, 0, 0]),
        ([9, 2, 2, 9], [10, 11, 12, 13], [0, 1, 1, 0]),  # newest first
        ([5, 5, 5], [6, 7, 8], [0, 0, 0]),  # the same again, or rebased in one second
        ([None, 9, None, 2, None], [9, 10, 11, 12, 13], [0, 0, 0, 1, 0]),
        ([1, 999, 6, 7], [2, 5, 7, 8], [0, 0, 0, 0]),  # a clock that was ahead
        ([1, 5, 0, 7], [2, 6, 7, 8], [0, 0, 1, 0]),  # and one that was behind
        ([], [], []),
    ],
)
def test_a_commit_older_than_one_measured_before_is_out_of_order(committed, taken, right):
    assert out_of_order(committed, taken) == [bool(x) for x in right]


@pytest.mark.parametrize("text", [None, 5, "", "yesterday", "0001-01-01T00:00:00+23:59", [], {}])
def test_what_is_no_time_is_none(text):
    assert timestamp(text) is None


def test_a_time_without_a_zone_is_utc():
    assert timestamp("1970-01-01T00:01:00") == timestamp("1970-01-01T01:01:00+01:00") == 60


def of_commit(day, report):
    report["commit_info"] = {
        "id": f"{day:040x}", "dirty": False, "time": f"2025-12-{day + 1:02}T00:00:00+00:00",
    }  # fmt: skip
    return report


@pytest.mark.parametrize("baseline", ["latest", "median:3"])
def test_a_commit_measured_later_is_no_baseline(gate, baseline):  # noqa: F811
    nights = [of_commit(20, night(day, 2.0)) for day in range(5)]
    past = [of_commit(day, night(5 + day, 1.2)) for day in range(4)]
    slow = of_commit(21, night(10, 1.4))
    code, verdict, out, _ = gate([*nights, *past, slow], baseline)
    assert (code, verdict["state"]) == (1, "SLOWER")
    assert ", 4 reports of older commits left out" in out
    code, verdict, *_ = gate([*nights, *past, of_commit(21, night(10, 2.0))], baseline)
    assert (code, verdict["state"]) == (0, "SAME")
    for report in past:
        del report["commit_info"]["time"]
    code, verdict, out, _ = gate([*nights, *past, slow], baseline)
    assert (code, verdict["state"]) == (0, "FASTER")
    assert "of older commits" not in out
