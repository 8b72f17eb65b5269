"""What the page of a history shows of a report's cases under load: rows, and the arrangements that
were tried, as a heat map of instances and threads for each window, and of streams and threads."""

from collections.abc import Mapping
from typing import Any

from vitbench.report.loaded import Load
from vitbench.report.reader import Row, rows
from vitbench.show.clean import clean
from vitbench.show.load import by_rate, load_columns, load_lines


def page_load(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Of a report by its `name`, {} for none: `heads` and `rows` of its cases under load, the
    highest rate of a model first, `lines` on what they rest on, and `grids`."""
    found = rows(report) if report else []
    groups = by_rate(found)
    loaded = [row for group in groups.values() for row in group]
    columns = [each for each in load_columns() if any(each.cell(row) for row in loaded)]
    named = len(groups) > 1
    return {
        "caption": f"{clean(name)}: the highest rate of a model first.",
        "heads": [column.label for column in columns],
        "rows": [
            [row.case.id if named else columns[0].cell(row), *(x.cell(row) for x in columns[1:])]
            for row in loaded
        ],
        "words": [index for index, column in enumerate(columns) if column.words],
        "lines": [clean(line) for line in load_lines(found)],
        "grids": [grid(row, row.loaded) for row in loaded if row.loaded],
    }  # fmt: skip


def grid(row: Row, load: Load) -> dict[str, Any]:
    """The arrangements of a case that were tried: threads, instances (or streams), window in ms,
    simulated requests a second, Offline images a second, whether it is the one that was run, and
    whether it is of streams."""
    return {
        "case": row.case.id,
        "bound": load.latency_bound_ms,
        "cells": [
            [
                each.threads,
                each.streams or each.instances,
                each.window_ms,
                each.simulated_rate,
                each.offline_images_per_s,
                each.arrangement == load.arrangement,
                each.streams > 0,
            ]
            for each in load.arrangements
        ],
    }
