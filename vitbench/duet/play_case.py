"""One case in one block: every arm loads it, then the arms take turns."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from vitbench.duet.block import Block
from vitbench.duet.conversation import Conversation
from vitbench.duet.turns import rounds_for, take_turns
from vitbench.errors import WrongOutputs

LOAD_SECONDS = 900.0  # compiling is part of a compiled deployment's first call


class HeadAnswersOtherwise(WrongOutputs):
    """Head answered otherwise while it was timed than while it was verified."""


def play_case(
    number: int,
    loads: Mapping[str, Mapping[str, Any]],
    arms: Mapping[str, Conversation],
    seconds: float,
    turn_seconds: float,
) -> tuple[Block, dict[str, Any]]:
    """The block `number` of a case, and by arm which of its outputs were compared.

    `loads`: the request by which each arm loads the case. The turns take about `seconds`; an answer
    may take `turn_seconds`, and longer where the case itself is slow. An arm of an older vitbench
    compares no outputs. Raises HeadAnswersOtherwise, WrongOutputs and WorkerFailed.
    """

    def ask(name: str, request: Mapping[str, Any], patience_seconds: float) -> float:
        try:
            return float(arms[name].ask(request, patience_seconds)["seconds"])
        except WrongOutputs as reason:
            raise (HeadAnswersOtherwise if name == "head" else WrongOutputs)(
                f"{arms[name].name}: {reason}"
            ) from reason

    def turn(name: str) -> float:
        return ask(name, {"verb": "turn"}, patience)

    loaded = in_parallel(lambda name: ask(name, loads[name], LOAD_SECONDS), arms)
    patience = max(turn_seconds, 10 * max(loaded))  # a turn is two calls
    longest = 2 * max(turn(name) for name in arms)  # with its untimed call
    turns = {name: partial(turn, name) for name in arms}
    taken = take_turns(turns, rounds_for(seconds, longest), start=number)
    dropped = {name: arm.ask({"verb": "drop"}, turn_seconds) for name, arm in arms.items()}
    outputs = {name: answer.get("outputs") for name, answer in dropped.items()}
    return Block(**taken), {name: compared for name, compared in outputs.items() if compared}


def in_parallel(act: Callable[[str], Any], names: Iterable[str]) -> list[Any]:
    """What `act` returns for each name. Arms start and load at once: nothing is timed then.

    Raises when all have ended what one raised; of several head's, whose crash is what counts.
    """
    names = list(names)
    with ThreadPoolExecutor() as pool:
        futures = {name: pool.submit(act, name) for name in names}
    for name in sorted(names, key=lambda name: name != "head"):
        futures[name].result()
    return [futures[name].result() for name in names]
