"""What the page of a history shows of images that a report's cases answer otherwise than fp32."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from vitbench.report.reader import rows

MOST_FLIPS = 200
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def page_flips(report: Mapping[str, Any]) -> dict[str, Any]:
    """The images of a report whose top-1 differs from fp32's, the surest first, at most so many a
    case as the report shows. A row: case, image, both labels, both margins, thumbnail."""
    found: list[list[Any]] = [
        [row.case.id, flip.image, flip.reference_label, flip.label, flip.reference_margin,
         flip.margin, _jpeg(flip.thumbnail)]
        for row in (rows(report) if report else [])
        for flip in (row.timed.flips if row.timed else ())
    ]  # fmt: skip
    found.sort(key=lambda flip: -flip[4])
    words = "No prediction of the newest report differs from fp32's, or it does not show them."
    if found:
        words = "Those of the newest report that fp32 was surest of, at most 12 a case"
        words += f": the first {MOST_FLIPS} of {len(found)}." if len(found) > MOST_FLIPS else "."
    return {
        "words": words,
        "caption": "Label and margin (first logit minus second) by fp32 and by the case.",
        "rows": found[:MOST_FLIPS],
    }


def without_thumbnails(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report, for `page_flips`, without the pictures of its images."""
    bare = deepcopy(dict(report))
    for row in rows(bare) if report else []:
        for benchmark in row.benchmarks.values():
            for flip in benchmark["extra_info"].get("flips", []):
                flip["thumbnail"] = ""
    return bare


def _jpeg(text: str) -> str:
    """An image's address for a page; empty for what is no base64."""
    return f"data:image/jpeg;base64,{text}" if _BASE64.fullmatch(text) else ""
