"""What `vitbench blame` prints, of its record."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
SHOWN = 12
"""Layers in the table, the dearest ones; the record has all."""


def text(record: Record) -> str:
    """The answer, the table of layers, and what was not tried."""
    layers = record["layers"]
    images, there = record["images"], record["images_there"]
    some = "" if images == there else f" of {there} (all would take most of --minutes)"
    lines = [
        f"{record['case']}: {len(layers)} int8 layers, {images} images{some}",
        f"as it is: {figures(record['as_it_is'])}: {record['as_it_is']['state']}",
        *_answer(record),
        "",
        *_table(record),
        "",
        *_groups(record),
        *_untried(record),
        f"{record['recipes']} recipes in {record['seconds']:.0f} s",
    ]
    return "\n".join(lines)


def _answer(record: Record) -> Iterator[str]:
    blamed = {each["name"]: each["share"] for each in record["layers"] if each["blamed"]}
    tried = [each for each in record["layers"] if each["share"] is not None or each["blamed"]]
    if not blamed:
        yield (
            "no layer stands out: the error is spread over the layers"
            if tried
            else "no layer was tried: give more --minutes"
        )
        return
    shares = [share for share in blamed.values() if share is not None]
    part = (
        f" ({min(1.0, sum(shares)):.0%} of the squared error)" if len(shares) == len(blamed) else ""
    )
    broken = record["as_it_is"]["state"] == "BROKEN"
    names = ", ".join(record["blamed"])
    yield f"{'to blame' if broken else 'stands out, though the case is not BROKEN'}: {names}{part}"
    if record["blamed_in_float"]:
        with_them = record["blamed_in_float"]
        yield f"with all of them in float: {figures(with_them)}: {with_them['state']}"


def figures(trial: Mapping[str, Any]) -> str:
    """Agreement, error and top-1 of a recipe, by its record."""
    error = f"relative logit error {_number(trial['relative_error'])}"
    if trial["agreement"] is None:
        return error
    words = f"agreement {trial['agreement']:.2%} (95 % lower bound {trial['lower']:.2%}), {error}"
    if trial["top1"] is not None:
        words += f", top-1 {trial['top1']:.1%} (float32 {trial['reference_top1']:.1%})"
    return words if trial["claimed"] else f"{words}; synthetic weights: agreement means nothing"


def _table(record: Record) -> Iterator[str]:
    order = sorted(
        (each for each in record["layers"] if each["untried"] is None),
        key=lambda each: -(each["share"] if each["share"] is not None else 9e9),
    )
    head = (
        "layer",
        "error alone",
        "share",
        "in float: agreement",
        "error",
        "gain",
        "won",
        "lost",
        "p",
    )
    rows = [head, *(_row(each) for each in order[:SHOWN])]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    for row in rows:
        first, *rest = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()
    if len(order) > SHOWN:
        yield f"and {len(order) - SHOWN} layers that cost less (--json=FILE has all)"


def _row(layer: Mapping[str, Any]) -> tuple[str, ...]:
    share = "" if layer["share"] is None else f"{layer['share']:.0%}"
    cells = (layer["name"], _number(layer["alone_error"]), share)
    if layer["in_float"] is None:
        return (*cells, *[""] * 6)
    freed, won = layer["in_float"], layer["in_float"]["gain"]
    agreement = "" if freed["agreement"] is None else f"{freed['agreement']:.2%}"
    noise = "" if won["noise"] is None else f" ± {won['noise']:.4f}"
    gain = "" if won["error"] is None else f"{won['error']:+.4f}{noise}"
    chance = f"{won['p_value']:.2g}" if freed["claimed"] else "-"
    return (
        *cells,
        agreement,
        _number(freed["relative_error"]),
        gain,
        str(won["won"]),
        str(won["lost"]),
        chance,
    )


def _groups(record: Record) -> Iterator[str]:
    for noun in ("kinds", "blocks"):
        found = record[noun]
        if found:
            dearest = sorted(found, key=lambda name: -(found[name] or 9e9))
            words = ", ".join(f"{name} {_number(found[name])}" for name in dearest)
            yield f"error with whole {noun} alone in int8: {words}"


def _untried(record: Record) -> Iterator[str]:
    reasons = Counter(each["untried"] for each in record["layers"] if each["untried"])
    for reason, count in reasons.items():
        yield f"not tried: {count} layer{'s' * (count > 1)}: {reason}"
    late = [each for each in record["layers"] if each["blamed"] and each["in_float"] is None]
    if late and len(record["layers"]) > 1:
        names: Sequence[str] = [each["name"] for each in late]
        yield f"not tried in float: {', '.join(names)}: the time was up, or the recipe was refused"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
