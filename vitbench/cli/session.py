"""What commands share that build and run models: options, and the session they describe."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench import environment
from vitbench.runtimes.catalogue import DEFAULT_MODEL

if TYPE_CHECKING:
    from vitbench.measure.session import Session


def add_model(command: argparse.ArgumentParser) -> None:
    """The options that name a model and how it is run."""
    command.add_argument("--model", action="append", metavar="[NAME=]SPEC", default=[],
                         help="a timm name, NAME@CHECKPOINT, hf:ORG/NAME, hub:REPO:NAME or a "
                         "folder; repeatable")  # fmt: skip
    command.add_argument("--weights", choices=["auto", "pretrained", "bundled", "seeded"],
                         help="where they come from (default: bundled for the default model, else "
                         "auto)")  # fmt: skip
    command.add_argument("--threads", type=int, metavar="N",
                         help="of every runtime (default: cores it may use)")  # fmt: skip
    command.add_argument("--cache", type=Path, metavar="DIR", help="where artifacts are kept")
    command.add_argument("--cache-limit", metavar="SIZE",
                         help="what the cache may take, such as 10GB (default: 10GiB)")  # fmt: skip
    command.add_argument("--build-memory", metavar="SIZE",
                         help="a build that takes more is ended; such as 8GB")  # fmt: skip


def session_of(chosen: argparse.Namespace) -> "Session":
    """The session that a command's options describe. Raises UserError for a bad value."""
    from vitbench.build.artifacts import default_folder
    from vitbench.build.trust import require_trust
    from vitbench.measure.options import Options, build_memory, cache_limit, check_counts
    from vitbench.measure.session import Session
    from vitbench.models import parse_specs

    threads = environment.available_cores() if chosen.threads is None else chosen.threads
    verify_images = getattr(chosen, "verify_images", 1)
    check_counts(threads=threads, verify_images=verify_images)
    options = Options(
        models=parse_specs(chosen.model or [DEFAULT_MODEL], Path.cwd()),
        weights=chosen.weights,
        images=getattr(chosen, "images", None),
        labels=getattr(chosen, "labels", None),
        variants=(),
        reference="fp32",
        device="cpu",
        batches=(),
        threads=threads,
        seconds=getattr(chosen, "seconds", 1.0),
        build_seconds=getattr(chosen, "build_seconds", 300.0),
        profile=False,
        calibration=getattr(chosen, "calibration", None),
        verify_images=verify_images,
        cache=chosen.cache or default_folder(),
        rebuild=None,
        cache_limit_bytes=cache_limit(chosen.cache_limit),
        build_memory_bytes=build_memory(chosen.build_memory),
    )
    require_trust(options.cache)  # before any work: it is the same for every case
    return Session(options, lambda text: print(f"  {text}", file=sys.stderr))
