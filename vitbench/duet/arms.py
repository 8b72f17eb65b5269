"""The workers of a duet: who is started on which side, and what each says of itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from vitbench.duet.base.side import Side
from vitbench.duet.conversation import Conversation
from vitbench.duet.handshake import handshake
from vitbench.duet.play_case import in_parallel
from vitbench.measure.options import Options


class Arms:
    """Starts arms by name: `base`, `head`, and `null`, which is a second base. `versions` gets what
    each says of itself."""

    def __init__(self, sides: Mapping[str, Side], versions: dict[str, Any]) -> None:
        self._sides, self._versions = sides, versions

    @contextmanager
    def one(self, name: str, options: Options | None = None) -> Iterator[Conversation]:
        """A fresh worker that speaks our protocol, and has its options, if any."""
        with self._start(name) as arm:
            self._hello(name, arm, options)
            yield arm

    @contextmanager
    def several(self, names: Sequence[str]) -> Iterator[dict[str, Conversation]]:
        """Fresh workers, by name, that speak our protocol."""
        with ExitStack() as stack:
            # Started by this thread: Linux ends them with the thread that did (die_with_parent).
            arms = {name: stack.enter_context(self._start(name)) for name in names}
            in_parallel(lambda name: self._hello(name, arms[name], None), names)
            yield arms

    def _start(self, name: str) -> Conversation:
        side = self._side(name)
        return Conversation(
            f"the {name} worker ({side.label})", side.command, side.folder, side.cwd, side.path
        )

    def _hello(self, name: str, arm: Conversation, options: Options | None) -> None:
        side = self._side(name)
        self._versions[name] = handshake(arm, side.label, options, side.trees)

    def _side(self, name: str) -> Side:
        return self._sides["base" if name == "null" else name]
