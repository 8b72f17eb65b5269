"""One image file to the 8-bit RGB image that a model's preprocessing takes."""

import warnings
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from vitbench.errors import UserError
from vitbench.measure.unread import unidentified

# Formats that Pillow recognises by a file's first bytes and decodes by itself. Left out: what it
# only guesses (TGA), what starts another program (EPS), and stubs without a decoder (HDF5, GRIB).
FORMATS = ("AVIF", "BMP", "DDS", "DIB", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD",
           "QOI", "SGI", "SUN", "TIFF", "WEBP")  # fmt: skip
CHANGES = "vitbench"
SEVERAL = "the first of several pictures in the file is taken"
TRANSPARENT = "transparent, composited on white"
TURNED = (
    "an EXIF orientation, which is not applied: timm's and torchvision's loaders and the image "
    "processors of transformers do not apply it either (transformers' pipelines do)"
)
WHOLE = {255: 8, 4095: 12, 65535: 16}  # the largest whole number of so many bits
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # bands of TIFF's PhotometricInterpretation
_STACKS = ('"shape":', "ImageJ=", "<OME")  # as tifffile, ImageJ and Bio-Formats describe arrays


class _UnfitError(Exception):
    """The file is no image that a classifier takes; the message says why."""


def read_image(path: Path | str, advice: str = "give a readable image") -> Image.Image:
    """The RGB image of a file, 8 bits a band; of several pictures in it the first.

    `changes_of` it says what was done besides decoding. 16-bit bands and floats are scaled, what is
    transparent is composited on white, and an EXIF orientation is left alone, as the loaders of
    timm and torchvision leave it. Raises UserError that names the file and ends in the advice.
    """
    path = Path(path)
    return _read(path, str(path), advice, lambda: unidentified(path), _formats(path))


def image_of(data: bytes, name: str, advice: str = "give a readable image") -> Image.Image:
    """As `read_image`, of the bytes of a file, which sentences call `name`."""
    return _read(BytesIO(data), name, advice, lambda: "is not an image", _known())


def _read(
    source: Path | BytesIO,
    name: str,
    advice: str,
    unknown: Callable[[], str],
    formats: tuple[str, ...],
) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about metadata, which is not read here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=formats) as image:
                return _rgb(image)
    except FileNotFoundError:
        reason = "does not exist"
    except IsADirectoryError:
        reason = "is a folder, not an image"
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        reason = f"has more than {Image.MAX_IMAGE_PIXELS} pixels, as decompression bombs have"
    except UnidentifiedImageError:
        reason = unknown()
    except _UnfitError as why:
        reason = str(why)
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        reason = f"cannot be read ({error})"
    raise UserError(f"{name} {reason}: {advice}")


def changes_of(image: Image.Image) -> tuple[str, ...]:
    """What `read_image` did to an image besides decoding, in words that follow its name."""
    return tuple(image.info.get(CHANGES, ()))


def is_image(path: Path) -> bool:
    """Whether Pillow takes a file for an image, by its content. One that is damaged is an image."""
    try:
        with Image.open(path, formats=_formats(path)):
            return True
    except (UnidentifiedImageError, FileNotFoundError):
        return False
    except Exception:
        return True


def _formats(path: Path) -> tuple[str, ...]:
    return (*_known(), "TGA") if path.suffix.lower() == ".tga" else _known()


