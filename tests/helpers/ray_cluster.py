"""A cluster of Ray on this machine, and `vitbench fleet` on it. Needs the extra `fleet`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
OBJECTS_BYTES = 80 * 2**20
TINY = "tiny=timm:vit_tiny_patch16_224,img_size=32,depth=2,embed_dim=32,num_heads=2,num_classes=5"
QUICK = ("--weights=seeded", "--seconds=0.2", "--verify-images=16", "--threads=1")
PATIENCE_SECONDS = 900.0


@dataclass
class LocalCluster:
    """A head without CPUs, and nodes by name; each has a label with its name, so that it counts as
    a machine of its own, unless it is to count as `of` another. In `folder` each has a folder for
    temporary files, and all share a cache, unless `env` says otherwise."""

    cluster: Any
    folder: Path
    nodes: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, name: str, of: str = "", env: Mapping[str, str] | None = None, **labels: str):
        marks = {
            "vitbench.io/host": of or name,
            **{f"vitbench.io/{k}": v for k, v in labels.items()},
        }
        scratch = self.folder / name
        scratch.mkdir(exist_ok=True)
        own = {"VITBENCH_CACHE": str(self.folder / "cache"), "TMPDIR": str(scratch), **(env or {})}
        self.nodes[name] = self.cluster.add_node(
            num_cpus=1, labels=marks, env_vars=own, object_store_memory=OBJECTS_BYTES,
            include_dashboard=False,
        )  # fmt: skip

    def said(self, name: str) -> str:
        """What pytest has printed on a node that has a case."""
        files = (self.folder / name).glob("vitbench-fleet-*/output")
        return "".join(file.read_text(errors="replace") for file in files)

    def worker(self, name: str) -> psutil.Process:
        """The worker of Ray on a node that has the actor of vitbench."""
        (raylet,) = self.nodes[name].all_processes["raylet"]
        found = psutil.Process(raylet.process.pid).children()
        return next(each for each in found if "OnHost" in " ".join(each.cmdline()))

    def ended(self) -> list[str]:
        """The nodes whose raylet has ended by itself."""
        return [name for name, node in self.nodes.items() if not node.remaining_processes_alive()]

    def kill(self, name: str) -> None:
        """As if its machine lost power."""
        self.cluster.remove_node(self.nodes.pop(name), allow_graceful=False)
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def clear(self) -> None:
        """Kill all nodes, and wait until the cluster has noticed: another node of the name of one
        would get a number."""
        for name in list(self.nodes):
            self.kill(name)
        self.cluster.wait_for_nodes()


@contextmanager
def local_cluster() -> Iterator[LocalCluster]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray calls it
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": OBJECTS_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            yield LocalCluster(cluster, Path(folder))
        finally:
            cluster.shutdown()


class FleetRun:
    """The command in a process of its own, in the folder of a project."""

    def __init__(
        self,
        cluster: LocalCluster,
        folder: Path,
        receipts: Path,
        *words: str,
        command: str = "run",
    ) -> None:
        self.receipts = receipts
        self.output = receipts.with_suffix(f".{time.monotonic_ns()}.txt")
        whole = [
            sys.executable, "-m", "vitbench", "fleet", command, f"--address={cluster.address}",
            f"--receipts={receipts}", f"--reports={receipts.parent / 'reports'}", *words,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                whole, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            self.end()

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def until(self, true: Callable[[], Any], what: str) -> Any:
        """What `true` returns as soon as that is something. Fails where the command ends before."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not (found := true()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.said}"
            assert time.monotonic() < until, f"waited in vain until {what}:\n{self.said}"
            time.sleep(0.1)
        return found

    def attempts(self) -> list[dict[str, Any]]:
        """All attempts, in the order of their beginnings, each with its case."""
        found = [
            {**each, "case": file.stem}
            for file in self.receipts.glob("attempts/*/*.json")
            for each in json.loads(file.read_text())
        ]
        return sorted(found, key=lambda each: each["began"])

    def running(self, host: str = "") -> list[dict[str, Any]]:
        """The attempts that run, on a host."""
        return [a for a in self.attempts() if a["ended"] is None and host in ("", a["host"])]

    def receipts_by_case(self) -> dict[str, dict[str, Any]]:
        """The receipts by the class and the case."""
        return {
            f"{file.parent.name}/{file.stem}": json.loads(file.read_text())
            for file in sorted(self.receipts.glob("receipts/*/*.json"))
        }
