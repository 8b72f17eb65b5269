"""What a file is that Pillow does not read as an image."""

from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

from vitbench.lfs import pointer_of

# As files on disk begin. Phones rename HEIC to .jpg.
OTHERS = {
    b"ftypheic": "HEIC",
    b"ftypheix": "HEIC",
    b"ftyphevc": "HEIC",
    b"ftypmif1": "HEIF",
    b"JXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
}


def unidentified(path: Path) -> str:
    """Why Pillow does not know a file, as words that follow its name."""
    if not path.stat().st_size:
        return "is empty"
    if pointer_of(path):
        return "is a pointer of Git LFS, which git lfs pull replaces by the image"
    with path.open("rb") as file:
        start = file.read(32)
        if start[:4] in (b"II*\0", b"MM\0*"):
            return _odd_tiff(file, start[:8])
    kind = next((kind for mark, kind in OTHERS.items() if mark in start[:16]), None)
    return f"is {kind}, which Pillow does not read" if kind else "is not an image"


def _odd_tiff(file: Any, header: bytes) -> str:
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        bands, bits = tags.get(277, 1), " and ".join(map(str, sorted(set(tags[258]))))
        kind = {2: "signed ", 3: "float "}.get(tags.get(339, (1,))[0], "")
        several = f"{bands} bands" if bands > 1 else "one band"
        return f"is a TIFF with {several} of {bits} {kind}bits, which Pillow does not read"
    except Exception:
        return "is not an image"
