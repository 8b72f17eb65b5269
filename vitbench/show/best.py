"""The recommendation of a report, as text and as a plot."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.judge.best import Choice
from vitbench.judge.candidates import COST
from vitbench.judge.load import LOAD
from vitbench.judge.rate_needed import carried_by
from vitbench.place import install
from vitbench.show.clean import clean

RANKED = "ms: medians of the report; ranked by the speed-up in pairs with the reference (x)"
PAID = {
    "images": "images: one call after the other; ranked in pairs with the reference",
    "requests": "requests: the highest rate that keeps the latency bound; ranked by the estimates",
}
"""By what the cost counts: how it was measured."""
LOADED = (
    "requests/s: 99 % of them keep the latency bound, each variant in its best arrangement; ranked "
    "by the estimates, which a proven rate has, too"
)


def choices_text(choices: Sequence[Choice], needed: float | None = None) -> str:
    """What to deploy, why, what else nothing dominates, and why each other case fell out; and how
    many machines carry the requests a second that are `needed`."""
    lines = []
    for choice in choices:
        lines += [f"{choice.model}, batch {choice.batch}, need: {choice.need}"]
        lines += [f"  {words}" for words in _basis(choice)]
        lines += [f"  best: {_short(choice.best)}: {choice.sentence}"]
        if needed and (carried := carried_by(choice)):
            lines += [f"  {carried.words(needed)}"]
        front = [case for case in choice.front if case != choice.best]
        lines += [f"  front: {_short(case)}: {choice.out[case]}" for case in front]
        lines += [
            f"  out: {_short(case)}: {why}"
            for case, why in choice.out.items()
            if case not in choice.front
        ]
        lines += [""]
    return clean("\n".join(lines).rstrip())


def _basis(choice: Choice) -> Iterator[str]:
    """What the figures of a choice mean."""
    if choice.need == "latency":
        yield RANKED
    if choice.need == LOAD:
        yield LOADED
    if choice.need == COST and choice.price:
        price = choice.price
        yield f"{price['name']} costs {price['per_hour']:g} an hour ({price['origin']})"
        yield PAID[choice.answers]


def plot_choices(choices: Sequence[Choice], path: Path) -> None:
    """An HTML page that works offline: latency against agreement, the area of a mark its size.

    Raises UserError where plotly is not installed, no case has a latency, or the file cannot be
    written.
    """
    if all(x.figures["latency"] is None for choice in choices for x in choice.candidates):
        raise UserError(
            "--plot shows latencies, and the report has none: run benchmarks/test_latency.py too"
        )
    try:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise UserError(f"--plot needs plotly: {install('history')}") from error
    titles = [
        f"{choice.model}, batch {choice.batch}"
        + (": synthetic weights, whose agreement means nothing" if choice.synthetic else "")
        for choice in choices
    ]
    page = make_subplots(rows=len(choices), cols=1, subplot_titles=titles)
    for place, choice in enumerate(choices, 1):
        for front, name in ((True, "front"), (False, "not on the front")):
            found = [x for x in choice.candidates if (x.case in choice.front) is front]
            found.sort(key=lambda x: x.latency)
            page.add_trace(
                go.Scatter(
                    x=[x.figures["latency"] for x in found],
                    y=[None if x.agreement is None else 100 * x.agreement for x in found],
                    text=[_short(x.case) for x in found],
                    customdata=[[x.figures["size"]] for x in found],
                    hovertemplate="%{text}: %{x:.1f} ms, %{y:.1f} %, %{customdata[0]:.1f} MB",
                    # Names of neighbours are above and below in turn; the others show on hover.
                    mode="markers+text" if front else "markers",
                    textposition=[
                        ("top center", "bottom center")[i % 2] for i in range(len(found))
                    ],
                    name=name,
                    legendgroup=name,
                    showlegend=place == 1,
                    marker=_marks([x.figures["size"] or 1.0 for x in found], front),
                ),
                row=place,
                col=1,
            )
        page.update_xaxes(
            title_text="latency, ms (median; logarithmic)",
            type="log",
            tickvals=_ticks([x.latency for x in choice.candidates]),
            row=place,
            col=1,
        )
        page.update_yaxes(title_text="agreement with fp32, %", row=place, col=1)
    page.update_layout(height=480 * len(choices), title_text="Area: size of the artifact")
    try:
        page.write_html(path, include_plotlyjs=True)
    except OSError as error:
        raise UserError(f"--plot {path}: cannot write there: {error.strerror}") from error


def _ticks(latencies: Sequence[float]) -> list[float] | None:
    """Ticks of a logarithmic axis: at every digit over less than a decade, else at 1, 2 and 5.

    None where not two of them lie among the latencies: plotly then labels so short a piece as it
    labels a linear axis.
    """
    above = [x for x in latencies if x > 0]
    if not above:
        return None
    least, most = min(above), max(above)
    digits = range(1, 10) if most / least < 6 else (1, 2, 5)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
    if least < most and sum(least <= tick <= most for tick in ticks) < 2:
        return None
    return ticks


def _marks(sizes: Sequence[float], front: bool) -> dict[str, Any]:
    """Marks whose area is the size; the shape shows the front without colour."""
    return {
        "size": [max(8.0, size**0.5 * 3) for size in sizes],
        "symbol": "circle" if front else "circle-open",
        "color": "#1f6f8b" if front else "#8a8a8a",
    }


def _short(case: str | None) -> str:
    """The id without its model, which heads the group."""
    return case.partition("/")[2] if case else "none"
