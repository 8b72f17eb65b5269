"""Rows of cases under load for tests, in the shape of real ones."""

from tests.helpers.reports import agreement_of, benchmark_of


def tried(instances, threads, window_ms=0.0, rate=40.0, images=60.0, streams=0):
    lanes = f"{streams} streams" if streams else instances
    words = f"{lanes} x {threads} thread{'s' * (threads > 1)}, window {window_ms:g} ms"
    return {
        "arrangement": words, "option": f"{instances}x{threads}", "instances": instances,
        "threads": threads, "window_ms": window_ms, "offline_images_per_s": images,
        "call_ms": 1000 / images, "simulated_rate": rate, "streams": streams,
    }  # fmt: skip


GRID = (
    tried(1, 1, rate=20.0),
    tried(2, 1, rate=40.0),
    tried(1, 2, rate=30.0),
    tried(2, 1, 3.8, rate=35.0),
    tried(1, 1, rate=38.0, streams=2),
)


def proof_of(rate, queries, **changes):
    return {
        "rate": rate, "queries": queries, "late": 2, "p99_ms": 13.5, "state": "KEPT",
        "late_share_upper": 0.004, "early_stopping": True, "problems": [], **changes,
    }  # fmt: skip


def loaded(case, estimate=40.0, proven=None, bound=15.0, **changes):
    """A case whose search ended at `estimate` requests a second; 0: no rate kept the bound. A rate
    of `proven` was proven."""
    queries = 1201
    row = benchmark_of(case, "load", seconds=0.01)
    extra = {name: row["extra_info"][name] for name in ("schema", "case", "artifact")}
    rate = estimate if proven is None else proven
    runs = [{"rate": estimate, "queries": 320, "late": 2, "p99_ms": 0.9 * bound}]
    row["extra_info"] = extra | {
        "agreement": agreement_of(), "single_stream_p90_ms": 0.6 * bound,
        "single_stream_queries": 150, "offline_images_per_s": 61.5, "server_rate": rate,
        "server_queries": (320 if proven is None else queries) if rate else 0,
        "latency_bound_ms": bound, "latency_bound": "--latency-bound",
        "arrangement": "2 x 1 thread, window 0 ms",
        "load_evidence": "estimate" if proven is None else "proven",
        "arrangements": list(GRID), "server_runs": runs if estimate else [],
        "generator_limit": 9341.0, "a_a": {"p99_ratio": 1.06}, "notes": [],
        **({"server_p99_ms": 0.9 * bound} if rate else {}),
        **({} if proven is None else {"proof": proof_of(proven, queries)}), **changes,
    }  # fmt: skip
    return row
