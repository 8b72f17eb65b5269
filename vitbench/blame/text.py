"""What `vitbench blame` prints, of its record."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from vitbench.blame.costs import CHEAP, LATE
from vitbench.errors import counted, some
from vitbench.heads import HEADS

Record = Mapping[str, Any]
SHOWN = 12
"""Layers in the table, the dearest ones; the record has all."""
MOST_UNKNOWN = 0.5  # of the squared error: beyond, nothing is said of how it is spread


def text(record: Record) -> str:
    """The answer, the table of layers, and what was not tried."""
    layers = record["layers"]
    images, there = record["images"], record["images_there"]
    of = "" if images == there else f" of {there} (all would take most of --minutes)"
    lines = [
        f"{record['case']}: {counted(len(layers), 'int8 layer')}, {counted(images, 'image')}{of}",
        f"as it is: {figures(record['as_it_is'])}: {record['as_it_is']['state']}",
        *_answer(record),
        *_table(record),
        "",
        *_groups(record),
        *_untried(record),
        *_refused(record),
        f"{counted(record['recipes'], 'recipe')} in {record['seconds']:.0f} s",
    ]
    return "\n".join(lines)


def _answer(record: Record) -> Iterator[str]:
    blamed = {each["name"]: each["share"] for each in record["layers"] if each["blamed"]}
    if not blamed:
        yield _unblamed(record)
        return
    shares = [share for share in blamed.values() if share is not None]
    part = (
        f" ({min(1.0, sum(shares)):.0%} of the squared error)" if len(shares) == len(blamed) else ""
    )
    broken = record["as_it_is"]["state"] == "BROKEN"
    names = ", ".join(record["blamed"])
    yield f"{'to blame' if broken else 'stands out, though the case is not BROKEN'}: {names}{part}"
    with_them, them = record["blamed_in_float"], "all of them"
    if len(blamed) == 1:
        only = next(each for each in record["layers"] if each["blamed"])
        with_them, them = only["in_float"], "it"
    if with_them:
        yield f"with {them} in float: {figures(with_them)}: {with_them['state']}"


def _unblamed(record: Record) -> str:
    """What is known where no layer stands out: nothing, where too little was tried."""
    layers = record["layers"]
    late = [each for each in layers if each["untried"] == LATE]
    refused = [each for each in layers if each["untried"] not in (None, CHEAP, LATE)]
    known = sum(each["share"] or 0.0 for each in layers)
    if not (late or refused) or known >= MOST_UNKNOWN:
        return "no layer stands out: the error is spread over the layers"
    of = f"of {counted(len(layers), 'layer')}"
    missing = []
    if refused:
        missing.append(f"the recipes of {len(refused)} {of} were refused, as said below")
    if late:
        missing.append(f"{len(late)} {of} were not tried: give more --minutes")
    return f"not known: {'; '.join(missing)}"


def figures(trial: Mapping[str, Any]) -> str:
    """Agreement, error and top-1 of a recipe, by its record."""
    error = f"{HEADS[trial['head']].error_name} {_number(trial['relative_error'])}"
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
    yield ""
    if not order:
        return
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
        less = counted(len(order) - SHOWN, "layer")
        yield f"and {less} that cost less (--json=FILE has all)"
    if any(each["share"] is not None and round(each["share"], 2) > 1 for each in order):
        yield "a share above 100%: alone the layer makes more error than all together, which cancel"


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
    for reason in (CHEAP, LATE):
        if count := reasons[reason]:
            yield f"not tried: {counted(count, 'layer')}: {reason}"
    refused = [each["floats"] for each in record["refused"]]
    late = [
        each["name"]
        for each in record["layers"]
        if each["blamed"] and each["in_float"] is None and [each["name"]] not in refused
    ]
    if late and len(record["layers"]) > 1:
        yield f"not tried in float: {', '.join(late)}: {LATE}"
    both = sorted(record["blamed"])
    several = 1 < len(both) < len(record["layers"])
    if several and not record["blamed_in_float"] and both not in refused:
        yield f"not tried with all of them in float: {LATE}"


def _refused(record: Record) -> Iterator[str]:
    """Recipes that were not measured, by reason: each is named by its fewer layers."""
    names = [each["name"] for each in record["layers"]]
    found: dict[str, list[str]] = {}
    for each in record["refused"]:
        floats = set(each["floats"])
        whole = [name for name in names if name not in floats]
        few = floats if len(floats) < len(whole) else whole
        kept = [name for name in names if name in few]
        kind = "in float" if few is floats else "alone in int8"
        found.setdefault(each["reason"], []).append(f"{some(kept)} {kind}" if kept else "as it is")
    for reason, recipes in found.items():
        more = f"; and {len(recipes) - SHOWN} more" if len(recipes) > SHOWN else ""
        yield f"refused: {'; '.join(recipes[:SHOWN])}{more}: {reason}"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