@cache
def _known() -> tuple[str, ...]:
    """Those of FORMATS that this build of Pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _rgb(image: Image.Image) -> Image.Image:
    """The whole of `read_image` for an opened file."""
    _check_bands(image)
    deep, several = _deep(image), bool(getattr(image, "is_animated", False))
    image.load()
    changes = [TURNED] if _turned(image) else []
    if image.mode == "F" or image.mode[0] == "I":
        image, how = _scaled(image)
        changes.append(how)
    elif deep:
        changes.append("16 bits a band, scaled to 8")
        if isinstance(key := image.info.get("transparency"), tuple):
            image.info["transparency"] = tuple(value >> 8 for value in key)
        if all(0 < high <= 16 for _, high in _extrema(image)[:3]):
            raise _UnfitError(
                "has 16 bits a band and no value above 4095: save it with 8 bits a band"
            )
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        if _extrema(solid)[3][0] < 255:
            changes.append(TRANSPARENT)
            image = Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid)
    if several:
        changes.append(SEVERAL)
    made = image.convert("RGB")
    made.info = {CHANGES: tuple(changes)}
    return made


def _turned(image: Image.Image) -> bool:
    """Whether a loaded image is to be shown turned. Pillow turns a TIFF itself when it loads it."""
    try:
        return image.getexif().get(0x0112, 1) in range(2, 9)
    except Exception:  # Damaged metadata: the pixels are none the worse.
        return False


def _extrema(image: Image.Image) -> tuple[tuple[int, int], ...]:
    found: Any = image.getextrema()
    return tuple(found) if isinstance(found[0], tuple) else (found,)


def _deep(image: Image.Image) -> bool:
    """Whether Pillow cuts more than 8 bits a band to 8 when it decodes a file."""
    for tile in getattr(image, "tile", [])[:1]:
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        for each in arguments:
            if (isinstance(each, str) and ";16" in each) or (
                image.format == "PPM" and isinstance(each, int) and each > 255
            ):
                return True
    return False


def _check_bands(image: Image.Image) -> None:
    """Raises _UnfitError for a TIFF with bands beside colour and alpha, which Pillow drops."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    bands, extra = int(tags.get(277, 1)), tags.get(338, ())
    colours = _COLOURS.get(tags.get(262, 1), bands)
    beyond = bands - colours
    if beyond > 1 or (beyond == 1 and 0 in tuple(extra)):
        raise _UnfitError(
            f"has {bands} bands, of which {colours} are colours: save the colours alone"
        )
    if tags.get(339, (1,))[0] == 2 and tags.get(258, (1,))[0] == 8:
        raise _UnfitError("has signed bytes, which Pillow takes for others: save it with 0 to 255")
    if image.n_frames > 1 and any(sign in str(tags.get(270, "")) for sign in _STACKS):
        raise _UnfitError(
            f"is a stack of {image.n_frames} pages, not one picture: save one as an image"
        )


def _scaled(image: Image.Image) -> tuple[Image.Image, str]:
    """An image of one band of whole numbers or floats with 8 bits, and what was done in words.

    Whole numbers are taken for the least of 8, 12 and 16 bits that suffices for all: cameras and
    scanners of 12 bits write them as 16. Floats are 0 to 1 or 0 to 255. Others raise _UnfitError.
    """
    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all():
        raise _UnfitError("has values that are not finite: save it with 8 bits a band")
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        top = 1.0 if high <= 1.01 else 255.0
        fits = low >= -0.01 * top and (high <= 1.01 or 16 <= high <= 255.5)
        how = "floats from 0 to 1, scaled to 8 bits" if top == 1 else "floats, rounded to 8 bits"
    else:
        top = float(next((most for most in WHOLE if high <= most), 65535))
        fits, bits = low >= 0 and high <= top, WHOLE[int(top)]
        how = f"no value above {top:.0f}, taken for {bits} bits" + " and scaled to 8" * (bits > 8)
        if bits == 16:
            how = "16 bits a band, scaled to 8"
    if not fits:
        known = "0 to 1 or 0 to 255" if image.mode == "F" else "0 to 65535"
        raise _UnfitError(f"has values from {low:g} to {high:g}, not {known}: save it with 8 bits")
    clear = image.info.get("transparency")
    shades = np.rint(values.clip(0, top) * (255 / top))
    if _white_is_zero(image):
        shades = 255 - shades
    if clear is not None and isinstance(clear, int):
        return _with_alpha(shades, values != clear), how
    return Image.fromarray(shades.astype(np.uint8)), how


def _white_is_zero(image: Image.Image) -> bool:
    tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    return tiff and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]


def _with_alpha(shades: NDArray[np.float32], opaque: NDArray[np.bool_]) -> Image.Image:
    bands = [Image.fromarray(each.astype(np.uint8)) for each in (shades, opaque * 255)]
    return Image.merge("LA", bands)
