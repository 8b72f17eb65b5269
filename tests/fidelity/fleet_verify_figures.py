"""What a verification in parts takes: bounds beside one machine's, images a second, memory.

    python -m tests.fidelity.fleet_verify_figures --images=25600 --from=DIR --nodes=3 --json=FILE

Needs the extra `fleet`. Makes so many JPEG files (tests/fidelity/sample_memory.py) of the images in
DIR, else of crops of those that scikit-image ships. One process verifies the variants of the
bundled DeiT-Tiny on them; then `vitbench fleet verify` does on local clusters of 1, 2 ... nodes of
one thread each. Then 50,000 simulated answers of a network of 1,000 classes are merged from their
files. Prints what differs from one machine (nothing should), images a second of all passes, the
largest anonymous memory (RssAnon) of each kind of process, and what ten hosts would take. Exit code
1 where a bound differs.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.fidelity.sample_memory import make, watched
from tests.helpers.ray_cluster import ROOT, FleetRun, local_cluster

MODEL = "deit_tiny_patch16_224"
VARIANTS = ("fp32", "scripted", "bf16", "int8-dynamic", "openvino-int8", "ort-int8-dynamic")
KINDS = {"fleet verify": "command", "--fleet-asks": "process of a host", "ray::OnHost": "actor"}
EVERY_SECONDS = 0.25
CLASSES, BATCH = 1000, 64
HOSTS, FLEET_IMAGES, FLEET_VARIANTS = 10, 50_000, 25


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--from", type=Path, dest="source")
    parser.add_argument("--variant", action="append", metavar="NAME", help="default: six of them")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--nodes", type=int, default=3, help="clusters of 1 to so many nodes")
    parser.add_argument("--shard-images", type=int, default=1024)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--merging", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        print(json.dumps(on_one_machine(chosen, *chosen.alone)))
        return 0
    if chosen.merging:
        print(json.dumps(merging(chosen.records, chosen.merging)))
        return 0
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "images").mkdir()
        make(folder / "images", chosen.images, chosen.source)
        words = [f"--{name}={getattr(chosen, name)}" for name in ("images", "model", "batch")]
        words += [f"--variant={name}" for name in variants(chosen)]
        place = [str(folder / "images"), str(folder / "alone")]
        alone, memory = watched(["-m", __spec__.name, *words, "--alone", *place])
        found["one machine"] = {**alone, "RssAnon_MB": memory["RssAnon"] / 1e6}
        for count in range(1, chosen.nodes + 1):
            found[f"{count} nodes"] = fleet(chosen, folder, count, alone["agreements"])
            print(json.dumps({f"{count} nodes": found[f"{count} nodes"]}, indent=1), flush=True)
        merged, memory = watched(
            ["-m", __spec__.name, f"--records={chosen.records}", f"--merging={folder}"]
        )
        found["merge"] = {**merged, "RssAnon_MB": memory["RssAnon"] / 1e6}
    found["projection"] = projection(found) if chosen.nodes else None
    print(json.dumps(found, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    return int(any(each.get("differs") for each in found.values() if isinstance(each, dict)))


def variants(chosen: argparse.Namespace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("fp32", *(chosen.variant or VARIANTS))))


def on_one_machine(chosen: argparse.Namespace, images: Path, cache: Path) -> dict[str, object]:
    """The agreement of each case, or why there is none, and the seconds of verifying all."""
    from vitbench.case import Case
    from vitbench.errors import Unavailable
    from vitbench.measure.options import Options
    from vitbench.measure.session import Session
    from vitbench.models import parse_spec

    spec = parse_spec(chosen.model, ROOT)
    session = Session(
        Options(
            models=(spec,), weights="bundled" if chosen.model == MODEL else "seeded", images=images,
            verify_images=chosen.images, threads=1, cache=cache,
        )
    )  # fmt: skip
    agreements: dict[str, object] = {}
    cases = [Case(spec.name, name, "cpu", chosen.batch) for name in variants(chosen)]
    for case in cases:
        with suppress(Unavailable):
            session.deployment(case)
    began = time.perf_counter()
    for case in cases:
        try:
            agreements[case.id] = session.verify(case).agreement.to_json()
        except Unavailable as reason:
            agreements[case.id] = str(reason)
    return {"seconds": time.perf_counter() - began, "agreements": agreements}


def fleet(
    chosen: argparse.Namespace, folder: Path, count: int, wanted: dict[str, object]
) -> dict[str, object]:
    """The same on a cluster of so many nodes."""
    words = [
        f"--images={folder / 'images'}", f"--model={chosen.model}", f"--batch={chosen.batch}",
        "--threads=1", "--seconds=0.2", f"--shard-images={chosen.shard_images}",
        f"--weights={'bundled' if chosen.model == MODEL else 'seeded'}",
        *(f"--variant={name}" for name in variants(chosen)),
    ]  # fmt: skip
    with local_cluster() as cluster, memory_of_processes() as most:
        for number in range(count):
            cluster.add(f"n{number}", env={"VITBENCH_CACHE": str(folder / f"c{count}-{number}")})
        began = time.monotonic()
        run = FleetRun(cluster, ROOT, folder / f"run{count}", *words, command="verify")
        code, seconds = run.wait(), time.monotonic() - began
    report = json.loads((folder / "reports" / f"run{count}.json").read_text())
    agreements = {
        row["extra_info"]["case"]["id"]: row["extra_info"]["agreement"]
        for row in report["benchmarks"]
    } | report["vitbench"]["unavailable"]
    # A case that is BROKEN has no row, as on one machine: its sentence is what it failed with.
    sentences = report["vitbench"]["failed"]
    differs = [
        case
        for case, each in wanted.items()
        if agreements.get(case) != each
        and not (isinstance(each, dict) and sentences.get(case) == each["sentence"])
    ]
    parts = [each for each in run.attempts() if each["case"].count("~") > 3 and not each["why"]]
    spans = [each["ended"] - each["began"] for each in parts]
    wall = max(each["ended"] for each in parts) - min(each["began"] for each in parts)
    passes = sum(isinstance(each, dict) for each in wanted.values()) + 1
    return {
        "exit_code": code,
        "differs": differs,
        "seconds": seconds,
        "seconds_of_parts": wall,
        "images_per_second": chosen.images * passes / wall,
        "busy_share": sum(spans) / wall / count,
        "parts": len(parts),
        "RssAnon_MB": {kind: bytes_ / 1e6 for kind, bytes_ in most.items()},
    }


@contextmanager
def memory_of_processes() -> Iterator[dict[str, int]]:
    """The largest RssAnon of a process of each kind below this one, in bytes."""
    most: dict[str, int] = defaultdict(int)
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY_SECONDS):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error, OSError):
                    line = " ".join(process.cmdline())
                    kind = next((name for word, name in KINDS.items() if word in line), None)
                    if kind:
                        most[kind] = max(most[kind], anonymous(process.pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def anonymous(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    return 0


def merging(records: int, folder: Path) -> dict[str, object]:
    """Answers of a simulated network are written as parts, and merged from their files."""
    import numpy as np

    from vitbench.case import Limits
    from vitbench.judge.agreement import judge_agreement
    from vitbench.measure.gathered import ComparisonTerms, ReferenceLogits
    from vitbench.measure.shard_files import read_shard, shard_bytes
    from vitbench.measure.shards import ShardedCase, Whole, merge, shards_of, verify_shard
    from vitbench.runtimes import Deployment

    file = folder / "logits.npy"
    logits = np.lib.format.open_memmap(file, "w+", np.float32, (records, CLASSES))
    generator = np.random.default_rng(0)
    for start in range(0, records, BATCH):
        rows = logits[start : start + BATCH]
        rows[:] = generator.normal(size=rows.shape)
    del logits
    reference = np.load(file, mmap_mode="r")

    def answer(numbers):
        noise = np.random.default_rng(int(numbers[0, 0])).normal(size=(len(numbers), CLASSES))
        return (reference[numbers[:, 0].astype(int)] + 0.01 * noise).astype(np.float32)

    names, numbers = [str(number) for number in range(records)], np.arange(records)[:, None]
    whole = Whole(records, BATCH, {"sample": "S"})
    terms = ComparisonTerms(names, names, None, names[:CLASSES], False)
    limits = Limits(agreement=0.9, relative_error=0.1, cosine=0.9, reason="")
    case = ShardedCase(whole, terms, ReferenceLogits(reference), limits)
    asked = Deployment(lambda images: images, answer, lambda output: output)
    files = []
    for part in shards_of(records, BATCH, 1024):
        files.append(folder / f"part{part.start}")
        files[-1].write_bytes(shard_bytes(verify_shard(case, asked, numbers, part)))
    began = time.perf_counter()
    measured = merge(case, [read_shard(each) for each in files], folder)
    agreement = judge_agreement(measured, limits, "simulated")
    seconds = time.perf_counter() - began
    size = sum(each.stat().st_size for each in files)
    return {
        "records": records, "parts": len(files), "MB": size / 1e6, "seconds": seconds,
        "sentence": agreement.sentence,
    }  # fmt: skip


def projection(found: dict[str, dict]) -> dict[str, object]:
    """Of HOSTS hosts as fast as one node here."""
    rate = found["1 nodes"]["images_per_second"]
    merge = found["merge"]["seconds"] * FLEET_IMAGES / found["merge"]["records"]
    passes = FLEET_VARIANTS + 1
    parts = FLEET_IMAGES * passes / rate / HOSTS
    merges = merge * FLEET_VARIANTS / HOSTS
    return {
        "hosts": HOSTS, "images": FLEET_IMAGES, "variants": FLEET_VARIANTS,
        "hours": (parts + merges) / 3600,
        "assumes": (
            f"one class; {rate:.1f} images/s a host, starts of processes included, the mean of "
            "the variants that were measured; parts on all hosts at all times; a merge of "
            f"{merge:.0f} s a case on its host; a network that is no limit "
            f"({FLEET_IMAGES * CLASSES * 4 / 1e6:.0f} MB for each case and host); no timing"
        ),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
