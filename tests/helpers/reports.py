"""Reports for tests, in the shape of real ones: `report_of(benchmark_of(CASE), ...)`."""

TINY = "deit_tiny_patch16_224"


def agreement_of(**changes):
    return {
        "state": "KEPT", "sentence": "int8 on cpu: KEPT", "matched": 498, "images": 500,
        "effective_images": 500.0, "share": 0.996, "lower": 0.9874, "upper": 0.9993,
        "cosine": 0.99912, "relative_error": 0.031, "top1": 0.712, "top5": 0.9,
        "reference_top1": 0.722, "claimed": True, **changes,
    }  # fmt: skip


def ratio_of(speedup=3.42, low=3.35, high=3.5, detectable=0.009, **changes):
    return {
        "speedup": speedup, "low": low, "high": high, "standard_error": 0.01,
        "detectable": detectable, "batches": 20, "rounds": 40, **changes,
    }  # fmt: skip


def benchmark_of(case, group="latency", seconds=0.02, ratio=None, agreement=None):
    """One benchmark as vitbench/plugin/measuring.py writes it. fp32 is its own null arm."""
    model, variant, device, batch = case.split("/")
    extra = {
        "schema": 1,
        "case": {
            "id": case, "model": model, "variant": variant, "device": device,
            "batch": int(batch[1:]),
        },
        "artifact": {
            "bytes": 6_500_000, "sha256": "a" * 64, "suffix": ".pt", "build_seconds": 1.5,
            "built": True,
        },
    }  # fmt: skip
    if group == "footprint":
        extra |= {
            "build_seconds": 1.5, "load_seconds": 0.25, "first_inference_seconds": 0.08,
            "peak_memory_bytes": 612_000_000, "baseline_memory_bytes": 400_000_000,
            "cuda_peak_bytes": None,
        }  # fmt: skip
    else:
        null_arm = variant == "fp32"
        extra |= {
            "reference": {"variant": "fp32", "null_arm": null_arm, "rounds": [0.07, 0.071]},
            "ratio": ratio or (ratio_of(1.002, 0.995, 1.009) if null_arm else ratio_of()),
            "agreement": agreement or agreement_of(),
            "predictions": {"images": ["a", "b"], "top1": [1, 2], "margin": [0.1, 3.0]},
            "roofline": {"operations": 10**10, "peak_per_second": 2e12, "share": 0.25},
            "p95_seconds": seconds * 1.2, "p99_seconds": seconds * 1.3,
            "images_per_second": int(batch[1:]) / seconds,
        }  # fmt: skip
    return {
        "group": group, "name": f"test_{group}[{case}]", "params": {"case": case},
        "stats": {"data": [seconds, seconds], "median": seconds, "mean": seconds},
        "extra_info": extra,
    }  # fmt: skip


def report_of(*benchmarks, models=(TINY,), synthetic=False, **changes):
    """A report around benchmarks; `changes` to its `vitbench` part."""
    weights = {
        "origin": "seeded" if synthetic else "bundled", "sha256": "0123456789abcdef" * 4,
        "file_sha256": None, "synthetic": synthetic, "note": "trained on 20 classes",
    }  # fmt: skip
    model = {"spec": "timm:x", "architecture": {"depth": 12}, "weights": weights, "labels": 20}
    return {
        "machine_info": {"node": "here"}, "commit_info": {"id": "abc"}, "version": "5.3.1",
        "datetime": "2025-01-01T00:00:00", "benchmarks": list(benchmarks),
        "vitbench": {
            "schema": 1, "version": "0.1.0", "complete": True, "threads": 2, "reference": "fp32",
            "models": dict.fromkeys(models, model),
            "images": {
                "source": "tiny-imagenet-20", "count": 500, "photographs": 500,
                "sha256": "fedcba9876543210" * 4, "labelled": True,
            },
            "unavailable": {}, "failed": {}, **changes,
        },
    }  # fmt: skip


def a_report():
    return report_of(
        benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=0.07),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1"),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "throughput", seconds=0.021),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "footprint", seconds=0.33),
    )
