"""The other end of a Conversation: a process that answers requests until its stdin ends."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from vitbench import environment, team_code
from vitbench.build.worker import die_with_parent
from vitbench.errors import UserError, for_parent

Verbs = Mapping[str, Callable[[Mapping[str, Any]], Any]]


def serve(verbs: Verbs) -> int:
    """Answer requests by their `verb`. What libraries print goes to stderr.

    A request may name `import_roots`, from which a project's own code is imported from then on.
    SIGTERM ends the process by an exception, so that what it began is cleaned away.
    """
    die_with_parent()
    signal.signal(signal.SIGTERM, _end)
    environment.settle_idle_threads()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(json.dumps(_answer(verbs, line)), file=reply, flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already, and is cleaning up
    return 0


def say(text: str) -> None:
    """Progress goes to stderr, whose last line is in the message where this process dies."""
    print(text, file=sys.stderr, flush=True)


def _answer(verbs: Verbs, line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if request.get("verb") not in verbs:
            raise UserError(f"there is no verb {request.get('verb')!r}: {', '.join(verbs)}")
        if roots := request.get("import_roots"):
            team_code.use(roots)
        return {"answer": verbs[request["verb"]](request)}
    except Exception as error:
        traceback.print_exc()
        return {"error": for_parent(error)}


def _end(*_: Any) -> NoReturn:
    sys.exit(143)
