"""The hosts of a Ray cluster: cases to actors, outcomes and artifacts from them."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vitbench.errors import UserError, in_short
from vitbench.fleet.artifacts import artifacts_of
from vitbench.fleet.hosts import require_same_images, require_same_versions
from vitbench.fleet.on_host import FETCH_SECONDS, Shared, arguments_of
from vitbench.fleet.plan import FleetPlan, HostClass, Task
from vitbench.fleet.ray_nodes import FleetSettings, RayNode, RayNodes
from vitbench.fleet.receipts import STATES
from vitbench.fleet.run import Outcome
from vitbench.fleet.schedule import Assignment, Host
from vitbench.place import install

GATHER_SECONDS, REST_SECONDS = 180.0, 10.0


class RayHosts:
    """The Hosts of a Ray cluster, which it connects to. Raises UserError where there is none.

    `built` and `taken`: how many artifacts hosts built, and took from another host of their class.
    """

    def __init__(self, settings: FleetSettings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._ray = ray = _ray()
        try:
            ray.init(
                address=settings.address,
                namespace="vitbench-fleet",
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"--address={settings.address}: {in_short(error)}: start the cluster (`ray start "
                "--head`), or give the HOST:PORT of its head"
            ) from error
        # Ray prints the last lines of a dead node's log among our own: they are in its log.
        ray._private.worker.print_to_stdstream = _nothing
        self.nodes = RayNodes(ray, settings, say)
        self._running: dict[Any, tuple[RayNode, Assignment]] = {}
        self._shared: dict[tuple[str, str], dict[str, list[Any]]] = {}
        self._parts: dict[Path, list[Any]] = {}
        self.built, self.taken = 0, 0

    def close(self) -> None:
        """Ends what runs on the hosts, and leaves the cluster as it was."""
        busy = [node for node, _ in self._running.values()]
        idle = [node for node in self.nodes if node.takes_cases and node not in busy]
        with suppress(Exception):
            resting = [node.actor.close.remote() for node in idle]
            self._ray.wait(resting, num_returns=len(resting), timeout=REST_SECONDS)
        for node in self.nodes:
            with suppress(Exception):
                self._ray.kill(node.actor)
        self._ray.shutdown()

    def gather(self, plan: FleetPlan | None) -> list[HostClass]:
        """Waits until each host was inspected. Returns the classes.

        Raises UserError where `--hosts` matches none, a host cannot run the suite, versions or
        images differ from host to host, or from those of a `plan` that is resumed.
        """
        until = time.monotonic() + GATHER_SECONDS
        while True:
            self._look()
            nodes = [each for each in self.nodes if not each.gone]
            waiting = [each for each in nodes if each.waits]
            if nodes and not waiting:
                break
            waiting = [each for each in waiting if not each.physical]  # others look at the images
            if time.monotonic() > until and (waiting or not nodes):
                names = ", ".join(each.name for each in waiting) or "no host with a CPU"
                raise UserError(
                    f"--address={self.settings.address}: {names}: no answer in "
                    f"{GATHER_SECONDS:.0f} s: is the host busy for others? `ray status` says so"
                )
            time.sleep(0.2)
        if wrong := [f"{each.name}: {each.out}" for each in nodes if each.out]:
            raise UserError(f"{'; '.join(wrong)}; mend the host, or leave it out by --hosts=GLOB")
        found = [each.inspected for each in nodes if each.inspected]
        if not self.settings.allow_mix:
            known = plan.classes[0].versions if plan and plan.classes else None
            require_same_versions(found, known)
            self.nodes.known = found[0].versions
        self.nodes.images = require_same_images(found, plan.files_sha256 if plan else "")
        return [each.host_class for each in found]

    def look(self) -> tuple[list[Host], list[HostClass]]:
        self._look()
        busy = {each.physical for each in self.nodes if each.asked and each.inspected is None}
        hosts, classes = [], []
        for node in self.nodes:
            if node.takes_cases and node.inspected:
                found = node.inspected.host_class
                classes.append(found)
                if node.physical not in busy:  # an inspection takes cores, too
                    built = frozenset(node.built)
                    hosts.append(Host(node.name, found.key, node.physical, built))
        return hosts, classes

    def left_out(self) -> list[str]:
        out = [each for each in self.nodes if each.out or each.gone]
        return [f"{each.name}: {each.out or 'it is gone'}" for each in out]

    def phases(self) -> dict[str, str]:
        """What each host does that has a case."""
        return {node.name: node.phase for node, _ in self._running.values()}

    def start(self, given: Assignment, files: Mapping[str, Path]) -> None:
        node = next(n for n in self.nodes if n.name == given.host.name and n.takes_cases)
        assert node.inspected is not None
        task, found = given.task, node.inspected.found
        model, _, device = task.variant.split("/")
        reference = f"{model}/{found['reference']}/{device}"
        keys = ((task.host_class, task.variant), (task.host_class, reference))
        known = {k: v for key in keys for k, v in self._shared.get(key, {}).items()}
        node.phase = ""
        for other in self.nodes:  # what waits there for a case has memory of this machine
            if other is not node and other.physical == node.physical and other.takes_cases:
                other.actor.rest.remote()
        arguments = arguments_of(self.settings.arguments, model, found["models"])
        answer = node.actor.measure.remote(
            task.case, arguments, found["cache"], self.settings.case_seconds, [*known.items()],
            task.part, self._stored(files),
        )  # fmt: skip
        self._running[answer] = node, given

    def _stored(self, files: Mapping[str, Path]) -> list[tuple[str, list[Any]]]:
        """The files of parts in the object store: each once, as long as it is there."""
        self._parts = {file: each for file, each in self._parts.items() if file.exists()}
        for file in files.values():
            if file not in self._parts:
                self._parts[file] = [self._ray.put(file.read_bytes())]
        return [(name, self._parts[file]) for name, file in files.items()]

    def ended(self, seconds: float) -> Iterable[Outcome]:
        ray = self._ray
        if not self._running:
            time.sleep(seconds)
            return
        references = list(self._running)
        ready, _ = ray.wait(references, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        self._ask_phases()
        for reference in ready:
            node, given = self._running.pop(reference)
            yield self._outcome(reference, node, given.task)

    def _outcome(self, reference: Any, node: RayNode, task: Task) -> Outcome:
        try:
            ran, new, taken = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Outcome(node.name, task, why=self._death(node, error), phase=node.phase)
        if ran.full:
            node.out = ran.why
        if ran.state in STATES:
            node.built.add(task.variant)
        self._shared.setdefault((task.host_class, task.variant), {}).update(self._own(new))
        self.built += artifacts_of(name for name, _ in new)
        self.taken += taken
        return Outcome(
            node.name, task, ran.state, ran.why, ran.phase, ran.report, not ran.full, ran.data
        )

    def _own(self, new: Shared) -> Shared:
        """What a host made, in this process's own store where cases are verified in parts: then it
        outlives its host, and all parts of a case are measured with one built file."""
        if not self.settings.in_parts:
            return new
        owned: Shared = []
        with suppress(self._ray.exceptions.RayError):
            for name, (reference,) in new:
                owned.append(
                    (name, [self._ray.put(self._ray.get(reference, timeout=FETCH_SECONDS))])
                )
        return owned

    def _death(self, node: RayNode, error: Exception) -> str:
        """Why a host gave no answer. Where it is not known to be dead, it gets another actor."""
        self._look()
        if not node.gone:
            node.gone = "node has died" in str(error) or "node died" in str(error)
        if not node.gone:
            self.nodes.revive(node)
        return "the host died" if node.gone else "the host died, or its worker of Ray"

    def _look(self) -> None:
        self.nodes.look([node for node, _ in self._running.values()])

    def _ask_phases(self) -> None:
        ray = self._ray
        for node, _ in self._running.values():
            with suppress(ray.exceptions.RayError):
                if node.phase_asked is None:
                    node.phase_asked = node.actor.phase.remote()
                elif ray.wait([node.phase_asked], timeout=0)[0]:
                    answer, node.phase_asked = node.phase_asked, None
                    node.phase = ray.get(answer) or node.phase


def _nothing(*_: Any, **__: Any) -> None:
    """Prints nothing."""


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise UserError(
            f"many hosts need Ray, which is not installed: {install('fleet')}"
        ) from error
    return ray
