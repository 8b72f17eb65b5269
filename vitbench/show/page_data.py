"""What the page of a history shows, as JSON."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.history.series import newest_first, newest_rates_by_machine
from vitbench.history.store import COLUMN, History
from vitbench.history.summary import Run
from vitbench.history.trends import Trend, latest_by_machine, older_runs
from vitbench.judge.best import Choice
from vitbench.report.fields import FIELD, FOOTPRINT, LOAD, SECONDS, Field
from vitbench.report.figures import QUANTILES, STATES
from vitbench.show.clean import clean
from vitbench.show.history import history_notes, places, sentence, summary
from vitbench.show.page_flips import page_flips
from vitbench.show.page_load import page_load

# Columns that are no field, by the field that they stand beside.
BESIDE: dict[str, list[tuple[str, str, int | None]]] = {
    "speedup": [("change", "last change %", 1)],
    "agreement": [("state", "limits", None)],
}
NOTHING: tuple[str, Mapping[str, Any]] = ("", MappingProxyType({}))
Fronts: TypeAlias = Mapping[str, Mapping[str, bool]]
"""By class of machine: of each case of its newest whole report whether it is on the front."""
NO_FRONTS: Fronts = MappingProxyType({})
FAILED = "failed: "  # how a run of the history begins the reason
SYNTHETIC = "the weights are synthetic, and of such weights no agreement is claimed"
UNVERIFIED = "the report says nothing of agreement"
UNTIMED = "the report has no time of the case"
NO_SHARE = "the head of the model has no share of images that agree"
# Older reports keep their trend and their machine; their rounds stay in their files.
MOST_ROUNDS_SHOWN = 200


def recommendations(choices: Sequence[Choice]) -> list[str]:
    """A sentence for each model and batch: the fastest that agrees enough, and the front."""
    told = []
    for choice in choices:
        front = [case.partition("/")[2] for case in choice.front if case != choice.best]
        words = f"{choice.model}, batch {choice.batch}: "
        words += f"{choice.best.partition('/')[2]}: " if choice.best else ""
        words += choice.sentence
        if front:
            words += f". Also on the front: {', '.join(front)}"
        told.append(words)
    return told


def data(
    history: History, found: Sequence[Trend], newest: Mapping[str, Any], best: Sequence[str],
    folder: str, loaded: tuple[str, Mapping[str, Any]] = NOTHING, fronts: Fronts = NO_FRONTS,
) -> dict[str, Any]:  # fmt: skip
    """What the page shows. Times in milliseconds, sizes in megabytes, shares in per cent. `newest`:
    the report whose predictions are shown; `loaded`: name and report whose cases under load are.
    `fronts` are those that the recommendations were made of."""
    ordered = sorted(found, key=lambda each: (each.case, -each.runs[-1]))
    place = {id(each): index for index, each in enumerate(ordered)}
    events = [(event, place[id(each)]) for each in ordered for event in each.events]
    events.sort(key=lambda pair: (-pair[0].run, pair[0].case))
    names = [
        f"{each.case} on {where}"
        for each, where in zip(ordered, places(history, ordered), strict=True)
    ]
    count = Counter((each.case, each.field) for each in ordered)
    rates = newest_rates_by_machine(history)
    older = older_runs(found)
    rounds: dict[int, list[Any]] = {}
    recent = history.column("run") >= len(history.runs) - MOST_ROUNDS_SHOWN
    for row in history.figures[recent].tolist():
        quantiles = [_scaled(row[COLUMN[f"q{q}"]], 1e3) for q in QUANTILES]
        if quantiles[0] is not None:
            rounds.setdefault(int(row[COLUMN["run"]]), []).append(
                [int(row[COLUMN["case"]]), quantiles]
            )
    return {
        "summary": clean(summary(history, found, folder)),
        "damaged": [clean(why) for why in history.damaged],
        "remarks": [clean(why) for why in history_notes(history, found)],
        "best": list(best),
        "failed": failures(history),
        "most": MOST_ROUNDS_SHOWN,
        "names": history.cases,
        "quantiles": QUANTILES,
        "columns": columns(history),
        "runs": [
            {"file": run.file, "date": run.date, "commit": run.commit, "dirty": run.dirty,
             "complete": run.complete, "machine": run.machine, "versions": dict(run.versions),
             "variables": dict(run.variables), "missing": dict(run.missing),
             "older": index in older}
            for index, run in enumerate(history.runs)
        ],
        "cases": [
            _case(
                history, each, place[id(each)], rates.get((each.case, _class(history, each))),
                fronts.get(_class(history, each), {}).get(each.case),
            )
            for each in latest_by_machine(history, ordered)
        ],
        "trends": [
            _trend(
                history, each, name, name if count[each.case, each.field] > 1 else _alone(each)
            )
            for each, name in zip(ordered, names, strict=True)
        ],
        "changes": [
            {"case": event.case, "trend": index, "words": sentence(history, event)}
            for event, index in events if event.significant
        ],
        "newest": next((run for run in newest_first(history) if run in rounds), -1),
        "rounds": [rounds.get(index, []) for index in range(len(history.runs))],
        "flips": page_flips(newest),
        "load": page_load(loaded[1], loaded[0]),
    }  # fmt: skip


def _class(history: History, each: Trend) -> str:
    """The class of machine of a series."""
    return history.runs[each.runs[-1]].classes[""]


def _alone(each: Trend) -> str:
    """The name of the only series of a case on one field."""
    return f"{each.case}, {FIELD[each.field].label}" if each.of_rate else each.case


def failures(history: History) -> list[str]:
    """The cases that failed in the newest whole run of each machine, with the reason: they have no
    figures, so nothing else on the page tells of them."""
    newest: dict[str, Run] = {}
    for run in (history.runs[index] for index in newest_first(history)):
        if run.complete and not run.plain:
            newest.setdefault(run.classes[""], run)
    return [
        clean(
            f"{case}{f', on {run.machine}' if len(newest) > 1 else ''}: {why.removeprefix(FAILED)}"
        )
        for run in newest.values()
        for case, why in run.missing.items()
        if why.startswith(FAILED)
    ]


def _case(
    history: History, each: Trend, index: int, rate_row: int | None, front: bool | None
) -> dict[str, Any]:
    """The newest figures of a case; those under load are of the row `rate_row`. `front` is None
    where that is not known, `undrawn` why the case has no mark among latencies and agreements."""
    row = dict(zip(COLUMN, history.figures[each.rows[-1]].tolist(), strict=True))
    try:
        case = Case.parse(each.case)
        kind = {"model": case.model, "variant": case.variant, "device": case.device,
                "batch": case.batch}  # fmt: skip
    except UserError:
        kind = {"model": "(other)", "variant": each.case, "device": "(other)", "batch": 1}
    rate = row["operations"] / row["seconds"] if row["seconds"] > 0 else math.nan
    significant = [event for event in each.events if event.significant and not each.of_rate]
    shown = [field for field in FIELD.values() if field.page]
    figures = {field.name: _figure(history, each, field, rate_row) for field in shown}
    figures["speedup"] = _scaled(math.exp(-each.values[-1]), 1) if each.paired else None
    undrawn = ""
    if not row["claimed"]:
        undrawn = SYNTHETIC if row["state"] else UNVERIFIED
        figures |= dict.fromkeys(("agreement", "error", "cosine"))
    elif figures["agreement"] is None or figures["median"] is None:
        undrawn = NO_SHARE if figures["agreement"] is None else UNTIMED
    return {
        "case": each.case, **kind, "trend": index,
        "machine": each.machine, "fingerprint": each.fingerprint, **figures,
        "state": STATES[int(row["state"])], "front": front, "undrawn": undrawn,
        "rate": _scaled(rate, 1e-9),
        "runs": len(each.runs),
        "change": _scaled(significant[-1].change, 100) if significant else None,
        "gradual": bool(significant) and significant[-1].gradual,
        "date": history.runs[each.runs[-1]].date,
    }  # fmt: skip


def columns(history: History) -> list[tuple[str, str, int | None]]:
    """The columns of the table of cases: key in a case, heading, and decimals, None for words."""
    shown = [
        each for each in FIELD.values() if each.page and (not each.rare or _has(history, each))
    ]
    found: list[tuple[str, str, int | None]] = [("case", "case", None)]
    for field in shown:  # It has room for one decimal more of a time.
        found += [(field.name, field.heading, field.digits + (field.measure is SECONDS))]
        found += BESIDE.get(field.name, ())
    return [*found, ("runs", "runs", 0), ("date", "newest, UTC", None)]


def _has(history: History, field: Field) -> bool:
    return any(map(math.isfinite, history.column(field.column).tolist()))


def _trend(history: History, each: Trend, name: str, short: str) -> dict[str, Any]:
    """A series. `short` is its name where the machine goes without saying."""
    figures = history.figures[list(each.rows)]
    scale = 1.0 if each.paired or each.of_rate else 1e3
    unit = "speed-up over the reference" if each.paired else "median ms"
    bounds = [
        [_scaled(x, 1) if each.paired else None for x in figures[:, COLUMN[name]].tolist()]
        for name in ("low", "high")
    ]
    return {
        "case": each.case, "name": name, "short": short, "paired": each.paired,
        "unit": f"requests/s, {each.basis}" if each.of_rate else unit,
        "runs": each.runs, "y": [_scaled(each.shown(v), scale) for v in each.values],
        "older": [[run, _scaled(each.shown(v), scale)] for run, _, v in each.older],
        "low": bounds[0], "high": bounds[1],
        "events": [{"run": e.run, "until": e.until, "stands": e.significant,
                    "words": sentence(history, e)} for e in each.events],
    }  # fmt: skip


def _figure(history: History, each: Trend, field: Field, rate_row: int | None) -> float | None:
    """In the field's unit: of the newest run, or the newest that took the footprint, for not every
    run does. Under load: of the row `rate_row`."""
    if field.groups == LOAD:
        row = None if rate_row is None else history.figures[rate_row]
        return None if row is None else _scaled(float(row[COLUMN[field.column]]), field.scale)
    taken = history.figures[list(each.rows), COLUMN[field.column]].tolist()
    if FOOTPRINT[0] not in field.groups:
        return _scaled(taken[-1], field.scale)
    known = [x for x in taken if math.isfinite(x)]
    return _scaled(known[-1], field.scale) if known else None


def _scaled(value: float, scale: float) -> float | None:
    """To five digits, which is more than a page can show."""
    scaled = value * scale
    return float(f"{scaled:.5g}") if math.isfinite(scaled) else None
