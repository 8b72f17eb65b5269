"""Packages for a machine without a network: their wheels are downloaded here and unpacked there.

`python -m tests.cuda.wheels` fills the ignored folder `.wheels/`. Standard library only: the other
machine may have no pip.
"""

import argparse
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".wheels"
# What vitbench imports, beside torch, torchvision, timm, transformers, numpy, scipy and Pillow with
# their own needs, which the other machine has.
PACKAGES = (
    "platformdirs", "filelock", "packaging", "psutil", "msgspec", "py-cpuinfo2",
    "rich", "markdown-it-py", "mdurl", "pygments",
    "pytest", "pluggy", "iniconfig", "pytest-benchmark", "pytest-xdist", "execnet",
    "torchao", "scikit-image", "imageio", "tifffile", "lazy-loader", "networkx",
    "mlcommons-loadgen",
)  # fmt: skip
PYTHON = "3.12"
PLATFORMS = tuple(f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 26, 27, 28, 34))
LIMIT_BYTES = 40 * 2**20  # beside the repository; both travel


def command(folder: Path, constraints: Path) -> list[str]:
    """pip's command that downloads the wheels of PACKAGES, in the versions tried together."""
    places = [f"--platform={platform}" for platform in ("manylinux2014_x86_64", *PLATFORMS)]
    return [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        f"--python-version={PYTHON}", "--implementation=cp", *places,
        f"--constraint={constraints}", f"--dest={folder}", *PACKAGES,
    ]  # fmt: skip


def unpack(folder: Path, site: Path) -> list[str]:
    """Unpack into `site` the wheels of `folder` that are newer than what this Python has, if it has
    the package at all. Returns `NAME VERSION` of each."""
    unpacked = []
    for wheel in sorted(folder.glob("*.whl")):
        name, number = wheel.name.split("-")[:2]
        if _parts(number) > _parts(_installed(name)):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
            unpacked.append(f"{name} {number}")
    return unpacked


def _installed(name: str) -> str:
    try:
        return version(name.replace("_", "-"))
    except PackageNotFoundError:
        return ""


def _parts(number: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", number.split("+")[0])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Download; 1 where pip fails or the wheels are too large to travel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR")
    folder: Path = parser.parse_args(arguments).folder
    for old in folder.glob("*.whl"):
        old.unlink()
    if subprocess.run(command(folder, ROOT / "constraints.txt"), check=False).returncode:
        return 1
    taken = sum(wheel.stat().st_size for wheel in folder.glob("*.whl"))
    print(f"{folder}: {len(PACKAGES)} packages, {taken / 1e6:.1f} MB")
    return 1 if taken > LIMIT_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
