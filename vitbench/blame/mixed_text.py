"""What `vitbench mixed` found: as JSON, and what it prints."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from vitbench.blame.mixed import Mixed
from vitbench.blame.record import finite, trial_record
from vitbench.blame.text import figures
from vitbench.blame.trial import gain
from vitbench.case import Case
from vitbench.stats.intervals import PairedRatio


def mixed_record(
    found: Mixed, case: Case, layers: int, most: int, seed: int, price: PairedRatio | None
) -> dict[str, Any]:
    """The file of `--json`. `speedup` is how many times as fast as with all layers in int8."""
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
            "speedup": None if price is None else asdict(price),
        }
    )
    return made


def mixed_text(record: Mapping[str, Any]) -> str:
    """The answer, without the lines of the recipe."""
    return "\n".join(_lines(record))


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    layers, floats = record["layers"], record["float_layers"]
    yield (
        f"{record['case']}: {layers} int8 layers; {record['choosing_images']} images choose, "
        f"{record['judging_images']} others judge (--seed={record['seed']})"
    )
    before, after = record["as_it_is"], record["mixed"]
    yield f"as it is: {figures(before)}: {before['state']}"
    if record["chosen"] is None:
        yield "there is nothing to mend: the limits are kept on either half of the images"
        return
    most = record["most_float_layers"]
    if not record["kept_where_chosen"]:
        late = "" if record["in_time"] else "; the time was up: give more --minutes"
        yield (
            f"no recipe with at most {most} of {layers} layers in float was found that keeps the "
            f"limits, with a margin, on the images that choose{late}; the best one that was found:"
        )
    if not floats:
        return
    yield f"with {len(floats)} of {layers} in float: {figures(after)}: {after['state']}"
    won = record["gain"]
    yield (
        f"won {won['won']} of the {record['judging_images']} images, lost {won['lost']} "
        f"(p = {won['p_value']:.2g})"
    )
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
    yield f"{record['recipes']} recipes in {record['seconds']:.0f} s"
