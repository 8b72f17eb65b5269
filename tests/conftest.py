"""Runs of the real suite in processes of their own, sharing one artifact cache."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

import vitbench.plugin.measuring

# pytester's runs in this process forget what they imported, and numpy is imported only once.
from tests.helpers import thorough

STARTED = time.monotonic()
ROOT = Path(__file__).parents[1]
IMAGES = ROOT.parent / "shared" / "images" / "tiny-imagenet-20"
Run = Callable[..., subprocess.CompletedProcess[str]]


def listen() -> None:
    """In a new process: take Ctrl-C, which a shell has its background jobs ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def bounded(process: subprocess.Popen[str], seconds: float = 300.0) -> Iterator[None]:
    """Kills a process that is late, so that no read from it waits for ever, or left at the end."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        process.kill()


# `tox -e thorough` asks for --hypothesis-profile=thorough.
for name, count in (("quick", 200), ("thorough", 2000)):
    hypothesis.settings.register_profile(
        name, max_examples=count, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
hypothesis.settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough-record", type=Path, metavar="FILE",
        help="write there when all thorough tests ran, where, and how they ended",
    )  # fmt: skip
    parser.addoption(
        "--thorough-part", choices=thorough.PARTS, default="together",
        help="which of them this run is: those that run side by side, or those that time",
    )  # fmt: skip


def pytest_report_header() -> str:
    record = thorough.read()
    return record.sentence() if record else "thorough tests: no run of them is recorded"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Records a run of all thorough tests of a part: not one of some of them, or that was ended."""
    file = config.getoption("--thorough-record", None)
    if file is None:
        return
    stats = terminalreporter.stats
    whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if config.option.keyword or config.option.maxfail or not whole:
        terminalreporter.write_line(f"{file} is not written: this run is a part of them")
        return
    wrong = [*stats.get("failed", ()), *stats.get("error", ())]
    failures = tuple(dict.fromkeys(thorough.plain_id(report.nodeid) for report in wrong))
    passed, skipped = (len(stats.get(each, ())) for each in ("passed", "skipped"))
    seconds = round(time.monotonic() - STARTED)
    part = thorough.Part(passed, len(failures), skipped, seconds, failures)
    try:
        before = thorough.read(file)
    except ValueError:
        before = None
    name = config.getoption("--thorough-part")
    thorough.write(thorough.record_of(ROOT, name, part, before), file)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact cache for all of these tests, and for all xdist workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared / "cache"


@pytest.fixture
def environment(cache: Path) -> dict[str, str]:
    """`fresh_environment`, to be changed."""
    return fresh_environment(cache)


def fresh_environment(cache: Path) -> dict[str, str]:
    """The environment of a fresh shell: nothing of the pytest around this one.

    Each of xdist's workers has a lock of timings of its own, which lies in VITBENCH_CACHE: no time
    is asserted, so nothing has to wait for the other one. What is built is shared, by --cache.
    """
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "VITBENCH_"))}
    ours |= {k: v for k, v in os.environ.items() if k == "VITBENCH_CACHE_TRUST"}  # of this machine
    # Tests run side by side: threads that spin while idle would take each other's cores.
    fixed = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    # The user's own caches are not filled, and nobody waits for the lock in them.
    own = cache.with_name("cache-" + os.environ.get("PYTEST_XDIST_WORKER", "main"))
    folders = {"VITBENCH_CACHE": own, "HF_HUB_CACHE": cache.with_name("hub"),
               "TORCH_HOME": cache.with_name("torch")}  # fmt: skip
    # Nobody listens there: what asks for the network is refused at once.
    network = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    network["no_proxy"] = "localhost,127.0.0.1"
    return {**ours, **fixed, **{k: str(v) for k, v in folders.items()}, **network, "COLUMNS": "200"}


@pytest.fixture
def pytester(pytester):
    """pytest's own, with an ini file: its folder may lie inside a checkout, whose conftest.py
    pytest would load as well."""
    pytester.makeini("[pytest]")
    return pytester


@pytest.fixture
def suite(cache: Path, tmp_path: Path, environment: dict[str, str]) -> Iterator[Run]:
    """Run the suite: `suite("--variant=fp32", paths=["benchmarks/test_latency.py"])`.

    Reports go to `tmp_path`/reports. One thread, sixteen images and a tenth of a second a case,
    unless an option says otherwise: so that one run knows what another one found out.
    """

    def run(
        *options: str, paths: tuple[str, ...] = ("benchmarks",), cwd: Path = ROOT, only: bool = True
    ) -> subprocess.CompletedProcess[str]:
        given = " ".join(options)
        defaults = {"--seconds": "0.1", "--verify-images": "16", "--threads": "1",
                    "--cache": str(cache), "--reports": str(tmp_path / "reports")}  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        command += [str(ROOT / path) for path in paths]
        command += ["--benchmark-only"] if only else []
        command += [f"{name}={value}" for name, value in defaults.items() if name not in given]
        return subprocess.run(
            [*command, *options], cwd=cwd, env=environment, text=True, capture_output=True,
            timeout=600, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def vitbench(cache: Path, environment: dict[str, str], tmp_path: Path) -> Run:
    """Run the command line: `vitbench("predict", "photo.png")`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        needs_cache = arguments and arguments[0] in ("predict", "package")
        extra = [f"--cache={cache}"] if needs_cache else []
        return subprocess.run(
            [sys.executable, "-m", "vitbench", *arguments, *extra],
            cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=600, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def reports_here(tmp_path, monkeypatch):
    """Call it with reports by name: each is NAME.json in the working directory, a folder of its
    own."""
    monkeypatch.chdir(tmp_path)

    def write(**reports):
        for name, report in reports.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(report))

    return write
