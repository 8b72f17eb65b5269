"""One worker prepares the cases of a side: it builds and verifies them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vitbench.build.eviction import hold
from vitbench.build.locks import Leases
from vitbench.case import Case
from vitbench.duet.conversation import Conversation, WorkerLost
from vitbench.duet.progress import Progress
from vitbench.errors import Incomparable, RecipeFailed, Unavailable, UserError, WorkerFailed


def prepare_by(
    arm: Conversation,
    side: str,
    cases: Sequence[Case],
    folder: Path,
    patience_seconds: float,
    progress: Progress,
    leases: Leases,
    say: Callable[[str], None],
    trees: Mapping[str, str] | None = None,
    hint: Callable[[str], str] = lambda _: "",
) -> list[Case]:
    """Fill `progress` with the cases of a side. Returns the cases that are left, where the worker
    was lost.

    Images and verified logits go to `folder`. `leases` keep each artifact in the cache. `trees`:
    the work trees `own` and `other`, where the side must import nothing of the other. `hint`:
    what to add to an error of base, or "".
    """
    for index, case in enumerate(cases):
        say(f"{side}: preparing {case.id}")
        request = {"verb": "prepare", "case": case.id, "folder": str(folder), "trees": trees}
        try:
            answer = arm.ask(request, patience_seconds)
            progress.prepared[side][case.id] = answer
            hold(Path(answer["load"].get("path", "")), leases)
        except Incomparable as reason:
            progress.incomparable[case.id] = str(reason)
        except Unavailable as reason:
            progress.unavailable[side][case.id] = str(reason)
        except (UserError, WorkerFailed) as reason:
            # Base's own fault leaves nothing to compare with, which is no noise. Nothing passes by
            # a base whose worker fails; where head fails, it has lost a case.
            if side == "head":
                progress.head_failures[case.id] = str(reason)
            else:
                fault = isinstance(reason, UserError | RecipeFailed)
                failures = progress.incomparable if fault else progress.stopped
                failures[case.id] = f"base fails: {reason}{hint(str(reason))}"
            if isinstance(reason, WorkerLost):
                return list(cases[index + 1 :])
    return []
