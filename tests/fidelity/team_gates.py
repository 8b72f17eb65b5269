"""The gate in a team's own repository: what it says of known changes, and how often it is wrong.

    python -m tests.fidelity.team_gates changes [--untracked] [--minutes M]
    python -m tests.fidelity.team_gates nulls [--gates 20] [--minutes M]

Both make a small repository (tests/helpers/team.py) in a folder of its own and play
`vitbench duet --against=main` there, of the vitbench that is installed. `changes` commits one
change after the other, each on the product as it was, and prints the verdicts, sentences, exit
codes and wall times; with --untracked in a src layout whose checkpoint git does not track. `nulls`
changes the README only, plays the blocks all the same, and prints how many gates were red, with an
upper bound of their rate.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from tests.helpers.team import Team

Change = Callable[[Team], object]
RECIPE, WEIGHTS = "recipe.py", "weights"


@dataclass(frozen=True)
class Gate:
    """What one gate answered, and after how many seconds."""

    code: int
    seconds: float
    said: str
    content: dict[str, Any]


def recipe(old: str, new: str) -> Change:
    return lambda team: team.edit(f"{team.code}/{RECIPE}", old, new)


def other_weights(team: Team) -> None:
    """Equal shapes, other answers: half of the rows of the head change places."""
    from safetensors.torch import load_file, save_file

    path = team.folder / team.weights
    tensors = load_file(path)
    tensors["head.weight"][:10] = tensors["head.weight"][:10].flip(0)
    save_file(tensors, path)


CHANGES: dict[str, Change] = {
    "nothing": lambda team: team.write("README.md", "acme, described\n"),
    "one more block of twelve": recipe("EXTRA_BLOCKS = 0", "EXTRA_BLOCKS = 1"),
    "another checkpoint": other_weights,
    "fused attention off": recipe("FUSED = True", "FUSED = False"),
    "other requirements": lambda team: team.write("requirements.txt", "torch\nnumpy\n"),
    "a build that fails": recipe(
        "    return torch", "    raise ValueError('no recipe')\n    torch"
    ),
}


def play(team: Team, cache: Path, minutes: float, *more: str) -> Gate:
    report = team.folder / "reports" / "duet.json"
    report.parent.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "vitbench", "duet", "--against=main", "--variant=acme-int8",
        f"--cache={cache}", f"--minutes={minutes:g}", f"--json={report}", *more,
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(command, cwd=team.folder, text=True, capture_output=True, check=False)
    seconds = time.monotonic() - began
    content = json.loads(report.read_text()) if report.exists() else {}
    return Gate(done.returncode, seconds, done.stdout or done.stderr, content)


def changed(team: Team, changes: dict[str, Change]) -> Iterator[str]:
    """Commits one change after the other, each on the product as it was."""
    kept = (team.folder / team.weights).read_bytes()
    for name, change in changes.items():
        team.git("reset", "-q", "--hard", "main")
        team.write(team.weights, kept)
        change(team)
        if team.git("status", "--porcelain"):
            team.commit_all(name)
        yield name


def changes(folder: Path, cache: Path, minutes: float, untracked: bool) -> None:
    team = Team(folder / "acme", src=untracked, tracked=not untracked)
    for name in changed(team, CHANGES):
        gate = play(team, cache, minutes)
        print(f"\n=== {name}: exit code {gate.code}, {gate.seconds:.0f} s\n{gate.said}", flush=True)


def nulls(folder: Path, cache: Path, minutes: float, gates: int) -> None:
    team = Team(folder / "acme")
    states: list[str] = []
    red = 0
    for number in range(gates):
        team.write("README.md", f"acme {number}\n")
        team.commit_all("described")
        gate = play(team, cache, minutes, "--no-shortcut")
        found = [verdict["state"] for verdict in gate.content["verdicts"]]
        states += found
        red += gate.code == 1
        print(
            f"gate {number + 1}: exit code {gate.code}, {gate.seconds:.0f} s, {found}", flush=True
        )
    upper = binomtest(red, gates).proportion_ci(0.9).high
    print(f"{red} of {gates} gates were red (one-sided 95 % upper bound of the rate: {upper:.1%})")
    print({state: states.count(state) for state in sorted(set(states))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("changes", "nulls"))
    parser.add_argument("--untracked", action="store_true")
    parser.add_argument("--gates", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=3.0, help="of blocks in a gate")
    parser.add_argument("--cache", type=Path, help="keep the artifacts there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vitbench-team-") as made:
        folder = Path(made)
        cache = chosen.cache or folder / "cache"
        if chosen.what == "changes":
            changes(folder, cache, chosen.minutes, chosen.untracked)
        else:
            nulls(folder, cache, chosen.minutes, chosen.gates)


if __name__ == "__main__":
    main()
