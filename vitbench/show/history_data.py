"""A history for other programs: as JSON and as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.history.series import EVIDENCE, older_rows
from vitbench.history.store import COLUMN, History
from vitbench.history.trends import Trend, older_runs
from vitbench.report.fields import FIELD
from vitbench.report.figures import STATES
from vitbench.show.clean import clean
from vitbench.show.history import history_notes, sentence


def history_json(history: History, found: Sequence[Trend]) -> dict[str, Any]:
    """Runs, trends with their events, what could not be read, and what is not used of the rest."""
    older = older_runs(found)
    return {
        "runs": [
            {
                "file": run.file,
                "time": run.date,
                "commit": run.commit,
                "dirty": run.dirty,
                "complete": run.complete,
                "machine": run.machine,
                "versions": dict(run.versions),
                "older": index in older,
            }
            for index, run in enumerate(history.runs)
        ],
        "trends": [
            {
                "case": each.case,
                "machine": each.machine,
                "fingerprint": each.fingerprint,
                "versions": each.versions,
                "field": each.field,
                "basis": each.basis,
                "paired": each.paired,
                "runs": list(each.runs),
                "older": [run for run, _, _ in each.older],
                "values": [
                    each.shown(value) if each.of_rate else math.exp(value) for value in each.values
                ],
                "changes": [
                    {
                        "kind": "gradual" if event.gradual else "step",
                        "run": event.run,
                        "until": event.until,
                        "detected": event.detected,
                        **dict(zip(("change", "low", "high"), event.own, strict=True)),
                        "p": event.p,
                        "significant": event.significant,
                        "with": list(event.with_it),
                        "sentence": sentence(history, event),
                    }
                    for event in each.events
                ],
            }
            for each in found
        ],
        "damaged": list(history.damaged),
        "remarks": history_notes(history, found),
    }


def exported(history: History) -> NDArray[np.float64]:
    """The figures as other tools get them: a null arm is no speed-up of the reference."""
    figures = history.figures.copy()
    ratio = [COLUMN[name] for name in FIELD["speedup"].columns]
    figures[np.ix_(figures[:, COLUMN["null_arm"]] == 1, ratio)] = math.nan
    return figures


def history_csv(history: History) -> str:
    """A line per run and case, with every figure; empty where a report has none. `older` is 1 for
    commits older than one measured before.

    A text that a spreadsheet would take for a formula gets a ' before it.
    """
    names = [column for field in FIELD.values() for column in field.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["time", "file", "commit", "machine", "case", "state", *names, "older"]
    writer.writerow([*head, "load_evidence", "load_samples"])
    older = older_rows(history)
    for index, row in enumerate(exported(history)):
        run = history.runs[int(row[COLUMN["run"]])]
        case = history.cases[int(row[COLUMN["case"]])]
        figures = [row[COLUMN[name]] for name in names]
        writer.writerow(
            [_cell(x) for x in (run.date, run.file, run.commit, run.machine, case)]
            + [STATES[int(row[COLUMN["state"]])]]
            + ["" if math.isnan(x) else f"{x:.9g}" for x in figures]
            + ["1" if index in older else "", evidence_of(row), samples_of(row)]
        )
    return out.getvalue()


def evidence_of(row: Sequence[float]) -> str:
    """What the rate of a row of figures rests on, "" where it has none."""
    has = math.isfinite(row[COLUMN["server_rate"]])
    return EVIDENCE[int(row[COLUMN["proven"]])] if has else ""


def samples_of(row: Sequence[float]) -> str:
    """What a query of the rate of a row of figures was, "" where it has no rate."""
    if not math.isfinite(row[COLUMN["server_rate"]]):
        return ""
    return "photo" if row[COLUMN["from_jpeg"]] else "tensor"


def _cell(words: str) -> str:
    words = clean(words).replace("\n", " ")
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words
