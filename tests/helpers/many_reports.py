"""Many reports out of one that was recorded: its rounds, resampled, a run a day.

    python -m tests.helpers.many_reports RECORDED.json COUNT FOLDER [--cases N]

For measuring how long a history takes to read; the figures in them mean nothing.
"""

import argparse
import copy
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vitbench.report.files import write
from vitbench.report.reader import read_report

STEP_AT, STEP = 0.6, 1.08


def reports(recorded: dict[str, Any], count: int, cases: int, seed: int = 1) -> Iterator[dict]:
    """`count` reports of `cases` timed cases each. The second case gets 8 % slower at 60 %."""
    generator = random.Random(seed)
    timed = list(
        {
            row["extra_info"]["case"]["id"]: row
            for row in recorded["benchmarks"]
            if "ratio" in row["extra_info"]
        }.values()
    )
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for index in range(count):
        report = {**recorded, "benchmarks": []}
        report["datetime"] = (start + timedelta(days=index)).isoformat()
        late = index >= STEP_AT * count
        report["commit_info"] = {"id": f"{2 if late else 1:040x}", "dirty": False}
        report["machine_info"] = copy.deepcopy(recorded["machine_info"])
        if late:
            report["machine_info"]["vitbench"]["versions"]["torch"] = "9.9"
        for number in range(cases):
            row = copy.deepcopy(timed[number % len(timed)])
            case = row["extra_info"]["case"]
            if number >= len(timed):
                case["variant"] += f"-{number // len(timed)}"
            case["id"] = "{model}/{variant}/{device}/b{batch}".format(**case)
            row["group"] = "latency"
            factor = generator.gauss(1, 0.02) * (STEP if late and number == 1 else 1)
            row["stats"]["data"] = [x * factor for x in row["stats"]["data"]]
            row["stats"]["median"] *= factor
            for name in ("speedup", "low", "high"):
                if row["extra_info"]["ratio"][name]:
                    row["extra_info"]["ratio"][name] /= factor
            report["benchmarks"].append(row)
        yield report


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recorded", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=60)
    chosen = parser.parse_args(arguments)
    recorded = read_report(chosen.recorded)
    for index, report in enumerate(reports(recorded, chosen.count, chosen.cases)):
        write(chosen.folder / f"{index:05}.json", json.dumps(report, default=str))


if __name__ == "__main__":
    main()
