"""The picture of `vitbench blame`: what each layer costs, blocks by kinds, as SVG."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

HIGH, TOP, GAP, EDGE = 22, 74, 2, 12
LETTER = 7.2  # the mean width of a letter at 12 pixels, in a wide font
LEAST_COLUMN, LEAST_WIDTH = 56, 440
OTHER = "other"
GREY, INK, FRAME = "#e3e3e3", "#222222", "#b00020"
PALE, DEEP = (255, 250, 240), (203, 67, 20)


def picture(record: Mapping[str, Any]) -> str:
    """A cell for each layer, darker the larger its share of the squared error; a frame around a
    layer that is to blame; grey where none was measured. Layers outside of blocks have a row each,
    and their cells are in a column of their own."""
    layers = record["layers"]
    rows = list(dict.fromkeys(each["block"] or each["name"] for each in layers))
    columns = list(dict.fromkeys(each["kind"] for each in layers if each["block"]))
    columns += [OTHER] * any(not each["block"] for each in layers)
    most = max((_share(each) for each in layers), default=0.0) or 1.0
    left = _wide(rows) + 2 * EDGE
    wide = [max(LEAST_COLUMN, _wide([kind]) + EDGE) for kind in columns]
    starts = [left + sum(wide[:at]) for at in range(len(wide))]
    width = max(LEAST_WIDTH, _wide([record["case"]]) + 3 * EDGE, left + sum(wide) + EDGE)
    height = TOP + len(rows) * HIGH + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 20, record["case"], "bold"),
        _text(12, 38, "share of each int8 layer in the squared error of the outputs"),
    ]
    for at, kind in enumerate(columns):
        parts.append(_text(starts[at] + wide[at] // 2, TOP - 8, kind, anchor="middle"))
    for at, name in enumerate(rows):
        parts.append(_text(left - 8, TOP + at * HIGH + 15, name, anchor="end"))
    for each in layers:
        at = columns.index(each["kind"]) if each["block"] else len(columns) - 1
        row = rows.index(each["block"] or each["name"])
        parts += _cell(each, (starts[at], TOP + row * HIGH, wide[at]), most)
    parts.append(
        _text(12, height - 12, "framed: to blame; grey: not measured, or its group costs nothing")
    )
    return "\n".join([*parts, "</svg>", ""])


def _wide(texts: Sequence[str]) -> int:
    """Pixels that hold each of the texts."""
    return math.ceil(LETTER * max(map(len, texts), default=0))


def _cell(layer: Mapping[str, Any], place: tuple[int, int, int], most: float) -> Iterator[str]:
    """`place`: left, top and width, with the gaps."""
    x, y, wide, high = place[0] + GAP, place[1] + GAP, place[2] - 2 * GAP, HIGH - 2 * GAP
    known = layer["untried"] is None
    depth = min(1.0, _share(layer) / most)
    tone = [round(pale + (deep - pale) * depth) for pale, deep in zip(PALE, DEEP, strict=True)]
    fill = "#" + "".join(f"{each:02x}" for each in tone) if known else GREY
    frame = f' stroke="{FRAME}" stroke-width="2"' if layer["blamed"] else ""
    share = "all" if layer["share"] is None else f"{_share(layer):.1%}"
    told = f"{layer['name']}: {share if known else layer['untried']}"
    yield f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" fill="{fill}"{frame}>'
    yield f"<title>{escape(told)}</title></rect>"
    if known:
        ink = "#ffffff" if depth > 0.6 else INK
        yield _text(x + wide // 2, y + 13, share, anchor="middle", ink=ink)


def _share(layer: Mapping[str, Any]) -> float:
    """At most 1: a broken layer would make all others white."""
    if layer["untried"] is not None:
        return 0.0
    return 1.0 if layer["share"] is None else min(1.0, float(layer["share"]))


def _text(
    x: int, y: int, words: str, weight: str = "normal", anchor: str = "start", ink: str = INK
) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="{ink}">'
        f"{escape(words)}</text>"
    )
