"""A model's preprocessing in words and numbers, and as code of Pillow and NumPy alone.

A packaged file is used without vitbench: whoever guesses its resize or its mean gets other
probabilities and notices nothing. What is described here is proved before it is handed over: the
code's pixels are compared with the preprocessing's own.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import with_kind
from vitbench.models.preprocess import Described, Preprocess

Steps = dict[str, Any]
SIZES = ((301, 227), (226, 400), (91, 64), (640, 480))  # of proofs: wide, tall, small, usual
LIBRARIES = ("torchvision", "timm", "transformers")
MANY = 0.01  # more than hard edges have
OPENED = {
    "colour": "RGB, 8 bits a band; transparent images composited on white",
    "exif_orientation": "not applied",
}


class _UnknownError(Exception):
    """The preprocessing does what is not described here; the message says what."""


def describe(preprocess: Preprocess) -> tuple[Steps | None, list[str], str]:
    """The steps of a preprocessing as JSON, lines of Python that define `preprocess(path)`, and "".

    That takes an image file to float32 (1, C, H, W). Its pixels are those of the preprocessing
    within one level of 255, but for few at hard edges: torchvision, which transformers resizes
    with, rounds otherwise than Pillow there. `levels_off` is the most that was seen. Where the
    preprocessing cannot be so described: None, [], and why.
    """
    try:
        if not isinstance(preprocess, Described):
            raise _UnknownError("its kind is not known")
        steps = _steps(preprocess.made_of, preprocess.grey)
        lines = _code(steps)
        most, share = _levels_off(preprocess, steps, lines)
        if share > MANY:
            raise _UnknownError(
                f"{share:.0%} of Pillow's pixels differ from its own, by up to {most:.1f} of 255"
            )
    except _UnknownError as why:
        return None, [], f"the preprocessing cannot be written out: {why}"
    except Exception as error:  # of a processor that is made otherwise than those known
        return None, [], f"the preprocessing cannot be written out: {with_kind(error)}"
    return {**OPENED, **steps, "levels_off": most}, lines, ""


def fingerprint(preprocess: Preprocess) -> list[Any] | None:
    """JSON that decides, with the versions of its libraries, what pixels a preprocessing makes.
    None of one with steps that no library of ours makes: its own code would count too."""
    if not isinstance(preprocess, Described):
        return None
    made_of = preprocess.made_of
    try:
        steps = _steps(made_of, preprocess.grey)
    except Exception:
        return None
    kinds = [type(each) for each in (made_of, *getattr(made_of, "transforms", ()))]
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
    if any(name.partition(".")[0] not in LIBRARIES for name in names):
        return None
    said = str(made_of.to_json_string()) if hasattr(made_of, "to_json_string") else repr(made_of)
    return None if " at 0x" in said else [names, said, steps]


def _steps(made_of: Any, grey: bool) -> Steps:
    if not hasattr(made_of, "transforms") and not hasattr(made_of, "do_resize"):
        raise _UnknownError("it is a function of the model's own code")
    steps = _of_torchvision(made_of) if hasattr(made_of, "transforms") else _of_processor(made_of)
    if grey:
        steps["colour"] = "grey, 8 bits; transparent images composited on white"
    channels = 1 if grey else 3
    steps["mean"], steps["std"] = ([float(x) for x in steps[name]] for name in ("mean", "std"))
    if not len(steps["mean"]) == len(steps["std"]) == channels:
        raise _UnknownError("its mean and standard deviation are of other channels than images")
    area = steps["crop"] or (steps["resize"] or {}).get("size")
    if not isinstance(area, list):
        raise _UnknownError("the size of what it makes depends on the photograph")
    return {
        "order": "L" if grey else "RGB",
        **steps,
        "input": [channels, *area],
        "layout": "NCHW",
        "dtype": "float32",
    }


def _of_torchvision(made_of: Any) -> Steps:
    """Of a Compose for evaluation, as torchvision and timm make it."""
    found: Steps = {"resize": None, "crop": None, "crop_at": "round", "scale": 255.0}
    found |= {"mean": [0.0] * 3, "std": [1.0] * 3}
    order = ["Resize", "CenterCrop", "ToTensor", "Normalize"]
    for each in made_of.transforms:
        kind = type(each).__name__.removeprefix("Maybe")
        if kind not in order:
            raise _UnknownError(f"{kind} is not among {', '.join(order)}, in this order")
        del order[: order.index(kind) + 1]
        if kind == "Resize":
            if each.max_size is not None:
                raise _UnknownError("Resize has a max_size")
            size = each.size if isinstance(each.size, int) else [int(x) for x in each.size]
            size = size[0] if isinstance(size, list) and len(size) == 1 else size
            found["resize"] = {"size": size, "interpolation": each.interpolation.value}
        elif kind == "CenterCrop":
            found["crop"] = [int(x) for x in each.size]
        elif kind == "Normalize":
            found |= {"mean": each.mean, "std": each.std}
    if "ToTensor" in order:
        raise _UnknownError("it makes no tensor of an image")
    return found


def _of_processor(made_of: Any) -> Steps:
    """Of an image processor of transformers that resizes, crops, rescales and normalizes."""
    found: Steps = {"resize": None, "crop": None, "crop_at": "floor", "scale": 255.0}
    if getattr(made_of, "do_pad", None):
        raise _UnknownError(f"{type(made_of).__name__} pads images")
    if made_of.do_resize:
        size = {name: x for name, x in dict(made_of.size).items() if x is not None}
        if set(size) not in ({"height", "width"}, {"shortest_edge"}):
            raise _UnknownError(f"{type(made_of).__name__} resizes to {size}")
        wanted = size.get("shortest_edge") or [size["height"], size["width"]]
        name = Image.Resampling(made_of.resample).name.lower()
        found["resize"] = {"size": wanted, "interpolation": name}
    if getattr(made_of, "do_center_crop", None):
        found["crop"] = [made_of.crop_size["height"], made_of.crop_size["width"]]
    if made_of.do_resize and hasattr(made_of, "crop_pct"):
        found |= _of_convnext(found["resize"], made_of.crop_pct)
    if getattr(made_of, "do_flip_channel_order", None):
        found["order"] = "BGR"
    if not made_of.do_rescale:
        found["scale"] = 1.0
    elif made_of.rescale_factor:
        found["scale"] = 1 / made_of.rescale_factor
    plain = not made_of.do_normalize
    found["mean"] = [0.0] * 3 if plain else made_of.image_mean
    found["std"] = [1.0] * 3 if plain else made_of.image_std
    return found


def _of_convnext(resize: Steps, crop_pct: float) -> Steps:
    """Below 384 the shorter edge keeps `crop_pct` of itself; from there on the image is squeezed.

    Source: ConvNextImageProcessor.resize of transformers 5.23.
    """
    edge = resize["size"]
    if not isinstance(edge, int):
        raise _UnknownError("it has crop_pct, and resizes to a height and a width")
    if edge >= 384:
        return {"resize": {**resize, "size": [edge, edge]}}
    return {"resize": {**resize, "size": int(edge / crop_pct)}, "crop": [edge, edge]}


def _code(steps: Mapping[str, Any]) -> list[str]:
    grey = '.convert("L")' if steps["input"][0] == 1 else ""
    lines = [
        "import numpy as np",
        "from PIL import Image",
        "def preprocess(path):",
        "    image = Image.open(path)  # an EXIF orientation is not applied",
        '    if image.mode[0] in "IF":',
        '        raise ValueError("save it with 8 bits a band")',
        "    if image.has_transparency_data:",
        '        image = image.convert("RGBA")',
        '        white = Image.new("RGBA", image.size, "white")',
        "        image = Image.alpha_composite(white, image)",
        f'    image = image.convert("RGB"){grey}',
        "    width, height = image.size",
    ]
    if steps["resize"]:
        size, how = steps["resize"]["size"], steps["resize"]["interpolation"].upper()
        if isinstance(size, list):
            lines.append(f"    width, height = {size[1]}, {size[0]}")
        else:
            lines += [
                "    short = min(width, height)  # the longer side keeps the proportion",
                f"    width, height = int({size} * width / short), int({size} * height / short)",
            ]
        lines.append(f"    image = image.resize((width, height), Image.Resampling.{how})")
    if steps["crop"]:
        (h, w), rounded = steps["crop"], steps["crop_at"] == "round"
        for name, whole, part in (("left", "width", w), ("top", "height", h)):
            middle = f"round(({whole} - {part}) / 2)" if rounded else f"({whole} - {part}) // 2"
            lines.append(f"    {name} = {middle}")
        lines.append(f"    image = image.crop((left, top, left + {w}, top + {h}))")
    order = ["    pixels = pixels[..., ::-1]  # blue first"] if steps["order"] == "BGR" else []
    third = f"    pixels = np.asarray(image, np.float32).reshape({steps['input'][1:]} + [-1])"
    return [
        *lines,
        f"{third} / {steps['scale']:.10g}",
        *order,
        f"    pixels = (pixels - np.array({steps['mean']}, np.float32))"
        f" / np.array({steps['std']}, np.float32)",
        "    return pixels.transpose(2, 0, 1)[None].astype(np.float32)",
    ]


def _levels_off(preprocess: Preprocess, steps: Steps, lines: list[str]) -> tuple[float, float]:
    """How far the code's pixels are from the preprocessing's: the most, in levels of 255, and the
    share of them, of the image where that is largest, that are off by more than one."""
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)  # what was just written above
    most = share = 0.0
    with TemporaryDirectory() as folder:
        for number, (width, height) in enumerate(SIZES):
            path = Path(folder) / f"{number}.png"
            image = _picture(width, height)
            image.save(path)
            wanted, found = preprocess(image), made["preprocess"](path)[0]
            if wanted.shape != found.shape:
                raise _UnknownError(f"Pillow makes {found.shape} of what becomes {wanted.shape}")
            off = np.abs(wanted - found) * np.array(steps["std"])[:, None, None] * steps["scale"]
            most, share = max(most, float(off.max())), max(share, float((off > 1.01).mean()))
    return round(most, 2), share


def _picture(width: int, height: int) -> Image.Image:
    """An image with smooth parts, edges and noise, the same each time."""
    numbers = np.random.default_rng([width, height])
    y, x = np.mgrid[:height, :width] / 16
    waves = [127 + 90 * np.sin(x + k) * np.cos(y - k) for k in range(3)]
    picture: NDArray[Any] = np.stack(waves, 2) + numbers.normal(0, 12, (height, width, 3))
    picture[height // 3 : height // 2, width // 3 : width // 2] = (255, 0, 90)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))
