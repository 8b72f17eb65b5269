"""What `vitbench mixed` wins, and whether what it chose is kept on other images.

`python -m tests.mixed_figures --images=DIR --variant=V ...` prints a row of docs/results.md for
each variant of the bundled DeiT-Tiny; with `--splits=20`, how the recipes are judged that as many
halves of the images chose. The limits are the variant's, but the relative error may be at
most `--error` times what it is: the bundled model keeps the limits of vitbench as it is.
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from vitbench import environment
from vitbench.blame.asking import Asking
from vitbench.blame.bench import Bench, with_floats
from vitbench.blame.mixed import few, mixed
from vitbench.blame.trial import Refusal, gain
from vitbench.build.artifacts import default_folder
from vitbench.case import Case
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.runtimes import Deployment, load
from vitbench.runtimes.catalogue import DEFAULT_MODEL
from vitbench.stats.intervals import paired_ratio


def bench_of(chosen, variant, error=None):
    """The bench of a variant, whose relative error may be at most `error`."""
    rows = ()
    if error is not None:
        row = Session(options_of(chosen)).catalogue.variant(variant)
        variant = f"{variant}-harder"
        rows = (replace(row, name=variant, limits=replace(row.limits, relative_error=error)),)
    session = Session(options_of(chosen, rows))
    return Bench(session, Case(DEFAULT_MODEL, variant, "cpu", 1))


def options_of(chosen, rows=()):
    return Options(
        models=(parse_spec(DEFAULT_MODEL, Path()),), weights="bundled", images=chosen.images,
        verify_images=chosen.verify_images, threads=chosen.threads, project_variants=rows,
        cache=chosen.cache or default_folder(),
    )  # fmt: skip


def figures(chosen, variant):
    """One search, one price."""
    every = range(len(bench_of(chosen, variant).sample.ids))
    whole = bench_of(chosen, variant)
    whole.read()
    as_it_is = whole.ask(frozenset(), every)
    limit = float(f"{chosen.error * as_it_is.error:.2g}")
    bench = bench_of(chosen, variant, limit)
    layers = bench.layers()
    asking = Asking(bench.ask, 60 * chosen.minutes)
    found = mixed(
        asking, bench.ask, layers, bench.sample.clusters, bench.recipe.limits, few(len(layers)), 0
    )
    before, after = found.before.agreement, found.after.agreement
    won = gain(found.before, found.after)
    price = None
    if found.floats:
        bench.pair(frozenset(found.floats))
        price = paired_ratio(*bench.price(10.0))
    speed = f"{price.speedup:.3f} ({price.low:.3f} to {price.high:.3f})" if price else "-"
    print(
        f"| `{variant}` | {before.relative_error:.4f} | {limit:g} | {len(found.floats)} of "
        f"{len(layers)} | {after.relative_error:.4f} | {before.share:.1%} | {after.share:.1%} | "
        f"+{won.won} -{won.lost} | {after.state} | {before.reference_top1:.1%} | "
        f"{before.top1:.1%} | {after.top1:.1%} | {speed} | "
        f"{asking.spent:.0f} s, {asking.asked} recipes |"
    )
    print(f"  {', '.join(found.floats)}; kept where chosen: {found.mended and found.mended.kept}")


class Memo:
    """Answers of recipes to all images, each asked once: halves take theirs from there."""

    def __init__(self, bench):
        self.bench, self.logits = bench, {}

    def ask(self, floats, rows):
        start = perf_counter()
        if floats not in self.logits:
            names = [name for name in self.bench.layers() if name in floats]
            try:
                placement, _ = self.bench.built(with_floats(self.bench.recipe, names))
                made = load(placement)
                images = self.bench.sample.images
                found = [made.logits(images[at : at + 1]) for at in range(len(images))]
                self.logits[floats] = np.concatenate(found)
                self.bench.remove(placement)
            except Exception as error:
                return Refusal(floats, str(error))
        answers = iter(self.logits[floats][list(rows)])
        known = Deployment(lambda x: x, lambda _: next(answers)[None], lambda x: x)
        return self.bench.measured(known, floats, rows, start)


def splits(chosen, variant):
    """As many searches, each on another half."""
    whole = bench_of(chosen, variant)
    whole.read()
    limit = float(
        f"{chosen.error * whole.ask(frozenset(), range(len(whole.sample.ids))).error:.2g}"
    )
    bench = bench_of(chosen, variant, limit)
    memo, layers, states, sizes = Memo(bench), bench.layers(), Counter(), Counter()
    start = perf_counter()
    for seed in range(chosen.splits):
        found = mixed(
            Asking(memo.ask, 1e9), memo.ask, layers, bench.sample.clusters, bench.recipe.limits,
            few(len(layers)), seed,
        )  # fmt: skip
        kept = found.mended is None or found.mended.kept
        state = found.after.agreement.state if kept else "none found"
        states[state] += 1
        sizes[len(found.floats)] += 1
        print(
            f"  seed {seed}: {found.before.error:.4f} -> {found.after.error:.4f}, {state}, "
            f"{len(found.floats)} layers, {len(memo.logits)} recipes so far", flush=True,
        )  # fmt: skip
    print(
        f"| `{variant}` | {limit:g} | {len(bench.sample.ids)} | "
        f"{', '.join(f'{state} {count}' for state, count in states.most_common())} | "
        f"{', '.join(f'{size}: {count}' for size, count in sorted(sizes.items()))} | "
        f"{perf_counter() - start:.0f} s |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--variant", action="append", required=True)
    parser.add_argument("--verify-images", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--error", type=float, default=0.7)
    parser.add_argument("--splits", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    environment.settle_idle_threads()
    for variant in chosen.variant:
        (splits if chosen.splits else figures)(chosen, variant)


if __name__ == "__main__":
    main()
