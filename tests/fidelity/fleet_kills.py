"""Whether a run of many hosts survives: nodes of a Ray cluster, and the command, die at random.

    python -m tests.fidelity.fleet_kills --kills=20 --nodes=3 --seed=1 --json=FILE

Needs the extra `fleet`. Each kill waits until a case runs, and a random while longer; it is of the
node of a random case, as if its machine lost power, which another node replaces, or of the command,
which is resumed. At the end every case must have one receipt, and every report each case once. The
same cases on one machine, in one run of pytest, are timed for comparison. Exit code 1 where a case
is lost, is there twice, or a receipt was changed.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.helpers.ray_cluster import QUICK, ROOT, TINY, FleetRun, LocalCluster, local_cluster
from vitbench.report.reader import read_report, rows

TESTS = ("benchmarks/test_latency.py", "benchmarks/test_throughput.py")
VARIANTS = ["fp32", "scripted", "bf16", "int8-dynamic"]
SECONDS = "--seconds=2"
"""Of timing, so that kills fall there, too."""
COMMAND, NODE = "command", "node"
LONGEST_WAIT_SECONDS = 15.0
"""More than the first case of a process takes, with its imports."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command-share", type=float, default=0.25)
    parser.add_argument("--variant", action="append", metavar="NAME", help="default: four of them")
    parser.add_argument("--batch", action="append", default=[], metavar="N")
    parser.add_argument("--no-comparison", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_cluster() as cluster:
        found = play(cluster, Path(folder), chosen)
        if not chosen.no_comparison:
            found["seconds_on_one_machine"] = on_one_machine(Path(folder), chosen)
    print(json.dumps(found, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    return int(bool(found["lost"] or found["counted_twice"] or found["receipts_changed"]))


def words(folder: Path, chosen: argparse.Namespace) -> list[str]:
    """The tests and options of the run. With `--batch`, latency alone."""
    variants = [f"--variant={each}" for each in chosen.variant or VARIANTS]
    batches = [f"--batch={each}" for each in chosen.batch]
    tests = TESTS[:1] if batches else TESTS
    own = [SECONDS, f"--cache={folder / 'cache'}"]
    return [*tests, f"--model={TINY}", *variants, *batches, *QUICK, *own]


def play(cluster: LocalCluster, folder: Path, chosen: argparse.Namespace) -> dict[str, object]:
    """Kill, resume, and count."""
    chance, receipts = random.Random(chosen.seed), folder / "run"
    for number in range(chosen.nodes):
        cluster.add(f"n{number}")
    began, left, number = time.monotonic(), chosen.kills, chosen.nodes
    kills: Counter[str] = Counter()
    run = FleetRun(cluster, ROOT, receipts, *words(folder, chosen))
    before: dict[str, str] = {}
    changed = deaths = 0
    while True:
        for name in cluster.ended():  # of its own: a machine that halts the cluster makes them
            deaths += 1
            cluster.kill(name)
            cluster.add(f"n{number}")
            number += 1
        running = alive(run) and run.running()
        if left and running:
            time.sleep(chance.uniform(0, LONGEST_WAIT_SECONDS))
            hit = [each for each in run.running() if each["host"] in cluster.nodes]
            if not hit or not alive(run):
                continue
            left -= 1
            if chance.random() < chosen.command_share:
                kills[COMMAND] += 1
                run.end()
            else:
                kills[NODE] += 1
                cluster.kill(chance.choice(hit)["host"])
                cluster.add(f"n{number}")
                number += 1
        if not alive(run):
            now = {name: json.dumps(each) for name, each in run.receipts_by_case().items()}
            changed += sum(now.get(name) != text for name, text in before.items())
            before = now
            if len(now) == cases(receipts):
                break
            run = FleetRun(cluster, ROOT, receipts, "--resume")
        time.sleep(0.2)
    tasks = cases(receipts)
    reports = [read_report(file) for file in (folder / "reports").glob("*.json")]
    counted = Counter(
        (row.case.id, group)
        for report in reports
        for row in rows(report)
        for group in row.benchmarks
    )
    attempts = [a for each in run.receipts_by_case().values() for a in each["attempts"]]
    return {
        "cases": tasks,
        "measured": len(before),
        "lost": tasks - len(before),
        "counted_twice": sum(number - 1 for number in counted.values()),
        "receipts_changed": changed,
        "kills": dict(kills),
        "deaths_of_their_own": deaths,
        "hit_a_case_by_its_receipt": sum(
            bool(each["why"]) or each["ended"] is None for each in attempts
        ),
        "while": Counter(each["phase"].split(" ")[0] for each in attempts if each["why"]),
        "seconds": round(time.monotonic() - began),
    }


def cases(receipts: Path) -> int:
    """How many the plan has, on all classes."""
    plan = json.loads((receipts / "plan.json").read_text())
    return sum(len(each["cases"]) for each in plan["classes"])


def alive(run: FleetRun) -> bool:
    return run.process.poll() is None


def on_one_machine(folder: Path, chosen: argparse.Namespace) -> int:
    """Seconds of the same cases in one run, with a cache of its own."""
    began = time.monotonic()
    own = [each for each in words(folder, chosen) if not each.startswith("--cache")]
    command = [sys.executable, "-m", "pytest", "--benchmark-only", *own]
    command += [f"--cache={folder / 'other'}", f"--report={folder / 'one.json'}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return round(time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
