"""The first words with an arm, whose vitbench may be another one: its protocol, and its options."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from vitbench.duet.conversation import Conversation
from vitbench.duet.worker import PROTOCOL
from vitbench.errors import UserError, WorkerFailed
from vitbench.measure.options import FACTORY, Options

HELLO_SECONDS = 300.0
# What Python says of the arguments of Options or ModelSpec; an arm passes it on.
_REFUSES = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_WANTS = re.compile(r"\w+\.__init__\(\) missing \d+ required [a-z -]+: (.*)")


def handshake(
    arm: Conversation,
    label: str,
    options: Options | None,
    trees: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What an arm answers about itself. The arm gets those of the options that it knows.

    `label` names the side of the arm for people; `trees` are its work trees, as of Side. Raises
    UserError where the arm speaks another protocol, does not know an option that is set, or needs
    an option that is unknown here.
    """
    answer = dict(arm.ask({"verb": "hello", "options": None}, HELLO_SECONDS))
    known = answer.pop("options", None)
    who = f"{label} (vitbench {answer['vitbench']})"
    if answer["protocol"] != PROTOCOL:
        raise UserError(
            f"{label} speaks protocol {answer['protocol']} of the duet (vitbench "
            f"{answer['vitbench']}), this checkout {PROTOCOL}: name a revision that speaks the same"
        )
    if options is not None:
        _tell(arm, who, options, known, trees)
    return answer


def _tell(
    arm: Conversation,
    who: str,
    options: Options,
    known: Collection[str] | None,
    trees: Mapping[str, str] | None,
) -> None:
    """Tell an arm the options that it knows. `known` is None of an older one, which does not say:
    it refuses the others one by one, and calls no factory."""
    names = {*options.names()} - {FACTORY} if known is None else {*known}
    while True:
        if unknown := options.set_beyond(names):
            raise UserError(
                f"{who} does not know {', '.join(unknown)}, which is set here: leave the option "
                "out, or name a newer revision"
            )
        try:
            told = {"verb": "hello", "options": options.to_json(names), "trees": trees}
            arm.ask(told, HELLO_SECONDS)
            return
        except WorkerFailed as error:
            if wants := _WANTS.search(str(error)):
                raise UserError(
                    f"{who} wants options that are unknown here: {wants[1]}: name another revision"
                ) from error
            refused = _REFUSES.search(str(error))
            name = refused and ("models." if refused[1] == "ModelSpec" else "") + refused[2]
            if name not in names:
                raise
            names.discard(name)
