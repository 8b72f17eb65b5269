"""The nodes of a Ray cluster: which join, what they say of themselves, and which are gone.

With `ray_hosts` and `on_host` what vitbench knows of Ray.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from vitbench.errors import WorkerFailed, in_short
from vitbench.fleet.hosts import Inspected, differing_versions, require_hosts
from vitbench.fleet.on_host import OnHost

HOST_LABEL, CLASS_LABEL = "vitbench.io/host", "vitbench.io/class"
"""Labels of a node: the machine that it runs on, where its kernel does not say, and a class that
its owner keeps apart."""
MOST_ACTORS = 3
"""So often a node gets another actor where one died and the node did not."""


@dataclass(frozen=True)
class FleetSettings:
    """`address` of Ray; `folder`, in which pytest runs on each host, with `arguments`; `globs` of
    `--hosts`; how long a case may take; whether cases are verified in parts."""

    address: str
    folder: str
    arguments: tuple[str, ...]
    globs: tuple[str, ...]
    allow_mix: bool
    case_seconds: float
    in_parts: bool = False


@dataclass
class RayNode:
    """A node with CPUs. `waits`: for an answer of its actor, or for its machine to be idle; `out`
    is why it takes no case."""

    id: str
    name: str
    label: str
    actor: Any
    physical: str = ""
    asked: Any = None
    waits: bool = True
    inspected: Inspected | None = None
    out: str = ""
    gone: bool = False
    actors: int = 1
    built: set[str] = field(default_factory=set)
    phase: str = ""
    phase_asked: Any = None

    @property
    def takes_cases(self) -> bool:
        return self.inspected is not None and not (self.waits or self.out or self.gone)


class RayNodes:
    """`known`: the versions that each must have, and `images` the digest of the images, once that
    is decided."""

    def __init__(self, ray: Any, settings: FleetSettings, say: Callable[[str], None]) -> None:
        self._ray, self.settings, self.say = ray, settings, say
        self._nodes: dict[str, RayNode] = {}
        self.known: Mapping[str, str] | None = None
        self.images = ""

    def __iter__(self) -> Iterator[RayNode]:
        return iter(self._nodes.values())

    def look(self, running: Collection[RayNode]) -> None:
        """Takes up nodes that joined, inspects them, and notes those that are gone. `running` have
        a case: on their machines no inspection begins, since it takes cores."""
        alive = self._alive()
        for node in self:
            node.gone = node.gone or node.id not in alive
            node.waits = node.waits and not node.gone
        names = {id: _name_of(found) for id, found in alive.items()}
        globs = self.settings.globs
        if globs and names and not self._nodes:  # later, all that a glob matches may have died
            require_hosts(list(names.values()), globs)
        busy = {each.name for each in running}
        for id in sorted(alive.keys() - self._nodes.keys(), key=lambda each: names[each]):
            if not globs or any(fnmatchcase(names[id], glob) for glob in globs):
                label = alive[id].get("Labels", {}).get(CLASS_LABEL, "")
                node = RayNode(id, self._unused(names[id], busy), label, self._actor(alive[id]))
                node.asked = node.actor.physical.remote()
                self._nodes[id] = node
        for node in self:
            if node.waits:
                self._inspect(node, alive[node.id], {each.physical for each in running})

    def revive(self, node: RayNode) -> None:
        """Another actor for a node whose actor died. The node takes a case as soon as that answers:
        it may be that the whole node is gone, and nobody has noticed yet."""
        found = self._alive().get(node.id)
        if found is None:
            node.gone = True
        elif node.actors >= MOST_ACTORS:
            node.out = f"its worker of Ray died {node.actors} times"
        else:
            node.actors += 1
            node.actor, node.phase_asked, node.waits = self._actor(found), None, True
            node.asked = node.actor.physical.remote()

    def _inspect(self, node: RayNode, found: Mapping[str, Any], busy: Collection[str]) -> None:
        """One step: first which machine it is, then, while nothing runs there, what it says."""
        answer: Any = None
        if node.asked is not None:
            ready, _ = self._ray.wait([node.asked], timeout=0)
            if not ready:
                return
            try:
                answer, node.asked = self._ray.get(node.asked), None
            except self._ray.exceptions.RayError as error:
                node.waits, node.out = False, f"its worker of Ray failed: {in_short(error)}"
                return
            if node.physical:
                node.waits = False
                if node.inspected is None:
                    self._admit(node, answer)
                return
            node.physical = found.get("Labels", {}).get(HOST_LABEL) or answer
        if node.physical not in busy:
            node.asked = node.actor.inspect.remote()

    def _admit(self, node: RayNode, answer: Mapping[str, Any] | str) -> None:
        if isinstance(answer, str):
            node.out = f"it cannot run the suite: {answer}"
            return
        node.inspected = Inspected(node.name, node.physical, node.label, answer)
        if not answer["cases"]:
            node.out = "the options choose no case there"
        elif self.known and not self.settings.allow_mix:
            told = differing_versions([node.inspected], self.known)
            node.out = f"it has other versions: {told}" if told else ""
        if self.images and node.inspected.files_sha256 != self.images:
            node.out = node.out or "it has other images than the other hosts"
        if node.out and self.known:
            self.say(f"{node.name}: {node.out}: it takes no case")

    def _alive(self) -> dict[str, dict[str, Any]]:
        """The nodes that have CPUs: a head often has none. Raises WorkerFailed where the head of
        the cluster does not answer."""
        try:
            nodes = self._ray.nodes()
        except Exception as error:  # of several kinds, by how it ended
            raise WorkerFailed(
                f"the head of the cluster does not answer ({in_short(error)}): start the cluster "
                "again, and go on by --resume"
            ) from error
        found = {each["NodeID"]: each for each in nodes if each["Alive"]}
        return {id: each for id, each in found.items() if each["Resources"].get("CPU", 0) >= 1}

    def _unused(self, name: str, busy: Collection[str]) -> str:
        """The name of a host: with a number where another node of that name is there."""
        taken = {*busy, *(each.name for each in self if not each.gone)}
        names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
        return next(each for each in names if each not in taken)

    def _actor(self, found: Mapping[str, Any]) -> Any:
        """It takes all CPUs and GPUs of the node. Ray repeats nothing: retries are ours."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        resources = found["Resources"]
        made = self._ray.remote(OnHost).options(
            num_cpus=resources["CPU"],
            num_gpus=resources.get("GPU", 0),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,  # a case, and the question what it does
            scheduling_strategy=NodeAffinitySchedulingStrategy(found["NodeID"], soft=False),
        )
        settings = self.settings
        return made.remote(settings.folder, settings.arguments, settings.in_parts)


def _name_of(found: Mapping[str, Any]) -> str:
    return str(found.get("Labels", {}).get(HOST_LABEL) or found["NodeManagerHostname"])
