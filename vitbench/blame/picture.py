"""The picture of `vitbench blame`: what each layer costs, blocks by kinds, as SVG."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

WIDE, HIGH, LEFT, TOP, GAP = 96, 22, 130, 74, 2
GREY, INK, FRAME = "#e3e3e3", "#222222", "#b00020"
PALE, DEEP = (255, 250, 240), (203, 67, 20)


def picture(record: Mapping[str, Any]) -> str:
    """A cell for each layer, darker the larger its share of the squared error; a frame around a
    layer that is to blame; grey where none was measured. Layers outside of blocks have a row each.
    """
    layers = record["layers"]
    rows = list(dict.fromkeys(each["block"] or each["name"] for each in layers))
    columns = list(dict.fromkeys(each["kind"] for each in layers if each["block"])) or [""]
    most = max((_share(each) for each in layers), default=0.0) or 1.0
    width = LEFT + len(columns) * WIDE + 16
    height = TOP + len(rows) * HIGH + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 20, record["case"], "bold"),
        _text(12, 38, "share of each int8 layer in the squared error of the logits"),
    ]
    for at, kind in enumerate(columns):
        parts.append(_text(LEFT + at * WIDE + WIDE // 2, TOP - 8, kind, anchor="middle"))
    for at, name in enumerate(rows):
        parts.append(_text(LEFT - 8, TOP + at * HIGH + 15, name, anchor="end"))
    for each in layers:
        column = columns.index(each["kind"]) if each["block"] else 0
        parts += _cell(each, column, rows.index(each["block"] or each["name"]), most)
    parts.append(
        _text(12, height - 12, "framed: to blame; grey: not measured, or its group costs nothing")
    )
    return "\n".join([*parts, "</svg>", ""])


def _cell(layer: Mapping[str, Any], column: int, row: int, most: float) -> Iterator[str]:
    x, y = LEFT + column * WIDE + GAP, TOP + row * HIGH + GAP
    wide, high = WIDE - 2 * GAP, HIGH - 2 * GAP
    known = layer["untried"] is None
    depth = min(1.0, _share(layer) / most)
    tone = [round(pale + (deep - pale) * depth) for pale, deep in zip(PALE, DEEP, strict=True)]
    fill = "#" + "".join(f"{each:02x}" for each in tone) if known else GREY
    frame = f' stroke="{FRAME}" stroke-width="2"' if layer["blamed"] else ""
    share = "all" if layer["share"] is None else f"{layer['share']:.1%}"
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
