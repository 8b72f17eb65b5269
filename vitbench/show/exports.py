"""A history in the formats of other tools. Each exporter takes a history to text or to files."""

import json
import math
from typing import Any

from vitbench.history.series import newest_first, older_rows
from vitbench.history.store import COLUMN, History
from vitbench.history.summary import Run
from vitbench.report.fields import FIELD, LOAD
from vitbench.show.clean import clean
from vitbench.show.history_data import evidence_of, exported, samples_of


def github(history: History) -> str:
    """JSON for github-action-benchmark, `customSmallerIsBetter`: the medians of the newest run
    that took any; a duet alone, say, takes none."""
    runs = {int(row[COLUMN["run"]]) for row in _newest(history, "seconds").values()}
    last = next((run for run in newest_first(history) if run in runs), -1)
    found = []
    for row in exported(history).tolist():
        if row[COLUMN["run"]] != last or not row[COLUMN["seconds"]] > 0:
            continue
        entry: dict[str, Any] = {
            "name": history.cases[int(row[COLUMN["case"]])], "unit": "ms",
            "value": 1e3 * row[COLUMN["seconds"]],
        }  # fmt: skip
        if row[COLUMN["q75"]] > 0:
            entry["range"] = f"{1e3 * (row[COLUMN['q75']] - row[COLUMN['q25']]):.4g}"
        if row[COLUMN["speedup"]] > 0:
            entry["extra"] = f"{row[COLUMN['speedup']]:.3f}x the reference"
        found.append(entry)
    return json.dumps(found, indent=1) + "\n"


def prometheus(history: History) -> str:
    """Prometheus text format: of every field, case and machine the newest figure, for not every run
    takes all of them. Figures under load have labels with their evidence and samples."""
    lines = []
    for field in FIELD.values():
        name, found = field.gauge or f"vitbench_{field.column}", _newest(history, field.column)
        lines += [f"# HELP {name} {field.about}", f"# TYPE {name} gauge"] if found else []
        for (case, machine), row in found.items():
            labels = f'case="{_label(history.cases[case])}",machine="{_label(machine)}"'
            if field.groups == LOAD:
                labels += f',evidence="{evidence_of(row)}",samples="{samples_of(row)}"'
            lines.append(f"{name}{{{labels}}} {row[COLUMN[field.column]]:.9g}")
    return "\n".join(lines) + "\n"


def asv(history: History) -> dict[str, str]:
    """Files of an asv results folder, by path: benchmarks.json, machines, a file per commit.

    asv keeps one figure per commit and machine, so of several runs the newest stands; runs
    `without_commit` are left out. Source: asv's results format, version 2.
    """
    files: dict[str, str] = {}
    benchmarks: dict[str, Any] = {"version": 2}
    results: dict[str, dict[str, Any]] = {}
    for row in history.figures.tolist():
        run, case = history.runs[int(row[COLUMN["run"]])], history.cases[int(row[COLUMN["case"]])]
        commit = _commit(run)
        if not commit or not row[COLUMN["seconds"]] > 0:
            continue
        machine = f"vitbench-{run.classes['']}"
        files[f"{machine}/machine.json"] = json.dumps(
            {"machine": machine, "cpu": run.machine, "version": 1}
        )
        benchmarks[case] = {
            "name": case, "unit": "seconds", "type": "time", "version": "1", "params": [],
            "param_names": [], "code": "", "timeout": 60.0,
        }  # fmt: skip
        result = results.setdefault(f"{machine}/{commit[:8]}-vitbench.json", {
            "commit_hash": commit, "env_name": "vitbench", "date": int(run.time * 1000),
            "params": {"machine": machine}, "python": run.versions.get("python", ""),
            "requirements": dict(run.versions), "env_vars": {}, "result_columns": ["result"],
            "results": {}, "durations": {}, "version": 2,
        })  # fmt: skip
        result["date"] = int(run.time * 1000)
        result["results"][case] = [[row[COLUMN["seconds"]]]]
    files["benchmarks.json"] = json.dumps(benchmarks)
    return files | {path: json.dumps(result) for path, result in results.items()}


def without_commit(history: History) -> list[str]:
    """The files of the runs that name no commit."""
    return [run.file for run in history.runs if not _commit(run)]


def _commit(run: Run) -> str:
    return "".join(char for char in run.commit if char in "0123456789abcdef")


def _newest(history: History, column: str) -> dict[tuple[int, str], list[float]]:
    """By case and machine, the row of the newest run that has a figure in `column`, and not of an
    older commit, measured later."""
    older = older_rows(history)
    return {
        (int(row[COLUMN["case"]]), history.runs[int(row[COLUMN["run"]])].machine): row
        for index, row in enumerate(exported(history).tolist())
        if math.isfinite(row[COLUMN[column]]) and index not in older
    }


def _label(words: str) -> str:
    words = clean(words).replace("\\", "\\\\").replace('"', '\\"')
    return words.replace("\n", "\\n")
