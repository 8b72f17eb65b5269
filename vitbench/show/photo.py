"""Lines on cases from the photograph to the answer: which front half, its share, and the others."""

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from vitbench.report.photo import FrontInfo, PhotographInfo, PhotoInfo
from vitbench.report.reader import Row
from vitbench.report.row import PhotoRow


def from_the_photograph(found: Sequence[Row]) -> Iterator[str]:
    """Of each case that a report has from the photograph on, by photograph and by front half."""
    for row in found:
        typed = row.typed.get("photo")
        if isinstance(typed, PhotoRow):
            info = typed.extra_info
            yield from (f"{row.case.id}: {_photograph(each)}" for each in info.photographs)
            limit = ""
            if info.pixel_limit is not UNSET:
                limit = f"; pixels may be off by {info.pixel_limit:.2g} of their spread"
            yield f"{row.case.id}: front halves, judged on {info.judged} photographs{limit}:"
            yield from (f"  {_front(each, info)}" for each in info.fronts)


def _photograph(found: PhotographInfo) -> str:
    over = found.over_inference.speedup
    return (
        f"{found.name}, {found.bytes / 1e3:,.0f} kB: {found.seconds * 1e3:.1f} ms with "
        f"{found.front}, {_ratio(found)} the speed of Pillow's chain; {over:.2f}x inference alone; "
        f"the front half is {found.front_share:.0%} of it, and was {found.own_share:.0%}"
    )


def _ratio(found: PhotographInfo) -> str:
    ratio = found.ratio
    interval = "" if ratio.low is None else f" [{ratio.low:.2f}, {ratio.high:.2f}]"
    return f"{ratio.speedup:.2f}x{interval}"


def _front(front: FrontInfo, info: PhotoInfo) -> str:
    times = [
        f"{front.seconds[each.name] * 1e3:.1f} ms ({each.name})"
        for each in info.photographs
        if each.name in front.seconds
    ]
    whole = [
        f"{front.over_own[each.name]:.2f}x ({each.name})"
        for each in info.photographs
        if each.name in front.over_own
    ]
    chains = f"; the whole chain takes {', '.join(whole)} the time of own's" if whole else ""
    alone = f"; by itself {', '.join(times)}" if times else ""
    chosen = [each.name for each in info.photographs if each.front == front.name]
    taken = f"; taken for {' and '.join(chosen)}" if chosen else ""
    error = front.relative_error
    said = error is None or "relative logit error" in front.sentence
    off = "" if said else f"; relative logit error {error:.2g}"
    said = front.pixel_difference is None or "pixels are off" in front.sentence
    pixels = "" if said else f"; pixels off by {front.pixel_difference:.2g}"
    if front.over_own and not front.seconds:
        pixels = "; its pixels, inside the graph, were not compared"
    return f"{front.sentence}{off}{pixels}{alone}{chains}{taken}"
