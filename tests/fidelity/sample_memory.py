"""What a verification takes of memory and time, by the number of images.

`python -m tests.fidelity.sample_memory --images=512 [--images=4096] [--from=DIR] [--variant=NAME]`

Makes so many JPEG files of 64 x 64 pixels: of the images in DIR, else of crops of those that
scikit-image ships, each with its own noise. A process of its own verifies a tiny network with
random weights on them, at 224 x 224 pixels and batch 64, against fp32. Prints for each number the
largest anonymous memory of that process (RssAnon, which its parent looks at every 5 ms), its VmHWM,
in which mapped pages count too, its seconds on the clock and of the CPU, and what it found.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

MODEL = "timm:vit_tiny_patch16_224,depth=1,embed_dim=32,num_heads=2"
SIDE = 64
EVERY_SECONDS = 0.005


def make(folder, count, source):
    """So many files below `folder`, in class folders where `source` has them."""
    from vitbench.measure.crops import default_photos
    from vitbench.measure.folder import folder_photos

    photos = folder_photos(source, 512) if source else default_photos(256)
    images = [photo.read().resize((SIDE, SIDE)) for photo in photos]
    generator = np.random.default_rng(0)
    for number in range(count):
        which = number % len(photos)
        noise = generator.normal(0, 8, (SIDE, SIDE, 3))
        pixels = np.asarray(images[which], np.float64) + noise
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        place = folder / (photos[which].folder or "all")
        place.mkdir(exist_ok=True)
        image.save(place / f"{number:06}.jpg", quality=90)


def verify(folder, cache, count, variant):
    """In a process of its own: one line of JSON."""
    from vitbench.case import Case
    from vitbench.measure.options import Options
    from vitbench.measure.session import Session
    from vitbench.models import parse_spec

    start = time.perf_counter()
    spec = parse_spec(MODEL, Path())
    session = Session(
        Options(
            models=(spec,), weights="seeded", images=folder, verify_images=count, threads=1,
            cache=cache,
        )
    )  # fmt: skip
    found = session.verify(Case(spec.name, variant, "cpu", 64)).agreement
    pixels = session.sample(spec.name).pixels_sha256
    seconds = time.perf_counter() - start
    times = {"seconds": seconds, "cpu_seconds": time.process_time()}
    print(json.dumps({**times, "pixels": pixels, "agreement": found.to_json()}))


def watched(arguments):
    """What a process prints, and the largest RssAnon and VmHWM seen of it, in bytes."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    most = {"RssAnon": 0, "VmHWM": 0}
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in most:
                most[name] = max(most[name], 1024 * int(value.split()[0]))
        time.sleep(EVERY_SECONDS)
    printed = process.stdout.read()
    if process.returncode:
        return None, most
    return json.loads(printed.splitlines()[-1]), most


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, action="append")
    parser.add_argument("--from", type=Path, dest="source")
    parser.add_argument("--variant", default="scripted")
    parser.add_argument("--again", action="store_true", help="verify twice, with one cache")
    parser.add_argument("--files", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    counts = chosen.images or [512]
    if chosen.files:
        verify(chosen.files, chosen.cache, counts[0], chosen.variant)
        return
    print("images  RssAnon MB  VmHWM MB  seconds      CPU  pixels    sentence")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            files, cache = Path(folder, "images"), Path(folder, "cache")
            files.mkdir()
            make(files, count, chosen.source)
            command = ["-m", "tests.fidelity.sample_memory", f"--images={count}"]
            command += [f"--variant={chosen.variant}", f"--files={files}", f"--cache={cache}"]
            for _ in range(1 + chosen.again):
                found, most = watched(command)
                anonymous, high = (most[name] / 1e6 for name in ("RssAnon", "VmHWM"))
                line = f"{count:6}  {anonymous:10.0f}  {high:8.0f}"
                if found is None:
                    print(f"{line}  the process died", flush=True)
                    continue
                line += f"  {found['seconds']:7.1f}  {found['cpu_seconds']:7.1f}"
                print(line, found["pixels"][:8], found["agreement"]["sentence"], flush=True)


if __name__ == "__main__":
    main()
