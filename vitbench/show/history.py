"""A history as text."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from vitbench.history.remarks import count_left_out, remarks
from vitbench.history.series import EVIDENCE, FROM_JPEG, RATE, TIME, newest_rates
from vitbench.history.store import COLUMN, History
from vitbench.history.summary import Run
from vitbench.history.trends import Event, Trend, latest, older_runs
from vitbench.report.fields import FIELD
from vitbench.report.figures import STATES
from vitbench.show.clean import clean

CHARS_OF_A_COMMIT = 8
WORSE = {TIME: "slower", RATE: "fewer requests/s"}
NOTHING = {
    TIME: ", and nothing else that the reports know of changed",
    RATE: ", and neither code nor versions changed; the arrangement and the photographs may have",
}
BETTER = {TIME: "faster", RATE: "more requests/s"}


def history_text(history: History, found: Sequence[Trend], folder: str) -> str:
    """Every case by model: its newest figures, and each change with what changed with it."""
    lines = [summary(history, found, folder), ""]
    newest, where, rates = latest(history, found), places(history, found), newest_rates(history)
    model = None
    for case in sorted({**newest, **rates}, key=_by_number):
        name, _, short = case.partition("/")
        if name != model:
            model = name
            lines += ["", name] if len(lines) > 2 else [name]
        one = newest.get(case)
        own = [(each, w) for each, w in zip(found, where, strict=True) if each.case == case]
        told = [_times(history, one, own)] if one and not one.of_rate else []
        told += [f"under load: {_rates(history, own, rates[case])}"] if case in rates else []
        lines.append(f"  {short or case}: {'; '.join(told)}")
        for each, place in own:
            on = "" if each is one else f"on {place}: "
            lines += [f"    {on}{sentence(history, event)}" for event in each.events]
    lines += ["", *(f"skipped: {why}" for why in history.damaged)]
    lines += [f"note: {why}" for why in history_notes(history, found)]
    return clean("\n".join(lines).rstrip())


def _times(history: History, one: Trend, own: Sequence[tuple[Trend, str]]) -> str:
    """The newest figures of a case, and on which machine where the times have several series."""
    apart = {id(each): place for each, place in own if not each.of_rate}
    if len(apart) == 1:
        return _figures(history, one)
    place = apart[id(one)]
    place = place.replace(f", {one.versions}", "") if one.versions else place
    more = f"{len(apart) - 1} more series of this case"
    return f"{_figures(history, one)}, on {place} ({more})"


def _rates(history: History, own: Sequence[tuple[Trend, str]], row: int) -> str:
    """The newest rate of a case, its evidence and bound, and how many runs its series has."""
    figures = dict(zip(COLUMN, history.figures[row].tolist(), strict=True))
    bound = f"{figures['latency_bound_ms']:g} ms"
    if not figures["server_rate"]:
        return f"no rate that was tried keeps {bound}"
    words = f"{FIELD['server_rate'].text(figures['server_rate'])}/s within {bound}"
    words += FROM_JPEG * int(figures["from_jpeg"])
    words += f" ({EVIDENCE[int(figures['proven'])]}, {figures['server_queries']:,.0f} queries)"
    series = [each for each, _ in own if each.of_rate]
    runs = next((len(each.runs) for each in series if row in each.rows), 0)
    words += f", {_count(runs, 'run')}" if runs else ""
    return f"{words} ({len(series) - 1} more series of rates)" if len(series) > 1 else words


def _by_number(case: str) -> list[str | int]:
    """A key of sorting that puts batch 8 before batch 32."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", case)]


def history_notes(history: History, found: Sequence[Trend]) -> list[str]:
    """What is not used of what was read, and what is not known of it: a sentence for each."""
    files = [history.runs[run].file for run in sorted(older_runs(found))]
    told = remarks(history)
    if files:
        told.append(
            f"{_count(len(files), 'report')} of commits older than one that was measured before "
            f"({', '.join(files[-3:])}{' and more' if len(files) > 3 else ''}): not searched for "
            "changes, and never the newest"
        )
    return told


def places(history: History, found: Sequence[Trend]) -> list[str]:
    """The machine of every series, its versions where they alternate, and what a rate is. Where a
    case has several series on one machine, as after other weights or another reference, the date
    of the first run distinguishes them.
    """
    where = [", ".join(filter(None, (x.machine, x.versions, x.basis))) for x in found]
    count = Counter((each.case, place) for each, place in zip(found, where, strict=True))
    first = [history.runs[each.runs[0]].date for each in found]
    return [
        place + (f" (from {date})" if count[each.case, place] > 1 else "")
        for each, place, date in zip(found, where, first, strict=True)
    ]


def summary(history: History, found: Sequence[Trend], folder: str) -> str:
    """One sentence: how many reports, cases, series and significant changes."""
    events = [event for each in found for event in each.events]
    significant = sum(event.significant for event in events)
    words = f"{folder}: {_count(len(history.runs), 'report')}"
    if history.runs:
        words += f" from {history.runs[0].date[:10]} to {history.runs[-1].date[:10]}"
    words += f", {_count(len(history.cases), 'case')}, {_count(len(found), 'series')}"
    words += f"; {_count(significant, 'change')} over all of them"
    if len(events) > significant:
        words += f", {len(events) - significant} more by one series alone"
    if history.damaged:
        words += f"; {_count(len(history.damaged), 'file')} could not be read"
    if count_left_out(history):
        words += f"; {_count(count_left_out(history), 'figure')} left out"
    return words


def sentence(history: History, event: Event) -> str:
    """What changed, by how much, since when or from when to when, and what changed with it."""
    change, low, high = event.own
    how = WORSE[event.field] if event.change > 0 else BETTER[event.field]
    low, high = sorted((abs(low), abs(high)))
    words = f"{abs(change):.1%} {how}"
    if not event.low <= 0 <= event.high:
        words += f" [{low:.1%}, {high:.1%}]"
    if event.gradual:
        words += f", gradually, from {_place(history.runs[event.run])}"
        words += f" to {_place(history.runs[event.until])}"
        words += f"; in that time {', '.join(event.with_it)}" if event.with_it else ""
    else:
        words += f" since {_place(history.runs[event.run])}"
        words += f", with {', '.join(event.with_it)}" if event.with_it else ""
    if not event.with_it:
        words += NOTHING[event.field]
    return (
        words
        if event.significant
        else f"{words} (significant in this series alone, not over all cases)"
    )


def _place(run: Run) -> str:
    return f"{run.date} ({run.commit[:CHARS_OF_A_COMMIT] or run.file})"


def _figures(history: History, each: Trend) -> str:
    row = history.figures[each.rows[-1]]
    words = f"{1e3 * row[COLUMN['seconds']]:.1f} ms" if row[COLUMN["seconds"]] > 0 else ""
    if each.paired:
        words += f"{', ' if words else ''}{math.exp(-each.values[-1]):.2f}x"
    state = STATES[int(row[COLUMN["state"]])]
    words += f"{', ' if state else ''}{state}, {_count(len(each.runs), 'run')}"
    words += f" and {len(each.older):,} of older commits" if each.older else ""
    return words + (f", {each.versions}" if each.versions else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 or noun == "series" else "s")
