"""What a history has read and does not use, and what it cannot know: a sentence for each kind."""

from collections.abc import Iterator

from vitbench.history.store import History


def count_left_out(history: History) -> int:
    """How many figures of cases are not used."""
    return sum(name != "" for run in history.runs for name in run.left_out)


def remarks(history: History) -> list[str]:
    """Each case that is left out and why, then what is not known of times and machines.

    What several reports have in common is one sentence, which names the newest of them.
    """
    cases, whole = dict[tuple[str, str], list[str]](), dict[tuple[str, str], list[str]]()
    for run in history.runs:
        for name, why in run.left_out.items():
            (cases if name else whole).setdefault((name, why), []).append(run.file)
    lines = [f"{_where(files)}: {name}: left out: {why}" for (name, why), files in cases.items()]
    lines += [f"{_where(files)}: {why}" for (_, why), files in whole.items()]
    return [*lines, *_doubts(history)]


def _doubts(history: History) -> Iterator[str]:
    nodes = [run.node for run in history.runs if run.node is not None]
    named = list(dict.fromkeys(filter(None, nodes)))
    if named:
        count = sum(bool(node) for node in nodes)
        yield (
            f"{count:,} report{'s name' if count > 1 else ' names'} no CPU: those of one node "
            f"count as one machine ({', '.join(named)})"
        )
    if count := nodes.count(""):
        yield (
            f"{count:,} report{'s name' if count > 1 else ' names'} neither CPU nor node: they "
            "count as one machine where all else is equal"
        )


def _where(files: list[str]) -> str:
    more = f" and {len(files) - 1:,} older" if len(files) > 1 else ""
    return f"{files[-1]}{more}"
