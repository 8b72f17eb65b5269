"""All that is to be run on a machine with a GPU, in one command, within a limit of time.

`python -m tests.cuda.run --out=DIR` in a checkout; README.md beside it says how. Each step has a
limit, a step that fails or is stopped leaves the others, and what is there lies in DIR at any time:
`log.txt`, `reports.tar.gz` (every report and the log of each step), `summary.json`. Standard
library only, until the wheels are unpacked.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from tests.cuda import wheels
from tests.cuda.steps import PLANS, SMI, Step, steps

ROOT = Path(__file__).resolve().parents[2]
LEAST_SECONDS = 10.0  # with less left, a step is not begun
GRACE_SECONDS = 5.0  # from the request to stop until the end
KEEP_SECONDS = 5.0  # between two copies of the reports


@dataclass(frozen=True)
class Outcome:
    """`state` is done, failed (an exit code other than 0), stopped (at its limit) or `no time`.

    `last` is the last line that each command printed, `clocks` what nvidia-smi said afterwards.
    """

    step: str
    state: str
    seconds: float
    codes: tuple[int, ...]
    last: tuple[str, ...]
    clocks: tuple[str, ...] = ()


class Keeper:
    """Copies what is in `work` into `out`, as one archive: a file there is whole at any time."""

    def __init__(self, work: Path, out: Path) -> None:
        self._work, self._out = work, out
        self._known: dict[Path, tuple[int, int]] = {}

    def keep(self) -> None:
        """Write the archive again where a report or a log has changed."""
        found = {}
        for file in (*(self._work / "reports").rglob("*"), *(self._work / "logs").iterdir()):
            with suppress(OSError):  # one that was just replaced
                if file.is_file() and not file.name.startswith("."):
                    found[file] = (file.stat().st_mtime_ns, file.stat().st_size)
        if found == self._known:
            return
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for file in sorted(found):
                with suppress(OSError):
                    data = file.read_bytes()
                    entry = tarfile.TarInfo(file.relative_to(self._work).as_posix())
                    entry.size, entry.mtime = len(data), found[file][0] // 10**9
                    archive.addfile(entry, io.BytesIO(data))
        replace(self._out / "reports.tar.gz", packed.getvalue())
        self._known = found


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(data)
    os.replace(file.name, path)


def play(
    todo: Iterable[Step],
    work: Path,
    out: Path,
    budget_seconds: float,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    clocks: Callable[[], tuple[str, ...]] = tuple,
) -> list[Outcome]:
    """Run the steps in order, until the budget is used up; `out` has the summary after each."""
    end, found, keeper = monotonic() + budget_seconds, list[Outcome](), Keeper(work, out)
    (work / "logs").mkdir(parents=True, exist_ok=True)
    for step in todo:
        start, codes, last = monotonic(), [], []
        limit = min(start + step.seconds, end)
        state = "done" if limit - start >= LEAST_SECONDS else "no time"
        if state == "done":
            say(f"{step.name}: at most {limit - start:.0f} s")
        log = work / "logs" / f"{step.name}.txt"
        for command in step.commands if state == "done" else ():
            code = _run(command, log, limit, environment, keeper)
            codes.append(code)
            last.append(_last_line(log))
            if monotonic() >= limit:
                state = "stopped"
                break
        state = "failed" if state == "done" and any(codes) else state
        outcome = Outcome(
            step.name, state, monotonic() - start, tuple(codes), tuple(last), clocks()
        )
        found.append(outcome)
        say(f"{step.name}: {state} after {outcome.seconds:.0f} s; {' | '.join(last)}")
        keeper.keep()
        summary = json.dumps([asdict(each) for each in found], indent=1)
        replace(out / "summary.json", summary.encode())
    return found


def _run(
    command: Sequence[str],
    log: Path,
    limit: float,
    environment: Mapping[str, str],
    keeper: Keeper,
) -> int:
    """The exit code of a command, which is ended, with all it started, at the limit (of
    `monotonic`). First by SIGINT, so that pytest can say what it has done."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what is behind a &
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else commands would ignore it
    with log.open("ab") as file:
        file.write(f"\n$ {'; '.join(' '.join(command).splitlines())}\n".encode())
        file.flush()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env={**environment}, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            file.write(f"{error}\n".encode())
            return 127
        try:
            while process.poll() is None and monotonic() < limit:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, min(KEEP_SECONDS, limit - monotonic())))
                keeper.keep()
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode


def _last_line(log: Path) -> str:
    """The last line of the last command, or nothing where it printed none."""
    printed = log.read_text(errors="replace").rpartition("\n$ ")[2].strip().splitlines()[1:]
    return printed[-1].strip("= ") if printed else ""


def _clocks() -> tuple[str, ...]:
    """What nvidia-smi says of each GPU now."""
    command = ["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(done.stdout.strip().splitlines())


def _environment(work: Path, say: Callable[[str], None]) -> dict[str, str]:
    """The environment of the steps: the wheels that this Python lacks come first on its path."""
    found = {**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
    unpacked = wheels.unpack(wheels.FOLDER, work / "site")
    if unpacked:
        say(f"unpacked {', '.join(unpacked)}")
    path = [str(work / "site"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**found, "PYTHONPATH": os.pathsep.join(path)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the steps; 1 where one of them is not done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="what to keep")
    parser.add_argument("--device", choices=sorted(PLANS), default="cuda",
                        help="cpu: the same steps, short, to try the script")  # fmt: skip
    parser.add_argument("--budget", type=float, default=570.0, metavar="S",
                        help="seconds for all steps (default: 570)")  # fmt: skip
    parser.add_argument("--step", action="append", metavar="NAME", default=[],
                        help="only this step, repeatable (default: all)")  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of artifacts")
    chosen = parser.parse_args(arguments)
    out = chosen.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="vitbench-cuda-"))
    todo = steps(PLANS[chosen.device], ROOT, work, chosen.cache and chosen.cache.absolute())
    if unknown := set(chosen.step) - {step.name for step in todo}:
        names = ", ".join(step.name for step in todo)
        parser.error(f"--step={sorted(unknown)[0]}: no such step; choose from {names}")

    start = monotonic()
    with (out / "log.txt").open("w", encoding="utf-8") as log:

        def say(text: str) -> None:
            line = f"{monotonic() - start:6.1f} s  {text}"
            for file in (sys.stdout, log):
                print(line, file=file, flush=True)

        environment = _environment(work, say)
        wanted = [step for step in todo if not chosen.step or step.name in chosen.step]
        found = play(wanted, work, out, chosen.budget, environment, say, _clocks)
        say("summary: " + ", ".join(f"{each.step} {each.state}" for each in found))
    return int(any(each.state != "done" for each in found))


if __name__ == "__main__":
    sys.exit(main())
