"""The predictions that flipped: chosen by fp32's margin, with a picture, safe on a page."""

import base64
from io import BytesIO

import pytest
from PIL import Image

from tests.unit.test_gate import INT8, run, timed
from vitbench.measure.flips import SIDE, surest_flips
from vitbench.measure.photos import Photo
from vitbench.show import page_flips

PHOTOS = [
    Photo(f"{at}.png", f"{at}.png", None, lambda at=at: Image.new("RGB", (300, 200), (at, 0, 0)))
    for at in range(6)
]
MEASURED = {
    "class_names": ["lemon", "orange", "lime"],
    "top1": [0, 1, 1, 2, 0, 1],
    "reference_top1": [0, 0, 1, 1, 0, 0],
    "margin": [3.0, 0.1, 2.0, 0.5, 1.0, 0.3],
    "own_margin": [3.0, 0.2, 2.0, 0.6, 1.0, 0.4],
}


def test_the_surest_come_first_and_each_has_its_picture():
    found = surest_flips(MEASURED, PHOTOS, most=2)
    assert [each["image"] for each in found] == ["3.png", "5.png"]
    assert found[0]["reference_label"] == "orange"
    assert found[0]["label"] == "lime"
    assert (found[0]["reference_margin"], found[0]["margin"]) == (0.5, 0.6)
    picture = Image.open(BytesIO(base64.b64decode(found[0]["thumbnail"])))
    assert picture.format == "JPEG"
    assert max(picture.size) == SIDE


def report(**changed):
    row = timed(INT8)
    flip = {**surest_flips(MEASURED, PHOTOS, most=1)[0], **changed}
    row["extra_info"]["flips"] = [flip]
    return run(row)


def test_the_page_shows_them():
    (row,) = page_flips.page_flips(report())["rows"]
    assert row[:4] == [INT8, "3.png", "orange", "lime"]
    assert row[6].startswith("data:image/jpeg;base64,/9j/")
    assert page_flips.page_flips(run(timed(INT8)))["rows"] == []
    assert page_flips.page_flips({})["rows"] == []


def test_without_thumbnails_no_picture_is_in_a_report_or_on_a_page():
    found = surest_flips(MEASURED, PHOTOS, most=2, thumbnails=False)
    assert [(each["image"], each["thumbnail"]) for each in found] == [("3.png", ""), ("5.png", "")]
    had = report()
    (row,) = page_flips.page_flips(page_flips.without_thumbnails(had))["rows"]
    assert row[:4] + row[6:] == [INT8, "3.png", "orange", "lime", ""]
    assert page_flips.page_flips(had)["rows"][0][6]
    assert page_flips.without_thumbnails({}) == {}


@pytest.mark.parametrize("thumbnail", ['" onerror="alert(1)', "javascript:alert(1)", ""])
def test_what_is_no_picture_is_no_address(thumbnail):
    (row,) = page_flips.page_flips(report(thumbnail=thumbnail))["rows"]
    assert row[6] == ""
