"""One run of MLPerf's LoadGen, and what its own log says of each query."""

import ctypes
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.build.full_disk import temporary_space
from vitbench.errors import WorkerFailed
from vitbench.load.scenario import OFFLINE, PERCENTILES, SERVER, SINGLE_STREAM, Scenario

Issue = Callable[[Sequence[tuple[int, int]]], None]
"""Takes the ids and samples of queries that arrive; returns before they are answered."""

_SAMPLE = re.compile(
    r'"name":"Sample","cat":"default","ph":"b","pid":\d+,"id":\d+,"ts":([\d.]+),'
    r'"args":\{"sample_seq":(\d+),"query_seq":\d+,"sample_idx":\d+,'
    r'"issue_start_ns":(-?\d+),"complete_ns":(-?\d+)\}'
)
_PR_SET_TIMERSLACK = 29
_VERDICT = re.compile(r"^\s*(Result is|Early stopping satisfied)\s*: ?(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Queries:
    """Of each query, in the order of arrival, in seconds: when it was due, from the first one; how
    late it was issued; and how long after it was due it was answered. `valid` and `early_stopping`
    are LoadGen's own verdicts."""

    due: NDArray[np.float64]
    issue_delay: NDArray[np.float64]
    latency: NDArray[np.float64]
    valid: bool
    early_stopping: bool


def complete(ids: Sequence[int]) -> None:
    """Tell LoadGen that queries are answered. The outputs stay here."""
    import mlperf_loadgen as loadgen

    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(each, 0, 0) for each in ids])


def generate(scenario: Scenario, samples: int, issue: Issue, inside: Path) -> Queries:
    """Play a scenario over so many samples; returns when every query is answered (`complete`).
    LoadGen's logs are in a folder of the folder `inside` until then.

    Latencies of Server count from when a query was due, however late it was issued: no omission is
    coordinated. Raises WorkerFailed where LoadGen's log lacks queries, and UserError where a full
    disk is why.
    """
    import mlperf_loadgen as loadgen

    with tempfile.TemporaryDirectory(dir=inside) as folder, temporary_space(Path(folder)):
        logs = loadgen.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        logs.enable_trace = True
        sut = loadgen.ConstructSUT(
            lambda queries: issue([(each.id, each.index) for each in queries]), lambda: None
        )
        library = loadgen.ConstructQSL(samples, samples, lambda _: None, lambda _: None)
        if sys.platform == "linux":
            # In nanoseconds, for LoadGen's threads, too: sleeps until a query is due end 50 us late
            # by default.
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
        try:
            settings = _settings(loadgen, scenario)
            loadgen.StartTestWithLogSettings(sut, library, settings, logs, "")
        finally:
            loadgen.DestroyQSL(library)
            loadgen.DestroySUT(sut)
        return _read(Path(folder), scenario)


def _settings(loadgen: Any, scenario: Scenario) -> Any:
    settings = loadgen.TestSettings()
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.scenario = getattr(loadgen.TestScenario, scenario.kind)
    settings.min_query_count = settings.max_query_count = scenario.queries
    settings.min_duration_ms = 0
    generator = np.random.default_rng(scenario.seed)
    for name in ("schedule_rng_seed", "sample_index_rng_seed", "qsl_rng_seed"):
        setattr(settings, name, int(generator.integers(2**62)))
    if scenario.kind == SERVER:
        settings.server_target_qps = scenario.rate
        settings.server_target_latency_ns = round(scenario.bound_seconds * 1e9)
        settings.server_target_latency_percentile = PERCENTILES[SERVER]
    if scenario.kind == SINGLE_STREAM:
        settings.single_stream_target_latency_percentile = PERCENTILES[SINGLE_STREAM]
        settings.single_stream_expected_latency_ns = 1_000_000
    if scenario.kind == OFFLINE:
        settings.offline_expected_qps = 1.0
    return settings


def _read(folder: Path, scenario: Scenario) -> Queries:
    trace = (folder / "mlperf_log_trace.json").read_text("utf-8")
    found = {int(each[2]): each.groups() for each in _SAMPLE.finditer(trace)}
    if len(found) != scenario.queries:
        log = (folder / "mlperf_log_detail.txt").read_text("utf-8", errors="replace")
        errors = re.findall(r'"key": "error[^"]*", "value": "([^"]*)"', log)
        why = f": {errors[0]}" if errors else ""
        raise WorkerFailed(
            f"LoadGen's log has {len(found)} of the {scenario.queries} queries of "
            f"{scenario.kind}{why}"
        )
    rows = np.array([[float(found[n][k]) for k in (0, 2, 3)] for n in sorted(found)])
    summary = (folder / "mlperf_log_summary.txt").read_text("utf-8")
    verdicts = dict(_VERDICT.findall(summary))
    due, issued, completed = rows[:, 0] * 1e-6, rows[:, 1] * 1e-9, rows[:, 2] * 1e-9
    latency = completed - issued if scenario.kind == SINGLE_STREAM else completed
    return Queries(
        due - due[0],
        issued,
        latency,
        verdicts.get("Result is") == "VALID",
        verdicts.get("Early stopping satisfied") == "Yes",
    )
