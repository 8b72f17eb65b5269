"""What smoothing wins: int8 of the bundled DeiT-Tiny with and without, by recipe and alpha.

`python -m tests.fidelity.smoothing --images=DIR [--variant=tuned-int8] [--alpha=0.5] [--seeded]`

Each image is a call of its own. Prints, against fp32: the share of images with the same class, the
relative error of the logits, and the top-1 where the folders of DIR name classes. `--seeded` takes
seeded weights with planted outlier channels instead of the trained ones.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tests.conftest import ROOT
from tests.helpers.smoothing import smoothed
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.runtimes import Placement, load, runtime, variant
from vitbench.runtimes.linear_layers import replaceable

MODEL = "deit_tiny_patch16_224"
VARIANTS = ("int8-dynamic", "int8-dynamic+onednn", "int8-dynamic+fbgemm", "int8-dynamic+qnnpack",
            "ort-int8-dynamic", "tuned-int8")  # fmt: skip


def recipe(name):
    plain, _, engine = name.partition("+")
    row = variant(plain)
    return replace(row, options={"engine": engine}) if engine else row


def logits(model, row, images):
    built = runtime(row.runtime)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"artifact{built.suffix(row)}"
        built.build(model, row, path, None)
        deployment = load(Placement(path, row, "cpu", model.architecture, 1))
        return np.concatenate([deployment.logits(each[None]) for each in images])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path)
    parser.add_argument("--variant", action="append")
    parser.add_argument("--alpha", action="append", type=float)
    parser.add_argument("--seeded", action="store_true")
    parser.add_argument("--count", type=int, default=500)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        session = Session(
            Options(
                models=(parse_spec(MODEL, ROOT),), threads=1, cache=Path(cache),
                weights="seeded" if chosen.seeded else None, images=chosen.images,
                verify_images=chosen.count,
            )
        )  # fmt: skip
        model, sample = session.model(MODEL), session.sample(MODEL)
        calibration = session.inputs.calibration(MODEL).images[:]
        images = np.ascontiguousarray(sample.images[:])
    with torch.inference_mode():
        parts = torch.from_numpy(images).split(8)
        wanted = torch.cat([model.module(part) for part in parts]).numpy()
    labels = sample.labels and np.array(sample.labels)

    def say(name, found):
        same = (found.argmax(1) == wanted.argmax(1)).mean()
        error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        top1 = "" if labels is None else f"  top-1 {(found.argmax(1) == labels).mean():7.2%}"
        print(f"{name:32} agreement {same:7.2%}  error {error:.4f}{top1}", flush=True)

    print(f"{len(images)} images, {len(calibration)} calibration images")
    say("fp32", wanted)
    names = replaceable(model.module, model.architecture["image"])
    plain = {None: model.module}
    for alpha in chosen.alpha or (0.3, 0.5, 0.7):
        plain[alpha], norms = smoothed(model.module, names, alpha, calibration)
        with torch.inference_mode():
            again = torch.cat([plain[alpha](part) for part in parts[:4]]).numpy()
        difference = np.abs(again - wanted[: len(again)]).max()
        print(f"alpha {alpha}: {len(norms)} LayerNorms; fp32 differs by {difference:.1e} at most")
    for name in chosen.variant or VARIANTS:
        for alpha, module in plain.items():
            label = f"{name}, {'not smoothed' if alpha is None else f'alpha {alpha}'}"
            say(label, logits(replace(model, module=module), recipe(name), images))


if __name__ == "__main__":
    main()
