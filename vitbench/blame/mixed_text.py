"""What `vitbench mixed` found: as JSON, and what it prints."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vitbench.blame.mixed import Mixed
from vitbench.blame.record import finite, trial_record
from vitbench.blame.text import figures
from vitbench.blame.trial import gain
from vitbench.case import Case
from vitbench.errors import counted
from vitbench.stats.intervals import PairedRatio


def mixed_record(
    found: Mixed, case: Case, layers: int, most: int, seed: int, price: PairedRatio | str | None
) -> dict[str, Any]:
    """The file of `--json`. `speedup` is how many times as fast as with all layers in int8, or null
    and `no_price` why it was not measured."""
    mended = found.mended
    made: dict[str, Any] = finite(
        {
            "case": case.id,
            "layers": layers,
            "float_layers": list(found.floats),
            "most_float_layers": most,
            "seed": seed,
            "choosing_images": found.choosing,
            "judging_images": found.judging,
            "as_it_is": trial_record(found.before),
            "mixed": trial_record(found.after),
            "gain": asdict(gain(found.before, found.after)),
            "kept_where_chosen": None if mended is None else mended.kept,
            "chosen": None if mended is None else trial_record(mended.trial),
            "removed": [] if mended is None else list(mended.removed),
            "in_time": mended is None or mended.in_time,
            "refused": [each.reason for each in mended.refusals] if mended else [],
            "recipes": mended.asked if mended else 1,
            "seconds": mended.seconds if mended else 0.0,
            "speedup": asdict(price) if isinstance(price, PairedRatio) else None,
            "no_price": price if isinstance(price, str) else None,
        }
    )
    return made


def mixed_text(record: Mapping[str, Any]) -> str:
    """The answer, without the lines of the recipe."""
    return "\n".join(_lines(record))


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    layers, floats = record["layers"], record["float_layers"]
    yield (
        f"{record['case']}: {counted(layers, 'int8 layer')}; {record['choosing_images']} images "
        f"choose, {record['judging_images']} others judge (--seed={record['seed']})"
    )
    before, after = record["as_it_is"], record["mixed"]
    yield f"as it is: {figures(before)}: {_state(before)}"
    if record["chosen"] is None:
        yield "there is nothing to mend: the limits are kept on either half of the images"
        return
    if not record["kept_where_chosen"]:
        yield _none_found(record)
    elif not floats:
        yield (
            "nothing is chosen: the recipe as it is keeps the limits on the images that choose; "
            f"the others {_others(after)}"
        )
    yield from _refused(record["refused"])
    if not floats:
        return
    yield f"with {len(floats)} of {layers} in float: {figures(after)}: {_state(after)}"
    if record["kept_where_chosen"] and after["state"] != "KEPT":
        yield f"the recipe keeps the limits on the images that choose; the others {_others(after)}"
    if after["agreement"] is not None:
        won = record["gain"]
        yield (
            f"won {won['won']} of the {record['judging_images']} images, lost {won['lost']} "
            f"(p = {won['p_value']:.2g})"
        )
    if record["no_price"]:
        yield f"price: not measured: {record['no_price']}"
    if price := record["speedup"]:
        bounds = (
            "" if price["low"] is None else f" (95 %: {price['low']:.3f} to {price['high']:.3f})"
        )
        yield (
            f"price: {price['speedup']:.3f} times as fast as with all in int8{bounds}, "
            f"{price['rounds']} pairs"
        )
    for name in record["removed"]:
        yield f"{name} was in float for a while, and is not needed"
    if record["kept_where_chosen"] and not record["in_time"]:
        yield "the time was up: with more --minutes fewer layers may suffice"
    yield f"{counted(record['recipes'], 'recipe')} in {record['seconds']:.0f} s"


def _none_found(record: Mapping[str, Any]) -> str:
    layers, most = record["layers"], record["most_float_layers"]
    if most < 1:
        return (
            f"nothing is chosen: with the {counted(layers, 'int8 layer')} in float none is left in "
            "int8: use a variant in float"
        )
    late = "" if record["in_time"] else "; the time was up: give more --minutes"
    best = "; the best one that was found:" if record["float_layers"] else ""
    return (
        f"no recipe with at most {most} of {counted(layers, 'layer')} in float was found that "
        f"keeps the limits, with a margin, on the images that choose{late}{best}"
    )


def _state(trial: Mapping[str, Any]) -> str:
    """The state, and what would prove it where nothing is."""
    return f"{trial['state']}{trial['sentence'].partition(': UNPROVEN')[2]}"


def _others(trial: Mapping[str, Any]) -> str:
    """What the images that judge say of a recipe that was chosen by others."""
    if trial["state"] == "BROKEN":
        return "break them: give more --images, with --verify-images as large"
    return "are too few to prove that: give more --images, with --verify-images as large"


def _refused(reasons: Sequence[str]) -> Iterator[str]:
    for reason, count in Counter(reasons).items():
        yield f"{counted(count, 'recipe')} could not be measured: {reason}"
