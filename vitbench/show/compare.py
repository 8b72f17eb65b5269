"""Reports side by side: what differs between them first, then every case."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vitbench.history.remarks import remarks
from vitbench.history.store import COLUMN, History
from vitbench.history.trends import what_differs
from vitbench.report.figures import STATES
from vitbench.show.clean import clean


def comparison_text(history: History, order: Sequence[str]) -> str:
    """A table of the runs of `history` in the `order` of their files, the first one the base."""
    content = comparison_json(history, order)
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    lines = [
        f"{names[i % 26]}: {report['file']}, {report['date']}"
        + ("" if report["complete"] else ", INCOMPLETE")
        for i, report in enumerate(content["reports"])
    ]
    lines += ["", "What differs from A:"]
    for i, report in enumerate(content["reports"][1:], 1):
        told = report["differs"] or ["nothing that is in the reports"]
        lines += [f"  {names[i % 26]}: {', '.join(told)}"]
        if not report["comparable"]:
            lines += ["     another machine, threads or weights: the times are not comparable"]
    heads = ["case"]
    for i in range(len(content["reports"])):
        heads += [f"{names[i % 26]} ms", "speed-up", "limits"] + (["time"] if i else [])
    grid = [heads]
    for case in content["cases"]:
        row = [case["case"]]
        for i, each in enumerate(case["reports"]):
            row += [
                _number(each["ms"], "{:.2f}"),
                _number(each["speedup"], "{:.2f}x"),
                each["state"],
            ]
            row += [_number(each["change"], "{:+.1%}")] if i else []
        grid.append(row)
    widths = [max(len(row[i]) for row in grid) for i in range(len(heads))]
    lines += [""]
    for row in grid:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines += [
        "",
        "time: how much longer a call takes than in A, over the reference of the same run",
    ]
    lines += ["where there is one. Two runs prove no change: see `vitbench history show`."]
    if content["loaded"]:
        lines += ["Rates under load are not compared here: `vitbench history show` has them."]
    lines += [f"note: {why}" for why in content["remarks"]]
    return clean("\n".join(lines))


def comparison_json(history: History, order: Sequence[str]) -> dict[str, Any]:
    """The reports, what differs from the first, and the figures of every case in each.

    `change` is relative, of the time over the reference where both runs have one; None for the
    first report, for a case that one of the two lacks, and across fingerprint classes.
    """
    place = {run.file: index for index, run in enumerate(history.runs)}
    runs = [history.runs[place[file]] for file in order]
    rows = {
        (int(row[COLUMN["run"]]), int(row[COLUMN["case"]])): row for row in history.figures.tolist()
    }
    cases = []
    for index, case in enumerate(history.cases):
        found = [rows.get((place[run.file], index)) for run in runs]
        model = case.partition("/")[0]
        kinds = [run.classes.get(model, run.classes[""]) for run in runs]
        figures = [_figures(row) for row in found]
        for each, kind in zip(figures[1:], kinds[1:], strict=True):
            each["change"] = _change(figures[0], each) if kind == kinds[0] else None
        cases.append({"case": case, "reports": figures})
    return {
        "reports": [
            {
                "file": run.file,
                "date": run.date,
                "commit": run.commit,
                "complete": run.complete,
                "machine": run.machine,
                "differs": [
                    *what_differs(runs[0], run),
                    *_bounds(rows, place[runs[0].file], place[run.file]),
                ],
                "comparable": all(
                    run.classes[m] == kind
                    for m, kind in runs[0].classes.items()
                    if m in run.classes
                ),
            }
            for run in runs
        ],
        "cases": cases,
        "loaded": any(map(math.isfinite, history.column("server_rate"))),
        "remarks": remarks(history),
    }


def _bounds(
    rows: Mapping[tuple[int, int], Sequence[float]], base: int, other: int
) -> Iterator[str]:
    """The latency bounds that the cases of two runs have, where one is another."""
    column = COLUMN["latency_bound_ms"]
    pairs = dict.fromkeys(
        (row[column], rows[other, case][column])
        for (run, case), row in rows.items()
        if run == base and (other, case) in rows
    )
    for old, new in pairs:
        if math.isfinite(old) and math.isfinite(new) and old != new:
            yield f"latency bound {old:g} ms to {new:g} ms"


def _figures(row: Sequence[float] | None) -> dict[str, Any]:
    if row is None:
        return {"ms": None, "speedup": None, "state": "", "change": None}
    seconds, speedup = row[COLUMN["seconds"]], row[COLUMN["speedup"]]
    return {
        "ms": 1e3 * seconds if math.isfinite(seconds) else None,
        "speedup": speedup if math.isfinite(speedup) and not row[COLUMN["null_arm"]] else None,
        "state": STATES[int(row[COLUMN["state"]])],
        "change": None,
    }


def _change(base: dict[str, Any], each: dict[str, Any]) -> float | None:
    if base["speedup"] and each["speedup"]:
        return float(base["speedup"] / each["speedup"] - 1)
    return float(each["ms"] / base["ms"] - 1) if base["ms"] and each["ms"] else None


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
