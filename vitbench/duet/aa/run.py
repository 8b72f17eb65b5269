"""Play the gate against itself: null blocks, and blocks with a slowdown planted into head."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitbench import __version__, environment
from vitbench.case import Case
from vitbench.duet.aa.recording import NOTHING_PLANTED, logs_of, read_blocks
from vitbench.duet.base.side import head
from vitbench.duet.play import Duet
from vitbench.errors import UserError
from vitbench.measure.options import Options
from vitbench.report.files import write

PLANTED = ("0.02", "0.05", "0.1")
# Two of three blocks are null ones: false alarms are rare, so they want the most blocks.
TURNS = tuple(share for planted in PLANTED for share in (NOTHING_PLANTED, NOTHING_PLANTED, planted))
AA_VARIANTS = ("fp32", "scripted", "int8-dynamic", "scripted-int8", "lite-int8", "ort-fp32")
SCHEMA = 1


def record(
    options: Options,
    cases: Sequence[Case],
    minutes: float,
    path: Path,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Blocks of this checkout against itself until `minutes` are over, and written after each.

    Returns the recording (duet/aa/recording.py). The blocks of an existing file at `path` stay in
    it, so that an A/A run can be spread over quiet hours. Raises UserError where no case can be
    prepared, or the file cannot be written.
    """
    _begin(path, cases, options, some=True)  # before minutes are spent
    with tempfile.TemporaryDirectory(prefix="vitbench-aa-run-") as folder:
        duet = Duet({"base": head(), "head": head()}, options, say)
        duet.prepare(cases, Path(folder))
        here = [case for case in cases if duet.played(cases).timed(case.id)]
        if not here:
            why = duet.progress.unavailable["head"] | duet.progress.stopped
            raise UserError(f"no case can be timed: {_reasons(why)}")
        recording = _begin(path, here, options)  # those that this environment lacks are left out
        units = {share: {case.id: _units(duet, case, share) for case in here} for share in PLANTED}
        deadline = time.monotonic() + minutes * 60
        number = sum(_length(blocks) for blocks in recording["planted"].values())
        while time.monotonic() < deadline:
            share = TURNS[number % len(TURNS)]
            duet.progress.units = units.get(share, {})
            duet.progress.blocks = {}
            deadline += duet.alone(number, here)[1]
            if duet.progress.stopped:
                raise UserError(f"a case stopped: {_reasons(duet.progress.stopped)}")
            for case, (block,) in duet.progress.blocks.items():
                recording["planted"].setdefault(share, {}).setdefault(case, []).append(
                    {arm: [float(f"{s:.6g}") for s in row] for arm, row in asdict(block).items()}
                )
            number += 1
            write(path, json.dumps(recording))
            say(f"block {number}: {float(share):.0%} planted")
    return recording


def _reasons(by_case: Mapping[str, str]) -> str:
    return "; ".join(f"{case}: {why}" for case, why in by_case.items())


def _units(duet: Duet, case: Case, share: str) -> int:
    """Units of extra work that slow a case by `share`, measured in a worker of its own."""
    with duet.arms.one("head") as arm:
        request = {"verb": "extra", "share": float(share)}
        prepared = duet.progress.prepared["head"][case.id]["load"]
        return int(arm.ask({**prepared, **request}, 600)["units"])


def _length(blocks: dict[str, list[Any]]) -> int:
    return min((len(each) for each in blocks.values()), default=0)


def _begin(
    path: Path, cases: Sequence[Case], options: Options, some: bool = False
) -> dict[str, Any]:
    """The recording in a file, if it is of the same machine and cases, or with `some` of them.

    A new one where there is no file.
    """
    about = environment.describe(options.threads, {})
    fresh = {
        "schema": SCHEMA,
        "vitbench": __version__,
        "machine": about,
        "seconds": options.seconds,
        "planted": {NOTHING_PLANTED: {case.id: [] for case in cases}},
    }
    if not path.exists():
        return fresh
    found = read_recording(path)
    known, wanted = set(found["planted"][NOTHING_PLANTED]), {case.id for case in cases}
    same = (
        found.get("schema") == SCHEMA
        and found.get("machine", {}).get("fingerprint") == about["fingerprint"]
        and (known <= wanted if some else known == wanted)
        and found.get("seconds") == options.seconds
    )
    if not same:
        raise UserError(
            f"{path}: the recording is of another machine, other cases or other --seconds: name a "
            "new file with --output"
        )
    return found


def read_recording(path: Path) -> dict[str, Any]:
    """The recording in a file, with at least one null block. Raises UserError for anything else."""
    if not path.exists():
        raise UserError(f"{path}: no recording yet: `vitbench aa-run --minutes=30` makes one")
    try:
        found = json.loads(path.read_text("utf-8"))
        if not logs_of(read_blocks(found, NOTHING_PLANTED)).size:
            raise ValueError("no null block")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(f"{path}: not a recording of `vitbench aa-run`: {error!r}") from error
    return dict(found)
